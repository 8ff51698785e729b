package store

import (
	"fmt"
	"strconv"
	"strings"

	"modelproviders/pkg/registry"
)

// page is one page of a list: at most limit rows, or all if limit is 0, that follow a
// position in an order.
type page struct {
	table, alias string
	order        registry.Sort
	after        *registry.Position
	limit        int
	// namesUnique means that rows are sorted by name only. Otherwise they are sorted
	// by name and id.
	namesUnique bool
}

// of adds the conditions of a page to those of its list, and returns the clauses
// that follow them.
func (p page) of(c *conditions) (string, error) {
	name, descending := strings.CutPrefix(string(p.order), "-")
	var after registry.Position
	if p.after != nil {
		after = *p.after
	}
	columns, values := []string{p.alias + ".name_key", p.alias + ".id"}, []any{after.Name, after.ID}
	switch {
	case name == string(registry.SortCreated):
		columns[0], values[0] = p.alias+".created_at", moment(after.CreatedAt)
	case name != "" && name != string(registry.SortName):
		return "", fmt.Errorf("unknown order %q", p.order)
	case p.namesUnique:
		columns, values = columns[:1], values[:1]
	}
	comparison, direction := ">", ""
	if descending {
		comparison, direction = "<", " DESC"
	}
	if p.after != nil {
		c.and("(" + strings.Join(columns, ", ") + ") " + comparison + " (" + c.args.add(values...) + ")")
	}
	clauses := " ORDER BY " + strings.Join(columns, direction+", ") + direction
	if p.limit > 0 { // with a parameter, PostgreSQL would plan the query again for each call
		clauses += " LIMIT " + strconv.Itoa(p.limit)
	}
	return clauses, nil
}

// index is the index that reads the table in the order of the page.
func (p page) index() string {
	if strings.HasSuffix(string(p.order), string(registry.SortCreated)) {
		return p.table + "_created"
	}
	return p.table + "_name"
}
