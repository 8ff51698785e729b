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
	failed error // the first error of a statement: none runs after it, as in PostgreSQL
	ended  atomic.Bool
}

// statement returns the context in which a statement is to run, or why not to.
func (p *savepoint) statement(ctx context.Context) (context.Context, error) {
	switch {
	case p.ended.Load():
		return ended, errEnded
	case p.failed != nil:
		return ended, p.failed
	case !p.batch.stands:
		return ended, errUndone
	case p.ctx.Err() != nil:
		return ended, p.ctx.Err()
	}
	return context.WithoutCancel(ctx), ctx.Err()
}

// ended is a context in which no statement runs.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

func (p *savepoint) note(err error) error {
	if err != nil && p.failed == nil {
		p.failed = err
	}
	return err
}

// ExecContext implements [gorm.ConnPool].
func (p *savepoint) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	ctx, err := p.statement(ctx)
	if err != nil {
		return nil, err
	}
	result, err := p.conn.ExecContext(ctx, query, args...)
	return result, p.note(err)
}

// QueryContext implements [gorm.ConnPool].
func (p *savepoint) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	ctx, err := p.statement(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := p.conn.QueryContext(ctx, query, args...)
	return rows, p.note(err)
}

// QueryRowContext implements [gorm.ConnPool]. A row can't say why it is refused.
func (p *savepoint) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	ctx, err := p.statement(ctx)
	if err != nil {
		ctx = ended
	}
	row := p.conn.QueryRowContext(ctx, query, args...)
	if err == nil {
		_ = p.note(row.Err())
	}
	return row
}

// PrepareContext implements [gorm.ConnPool]. A prepared statement would outlive
// the savepoint.
func (*savepoint) PrepareContext(context.Context, string) (*sql.Stmt, error) {
	return nil, errors.New("statements can't be prepared in a transaction on SQLite")
}
