package store

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"modelproviders/pkg/fault"
)

// column is a column of a table with the field, a pointer, that its value is read into and
// written from. Both drivers write what a pointer points to.
type column struct {
	name  string
	field any
	use   use
}

// use says which statements write a column.
type use int

const (
	fixed    use = iota // written when the row is added
	editable            // written when the row is added, and by edits
	observed            // written by other statements
)

// columns are columns of one row.
type columns []column

// only returns the columns with the given uses.
func (cs columns) only(uses ...use) columns {
	return slices.DeleteFunc(slices.Clone(cs), func(c column) bool { return !slices.Contains(uses, c.use) })
}

// names lists the columns, each after a prefix such as "m.".
func (cs columns) names(prefix string) string {
	return cs.join(func(c column) string { return prefix + c.name })
}

// assign lists assignments from another table with the given prefix.
func (cs columns) assign(prefix string) string {
	return cs.join(func(c column) string { return c.name + " = " + prefix + c.name })
}

func (cs columns) join(text func(column) string) string {
	texts := make([]string, len(cs))
	for i, c := range cs {
		texts[i] = text(c)
	}
	return strings.Join(texts, ", ")
}

// fields returns the fields of the columns.
func (cs columns) fields() []any {
	fields := make([]any, len(cs))
	for i, c := range cs {
		fields[i] = c.field
	}
	return fields
}

// insertInto is the text of the statement that adds a row to a table, to which a condition
// can be added. Its arguments are the fields of the row.
func (cs columns) insertInto(table string) string {
	var args arguments
	return "INSERT INTO " + table + " (" + cs.names("") + ") SELECT " + args.add(cs.fields()...)
}

// records encodes rows as a JSON list of objects, which [dialect.recordset] reads.
// A statement with such a list has the same text for any number of rows.
func (d dialect) records(rows ...columns) string {
	list := []byte("[")
	for i, row := range rows {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, '{')
		for j, c := range row {
			if j > 0 {
				list = append(list, ',')
			}
			list = append(list, `"`+c.name+`":`...)
			list = append(list, d.json(c.field)...)
		}
		list = append(list, '}')
	}
	return string(append(list, ']'))
}

// json is the JSON of what a field points to.
func (d dialect) json(field any) string {
	switch field := field.(type) {
	case *bool:
		return strconv.FormatBool(*field)
	case *int64:
		return strconv.FormatInt(*field, 10)
	case *moment:
		return encoded(d.jsonTime(time.Time(*field)))
	case *[]byte:
		if *field == nil {
			return "null"
		}
		return encoded(`\x` + hex.EncodeToString(*field))
	}
	return encoded(field)
}

// arguments are the values of the parameters $1, $2 and so on of a statement.
type arguments []any

// add adds values, and returns the parameters that stand for them in the SQL.
func (a *arguments) add(values ...any) string {
	names := make([]string, len(values))
	for i, value := range values {
		*a = append(*a, value)
		names[i] = "$" + strconv.Itoa(len(*a))
	}
	return strings.Join(names, ", ")
}

// conditions builds the WHERE clause of a list. Its first condition is that $1 is
// the workspace.
type conditions struct {
	text strings.Builder
	args arguments
}

// where begins a clause on the rows of a workspace; alias is the table's.
func where(alias, workspace string) *conditions {
	c := &conditions{args: arguments{workspace}}
	c.text.WriteString(" WHERE " + alias + ".workspace = $1")
	return c
}

// and adds a condition. Each ? in it stands for the next of the values. No row
// meets a condition on text that can't be stored: PostgreSQL refuses to compare
// with such text.
func (c *conditions) and(condition string, values ...any) {
	c.text.WriteString(" AND ")
	for _, value := range values {
		if text, ok := value.(string); ok && fault.Storable(text) != text {
			condition, values = "1 = 0", nil
		}
	}
	for _, value := range values {
		before, after, _ := strings.Cut(condition, "?")
		c.text.WriteString(before + c.args.add(value))
		condition = after
	}
	c.text.WriteString(condition)
}
