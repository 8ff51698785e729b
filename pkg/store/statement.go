package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"

	"modelproviders/pkg/audit/chain"
)

// What every request needs is SQL, run on the driver: GORM took half of the time
// of a read to build it. In each statement $1 is the workspace; both drivers
// number parameters like this.

// statement is SQL with its arguments.
type statement struct {
	sql  string
	args []any
}

// conn returns what a statement runs on; see [Store.handle].
func (s *Store) conn(ctx context.Context) gorm.ConnPool { return s.handle(ctx).Statement.ConnPool }

var errUnscoped = errors.New("a query on the rows of a workspace has none")

// rows runs a query on the rows of one workspace and passes each row to scan.
func (s *Store) rows(ctx context.Context, query string, args []any, scan func(*sql.Rows) error) error {
	if args[0] == "" {
		return errUnscoped
	}
	return s.allRows(ctx, query, args, scan)
}

// allRows is rows without a workspace.
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

// into scans each row into fields, and then calls done.
func into(fields []any, done func() error) func(*sql.Rows) error {
	return func(rows *sql.Rows) error {
		if err := rows.Scan(fields...); err != nil {
			return err
		}
		return done()
	}
}

// one reads the row of a workspace with an id into fields. It returns not_found.
func (s *Store) one(ctx context.Context, query, workspace, what, id string, fields []any) error {
	found := false
	err := s.rows(ctx, query, []any{workspace, id}, into(fields, func() error { found = true; return nil }))
	if err == nil && !found {
		err = notFound(what, id)
	}
	return err
}

// exec runs a statement in the transaction of the context, and returns how many
// rows it changed.
func (s *Store) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	result, err := s.conn(ctx).ExecContext(ctx, statement, args...)
	if err != nil {
		return 0, s.translate(ctx, err)
	}
	changed, err := result.RowsAffected()
	return changed, s.translate(ctx, err)
}

// together runs statements in one transaction, that of the context if it has one,
// and returns how many rows the last one changed. On PostgreSQL they are sent as
// one statement, each but the last as a CTE: one round trip, without BEGIN and
// COMMIT. They see the database as it was before all of them, and must not change
// a row twice (https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING).
func (s *Store) together(ctx context.Context, statements ...statement) (changed int64, err error) {
	if s.engine.combines {
		statements = []statement{combine(statements)}
	}
	run := func(ctx context.Context) error {
		for _, one := range statements {
			if changed, err = s.exec(ctx, one.sql, one.args...); err != nil {
				return err
			}
		}
		return nil
	}
	if s.engine.combines && s.transaction(ctx) == nil {
		err = s.repeat(ctx, run)
	} else {
		err = s.InTx(ctx, run)
	}
	return changed, err
}

// combine makes one statement of several. The n-th is called sN in the others.
func combine(statements []statement) statement {
	var parts []string
	var args []any
	for _, one := range statements {
		parts = append(parts, renumbered(one.sql, len(args)))
		args = append(args, one.args...)
	}
	last := len(parts) - 1
	for i := range last {
		parts[i] = fmt.Sprintf("s%d AS (%s)", i+1, parts[i])
	}
	if last == 0 {
		return statement{parts[0], args}
	}
	return statement{"WITH " + strings.Join(parts[:last], ", ") + " " + parts[last], args}
}

// renumbered is SQL whose parameters follow so many others.
func renumbered(sql string, others int) string {
	var text strings.Builder
	for i, part := range strings.Split(sql, "$") {
		if i > 0 {
			rest := strings.TrimLeft(part, "0123456789")
			number, _ := strconv.Atoi(part[:len(part)-len(rest)])
			text.WriteString("$" + strconv.Itoa(number+others))
			part = rest
		}
		text.WriteString(part)
	}
	return text.String()
}

// encoded is the JSON of a value that can always be encoded.
func encoded(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Errorf("store: encode %T: %w", value, err))
	}
	return string(text)
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

// statements is the SQL that differs between the databases.
type statements struct {
	combines bool   // several statements can be sent as one; see [Store.together]
	tryLock  string // takes the lock $1 until the transaction ends, or returns false; empty: transactions run one at a time

	insertModels, updateModels string // $1 workspace, $2 provider, $3 a list of encodedModel

	eventsAtOnce int    // audit events that one statement adds at most
	touchTokens  string // $1 a list of encodedUse
	// linkEvents returns how many events it linked.
	linkEvents func(ctx context.Context, s *Store, workspace string, links []chain.Link) (int64, error)
	// beat stores that the process $1 is alive, removes those that were not seen for
	// a minute, and counts, in its last statement.
	beat []string

	contains  string // the function contains(text, part) > 0
	hasStage  string // the condition that a model serves the stage %s
	jsonTime  func(time.Time) any
	forUpdate string // locks what a query reads
	nested    string // makes a join read the tables in the order in which they stand
	indexedBy func(index string) string
	// rareProviders, unless empty, goes before <conditions> on the providers of
	// models.
	rareProviders string
	inIDs         func(parameter string) string // the condition that an id is in a list
	ids           func([]string) any            // the list
	// violates reports whether an error is that of a unique index, by its name or
	// its columns.
	violates func(err error, constraint, columns string) bool
}

// updateModels begins the statement that changes models e. A model with another
// model id was not tested.
const updateModels = `UPDATE models SET model_id = e.model_id, model_key = e.model_key, display_name = e.display_name, name_key = e.name_key,
	stages = e.stages, enabled = e.enabled, version = e.version, updated_at = e.updated_at,
	test_connection = CASE WHEN models.model_id = e.model_id THEN models.test_connection END`
