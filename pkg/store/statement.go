package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gorm.io/gorm"
)

// statement is SQL with its arguments. The statements of frequent calls are not
// built with GORM, which took half of the time of a read. In most of them $1 is the
// workspace.
type statement struct {
	sql  string
	args []any
}

var errUnscoped = errors.New("a query on the rows of a workspace has none")

// each runs a query, scans each row into fields, and then calls fn.
func (s *Store) each(ctx context.Context, query string, args, fields []any, fn func() error) error {
	if strings.Contains(query, "workspace = $1") && args[0] == "" {
		return errUnscoped
	}
	return s.run(ctx, query, func(ctx context.Context, conn gorm.ConnPool) error {
		rows, err := conn.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			if err := rows.Scan(fields...); err != nil {
				return err
			}
			if err := fn(); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// one scans the only row of a query into fields, and reports whether there is one.
func (s *Store) one(ctx context.Context, query string, args []any, fields ...any) (found bool, err error) {
	err = s.each(ctx, query, args, fields, func() error { found = true; return nil })
	return found, err
}

// exec runs a statement in the transaction of the context, and returns how many
// rows it changed.
func (s *Store) exec(ctx context.Context, statement string, args ...any) (changed int64, err error) {
	err = s.run(ctx, statement, func(ctx context.Context, conn gorm.ConnPool) error {
		result, err := conn.ExecContext(ctx, statement, args...)
		if err == nil {
			changed, err = result.RowsAffected()
		}
		return err
	})
	return changed, err
}

// list reads the rows of a query into fields, and returns what row makes of each.
func list[T any](ctx context.Context, s *Store, query string, args, fields []any, row func() T) (all []T, err error) {
	err = s.each(ctx, query, args, fields, func() error {
		all = append(all, row())
		return nil
	})
	return all, err
}

// execAll is exec of several statements. It returns how many rows the last one changed.
func (s *Store) execAll(ctx context.Context, statements ...statement) (changed int64, err error) {
	for _, one := range statements {
		if changed, err = s.exec(ctx, one.sql, one.args...); err != nil {
			return 0, err
		}
	}
	return changed, nil
}

// together runs statements in one transaction, that of the context if it has one,
// and returns how many rows the last one changed. On PostgreSQL they are sent as
// one statement, each but the last as a CTE: one round trip, without BEGIN and
// COMMIT. They see the database as it was before all of them, and must not change
// a row twice (https://www.postgresql.org/docs/current/queries-with.html#QUERIES-WITH-MODIFYING).
func (s *Store) together(ctx context.Context, statements ...statement) (changed int64, err error) {
	if s.engine.combines {
		statements = []statement{s.combine(statements)}
	}
	run := func(ctx context.Context) error {
		changed, err = s.execAll(ctx, statements...)
		return err
	}
	if s.engine.combines && s.transaction(ctx) == nil {
		err = s.repeat(ctx, run)
	} else {
		err = s.InTx(ctx, run)
	}
	return changed, err
}

// firstThen is together, but runs the others only if the first changes a row. The texts of
// the others have the condition [dialect.ifFirst].
func (s *Store) firstThen(ctx context.Context, first statement, others ...statement) (changed int64, err error) {
	if s.engine.combines {
		return s.together(ctx, append([]statement{first}, others...)...)
	}
	err = s.InTx(ctx, func(ctx context.Context) error {
		changed, err = s.exec(ctx, first.sql, first.args...)
		if err == nil && changed > 0 && len(others) > 0 {
			changed, err = s.together(ctx, others...)
		}
		return err
	})
	return changed, err
}

// combine joins several statements into one. The others can refer to the n-th as sN.
// It keeps the joined texts, of which the program has few.
func (s *Store) combine(statements []statement) statement {
	if len(statements) == 1 {
		return statements[0]
	}
	var args []any
	texts := make([]string, len(statements))
	for i, one := range statements {
		texts[i] = one.sql
		args = append(args, one.args...)
	}
	key := strings.Join(texts, ";")
	text, ok := s.combined.Load(key)
	if !ok {
		text = combined(statements)
		s.combined.Store(key, text)
	}
	return statement{text.(string), args}
}

func combined(statements []statement) string {
	var parts []string
	args := 0
	for i, one := range statements {
		part := renumbered(one.sql, args)
		if i < len(statements)-1 {
			part = fmt.Sprintf("s%d AS (%s)", i+1, part)
		}
		parts = append(parts, part)
		args += len(one.args)
	}
	last := len(parts) - 1
	return "WITH " + strings.Join(parts[:last], ", ") + " " + parts[last]
}

// renumbered returns SQL with the numbers of its parameters increased.
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

// encoded returns the JSON of a value. It panics if the value can't be encoded.
func encoded(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Errorf("store: encode %T: %w", value, err))
	}
	return string(text)
}
