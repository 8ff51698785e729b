package store

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

// page is one page of a list: at most limit rows, all of them for 0, that
// follow a position in an order.
type page struct {
	alias string // of the table
	order registry.Sort
	after *registry.Position
	limit int
	// namesUnique says that the names order the rows by themselves. What is not
	// unique is followed by the id.
	namesUnique bool
}

// of adds the conditions of a page to those of its list, and returns the clauses
// that follow them. Both directions read the same index.
func (p page) of(c *conditions) (string, error) {
	var after registry.Position
	if p.after != nil {
		after = *p.after
	}
	var columns []string
	var values []any
	switch p.order {
	case "", registry.SortName, registry.SortNameDesc:
		columns, values = []string{p.alias + ".name_key", p.alias + ".id"}, []any{after.Name, after.ID}
		if p.namesUnique {
			columns, values = columns[:1], values[:1]
		}
	case registry.SortCreated, registry.SortCreatedDesc:
		columns, values = []string{p.alias + ".created_at", p.alias + ".id"}, []any{newMoment(after.CreatedAt), after.ID}
	default:
		return "", fmt.Errorf("unknown order %q", p.order)
	}
	comparison, direction := ">", ""
	if strings.HasPrefix(string(p.order), "-") {
		comparison, direction = "<", " DESC"
	}
	if p.after != nil {
		marks := strings.TrimSuffix(strings.Repeat("?, ", len(columns)), ", ")
		c.and("("+strings.Join(columns, ", ")+") "+comparison+" ("+marks+")", values...)
	}
	clauses := " ORDER BY " + strings.Join(columns, direction+", ") + direction
	if p.limit > 0 { // not a parameter, for which PostgreSQL would plan each call anew
		clauses += " LIMIT " + strconv.Itoa(p.limit)
	}
	return clauses, nil
}

func (p page) byCreation() bool {
	return p.order == registry.SortCreated || p.order == registry.SortCreatedDesc
}

// index names the index that reads a table in the order of the page.
func (p page) index(table string) string {
	if p.byCreation() {
		return table + "_created"
	}
	return table + "_name"
}

// storable reports whether stored text can equal or contain all of the given
// texts. PostgreSQL refuses to compare with others.
func storable(texts ...string) bool {
	return !slices.ContainsFunc(texts, func(text string) bool { return fault.Storable(text) != text })
}
