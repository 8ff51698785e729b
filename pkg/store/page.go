package store

import (
	"fmt"
	"strings"

	"gorm.io/gorm"

	"modelproviders/pkg/registry"
)

// paged orders rows and selects one page of them: at most limit, all of them
// for 0, after a position. Where names are unique they order by themselves;
// otherwise the id follows. Both directions read the same index.
func paged(db *gorm.DB, sort registry.Sort, namesUnique bool, after *registry.Position, limit int) (*gorm.DB, error) {
	var columns []string
	var values []any
	var position registry.Position
	if after != nil {
		position = *after
	}
	switch sort {
	case "", registry.SortName, registry.SortNameDesc:
		columns, values = []string{"name_key"}, []any{position.Name}
		if !namesUnique {
			columns, values = append(columns, "id"), append(values, position.ID)
		}
	case registry.SortCreated, registry.SortCreatedDesc:
		columns, values = []string{"created_at", "id"}, []any{toMillis(position.CreatedAt), position.ID}
	default:
		return nil, fmt.Errorf("unknown order %q", sort)
	}
	comparison, direction := ">", ""
	if strings.HasPrefix(string(sort), "-") {
		comparison, direction = "<", " DESC"
	}
	if after != nil {
		marks := strings.TrimSuffix(strings.Repeat("?, ", len(columns)), ", ")
		db = db.Where("("+strings.Join(columns, ", ")+") "+comparison+" ("+marks+")", values...)
	}
	db = db.Order(strings.Join(columns, direction+", ") + direction)
	if limit > 0 {
		db = db.Limit(limit)
	}
	return db, nil
}

// storable reports whether a stored text can be, or hold, the given ones.
// PostgreSQL refuses even to compare with the others.
func storable(texts ...string) bool {
	for _, text := range texts {
		if strings.ToValidUTF8(text, "") != text || strings.ContainsRune(text, 0) {
			return false
		}
	}
	return true
}
