package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"

	"modelproviders/pkg/audit/chain"
)

// Statements of the paths that every request takes are written as SQL and run on
// the driver: building them took GORM half of the time of a read. They replace its
// Find, Create, Updates and Delete of providers, models and audit events. In each
// of them $1 is the workspace; both drivers number parameters like this.

// conn returns what a statement runs on: the transaction of the context, or the
// pool that reads.
func (s *Store) conn(ctx context.Context) gorm.ConnPool {
	if t := s.transaction(ctx); t != nil {
		return t.db.Statement.ConnPool
	}
	return s.engine.reader.Statement.ConnPool
}

// rows runs a query on the rows of one workspace and hands each to scan.
func (s *Store) rows(ctx context.Context, query string, args []any, scan func(*sql.Rows) error) error {
	if args[0] == "" {
		return errUnscoped
	}
	return s.allRows(ctx, query, args, scan)
}

// allRows is rows for a query on the rows of any workspace.
func (s *Store) allRows(ctx context.Context, query string, args []any, scan func(*sql.Rows) error) error {
	return s.run(ctx, func(ctx context.Context) error {
		rows, err := s.conn(ctx).QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			if err := scan(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// exec runs a statement in the transaction of the context and returns how many
// rows it changed.
func (s *Store) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	result, err := s.conn(ctx).ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, s.translate(ctx, err)
	}
	changed, err := result.RowsAffected()
	return changed, s.translate(ctx, err)
}

// statement is SQL with its arguments, of which the first is the workspace.
type statement struct {
	sql  string
	args []any
}

// together runs statements in the transaction of the context, or all of them in
// one of their own, and returns how many rows the last one changed. On PostgreSQL
// they are sent as one, each but the last as a CTE: one round trip, and one commit
// where there is no transaction around it. They see the database as it was before
// all of them, and may not change a row twice (https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING).
func (s *Store) together(ctx context.Context, statements ...statement) (changed int64, err error) {
	run := func(ctx context.Context) error { // one after the other
		for _, one := range statements {
			if changed, err = s.exec(ctx, one.sql, one.args...); err != nil {
				return err
			}
		}
		return nil
	}
	switch {
	case !s.engine.combines:
		err = s.InTx(ctx, run)
	case s.transaction(ctx) != nil:
		statements = []statement{combine(statements)}
		err = run(ctx)
	default:
		statements = []statement{combine(statements)}
		err = s.repeat(ctx, run)
	}
	return changed, err
}

// combine makes one statement of several. The n-th is called sN in the others.
func combine(statements []statement) statement {
	var text strings.Builder
	var args []any
	for i, one := range statements {
		switch last := i == len(statements)-1; {
		case i == 0 && !last:
			text.WriteString("WITH s1 AS (")
		case i > 0 && !last:
			fmt.Fprintf(&text, ", s%d AS (", i+1)
		}
		writeRenumbered(&text, one.sql, len(args))
		if i < len(statements)-1 {
			text.WriteByte(')')
		}
		args = append(args, one.args...)
	}
	return statement{text.String(), args}
}

// writeRenumbered writes SQL with its parameters numbered from offset+1 on.
func writeRenumbered(text *strings.Builder, sql string, offset int) {
	for {
		before, after, found := strings.Cut(sql, "$")
		text.WriteString(before)
		if !found {
			return
		}
		digits := len(after) - len(strings.TrimLeft(after, "0123456789"))
		number, _ := strconv.Atoi(after[:digits])
		text.WriteString("$" + strconv.Itoa(number+offset))
		sql = after[digits:]
	}
}

// conditions builds the WHERE clause of a list, whose first condition is that
// $1 is the workspace.
type conditions struct {
	text strings.Builder
	args []any
}

// where begins a clause on the rows of a workspace; alias is the table's.
func where(alias, workspace string) *conditions {
	c := &conditions{args: []any{workspace}}
	c.text.WriteString(" WHERE " + alias + ".workspace = $1")
	return c
}

// and adds a condition. Each ? in it stands for the next of the values.
func (c *conditions) and(condition string, values ...any) {
	c.text.WriteString(" AND ")
	for _, value := range values {
		before, after, _ := strings.Cut(condition, "?")
		c.text.WriteString(before + c.parameter(value))
		condition = after
	}
	c.text.WriteString(condition)
}

// parameter adds a value and returns how the SQL refers to it.
func (c *conditions) parameter(value any) string {
	c.args = append(c.args, value)
	return "$" + strconv.Itoa(len(c.args))
}

// execFunc is [Store.exec].
type execFunc func(ctx context.Context, statement string, args ...any) (changed int64, err error)

// statements is the SQL that differs between the databases.
type statements struct {
	// combines says that several statements can be sent as one; see
	// [Store.together].
	combines bool

	insertModels, updateModels string // $1 workspace, $2 provider, $3 a list of encodedModel

	// eventsAtOnce is how many audit events one statement adds at most.
	eventsAtOnce int
	touchTokens  string // $1 a list of encodedUse
	linkEvents   func(ctx context.Context, workspace string, links []chain.Link, exec execFunc) (linked int64, err error)
	// beat notes that the process $1 lives, removes those that have not said so for
	// a minute, and counts, in its last statement.
	beat []string

	contains string // names the function contains(text, part) > 0
	hasStage string // the condition that a model serves the stage %s
	// jsonTime is a time in a list of encodedModel.
	jsonTime func(time.Time) any
	// forUpdate locks what a query reads.
	forUpdate string
	// nested says that a join reads the tables in the order in which they stand.
	nested string
	// indexedBy names the index that a table is read by.
	indexedBy func(index string) string
	// rareProviders, where it isn't empty, precedes <conditions> on the providers
	// of models.
	rareProviders string
	// inIDs is the condition that an id is one of the ids of a parameter.
	inIDs func(parameter string) string
	ids   func([]string) any
	// violates reports whether an error is that of a unique index, by its name or
	// its columns.
	violates func(err error, constraint, columns string) bool
}

// updateModels begins the statement that changes models e. A model with another
// model id was not tested.
const updateModels = `UPDATE models SET model_id = e.model_id, model_key = e.model_key, display_name = e.display_name, name_key = e.name_key,
	stages = e.stages, enabled = e.enabled, version = e.version, updated_at = e.updated_at,
	test_connection = CASE WHEN models.model_id = e.model_id THEN models.test_connection END`
