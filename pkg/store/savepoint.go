package store

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
)

var errEnded = errors.New("the transaction has ended")

// savepoint is the [gorm.ConnPool] of a member while it runs.
type savepoint struct {
	batch  *batches
	conn   *sql.Conn
	ctx    context.Context
	failed error // of the first statement that failed: none runs after it, as in PostgreSQL
	ended  atomic.Bool
}

// inSavepoint runs a statement, without the end of its context; see [batches].
func inSavepoint[T any](ctx context.Context, p *savepoint, statement func(context.Context) (T, error)) (result T, err error) {
	switch {
	case p.ended.Load():
		return result, errEnded
	case p.failed != nil:
		return result, p.failed
	case !p.batch.open:
		return result, errUndone
	case p.ctx.Err() != nil:
		return result, p.ctx.Err()
	case ctx.Err() != nil:
		return result, ctx.Err()
	}
	result, err = statement(context.WithoutCancel(ctx))
	p.failed = err
	return result, err
}

// ExecContext implements [gorm.ConnPool].
func (p *savepoint) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return inSavepoint(ctx, p, func(ctx context.Context) (sql.Result, error) { return p.conn.ExecContext(ctx, query, args...) })
}

// QueryContext implements [gorm.ConnPool].
func (p *savepoint) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return inSavepoint(ctx, p, func(ctx context.Context) (*sql.Rows, error) { return p.conn.QueryContext(ctx, query, args...) })
}

// QueryRowContext implements [gorm.ConnPool]. A row can't hold an error of its
// own: a refused statement runs in a context that has ended.
func (p *savepoint) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	row, _ := inSavepoint(ctx, p, func(ctx context.Context) (*sql.Row, error) {
		row := p.conn.QueryRowContext(ctx, query, args...)
		return row, row.Err()
	})
	if row == nil {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		return p.conn.QueryRowContext(ctx, query, args...)
	}
	return row
}

// PrepareContext implements [gorm.ConnPool]. A prepared statement would outlive
// the savepoint.
func (*savepoint) PrepareContext(context.Context, string) (*sql.Stmt, error) {
	return nil, errors.New("statements can't be prepared in a transaction on SQLite")
}
