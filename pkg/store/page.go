package store

import (
	"fmt"
	"strings"

	"gorm.io/gorm"

	"modelproviders/pkg/registry"
)

// page is one page of a list: at most limit rows, all of them for 0, that
// follow a position in an order.
type page struct {
	order registry.Sort
	after *registry.Position
	limit int
	// namesUnique says that the names order the rows by themselves. What is not
	// unique is followed by the id.
	namesUnique bool
	// sorted says that an index on another column finds the few rows of the
	// list, and keeps SQLite from reading along the order instead: the unary
	// plus hides the columns from its planner.
	sorted bool
}

// of selects the page from the rows of a list. Both directions read the same
// index.
func (p page) of(list *gorm.DB) (*gorm.DB, error) {
	var after registry.Position
	if p.after != nil {
		after = *p.after
	}
	var columns []string
	var values []any
	switch p.order {
	case "", registry.SortName, registry.SortNameDesc:
		columns, values = []string{"name_key", "id"}, []any{after.Name, after.ID}
		if p.namesUnique {
			columns, values = columns[:1], values[:1]
		}
	case registry.SortCreated, registry.SortCreatedDesc:
		columns, values = []string{"created_at", "id"}, []any{toMillis(after.CreatedAt), after.ID}
	default:
		return nil, fmt.Errorf("unknown order %q", p.order)
	}
	if p.sorted {
		for i, column := range columns {
			columns[i] = "+" + column
		}
	}
	comparison, direction := ">", ""
	if strings.HasPrefix(string(p.order), "-") {
		comparison, direction = "<", " DESC"
	}
	if p.after != nil {
		marks := strings.TrimSuffix(strings.Repeat("?, ", len(columns)), ", ")
		list = list.Where("("+strings.Join(columns, ", ")+") "+comparison+" ("+marks+")", values...)
	}
	list = list.Order(strings.Join(columns, direction+", ") + direction)
	if p.limit > 0 {
		list = list.Limit(p.limit)
	}
	return list, nil
}

// repaired makes a text of the outside world storable: what PostgreSQL refuses
// becomes U+FFFD.
func repaired(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
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
