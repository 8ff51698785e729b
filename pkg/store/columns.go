package store

import (
	"strconv"
	"strings"
)

// column is a column of a table with the field, a pointer, that its value is read into and
// written from. Both drivers write what a pointer points to.
type column struct {
	name  string
	field any
}

// columns are columns of one row. Their names are in the order of their fields.
type columns []column

// names lists the columns of a table that is called alias in the statement, if
// it has an alias.
func (cs columns) names(alias string) string {
	return cs.join(func(c column) string { return qualified(alias, c.name) })
}

// assign lists assignments that take the values from another table.
func (cs columns) assign(from string) string {
	return cs.join(func(c column) string { return c.name + " = " + qualified(from, c.name) })
}

// nulls lists a NULL for each column.
func (cs columns) nulls() string {
	return cs.join(func(column) string { return "NULL" })
}

func (cs columns) join(text func(column) string) string {
	texts := make([]string, len(cs))
	for i, c := range cs {
		texts[i] = text(c)
	}
	return strings.Join(texts, ", ")
}

func (cs columns) fields() []any {
	fields := make([]any, len(cs))
	for i, c := range cs {
		fields[i] = c.field
	}
	return fields
}

func qualified(alias, name string) string {
	if alias == "" {
		return name
	}
	return alias + "." + name
}

// insert is the statement that adds rows to a table.
func insert(table string, rows ...columns) statement {
	var args arguments
	values := make([]string, len(rows))
	for i, row := range rows {
		values[i] = "(" + args.add(row.fields()...) + ")"
	}
	return statement{"INSERT INTO " + table + " (" + rows[0].names("") + ") VALUES " + strings.Join(values, ", "), args}
}

// records encodes rows as a JSON list of objects, which [dialect.recordset] reads.
// The text of a statement with a list is thus the same for any number of rows.
func (d dialect) records(rows []columns) string {
	list := make([]map[string]any, len(rows))
	for i, row := range rows {
		list[i] = make(map[string]any, len(row))
		for _, c := range row {
			list[i][c.name] = d.jsonValue(c.field)
		}
	}
	return encoded(list)
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

// and adds a condition. Each ? in it stands for the next of the values.
func (c *conditions) and(condition string, values ...any) {
	c.text.WriteString(" AND ")
	for _, value := range values {
		before, after, _ := strings.Cut(condition, "?")
		c.text.WriteString(before + c.args.add(value))
		condition = after
	}
	c.text.WriteString(condition)
}
