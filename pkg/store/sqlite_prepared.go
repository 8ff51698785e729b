package store

import (
	"context"
	"database/sql/driver"
	"errors"

	"modernc.org/sqlite"
)

// maxPrepared is how many statements a connection keeps prepared. It is more than
// the program has, apart from lists with rare combinations of filters.
const maxPrepared = 200

// preparing opens connections that keep their statements prepared, because SQLite
// takes longer to prepare most statements than to run them.
type preparing struct {
	driver.Connector
	undone func()             // called when a transaction is rolled back, also by SQLite itself after an error
	ran    func(query string) // called with each statement; may be nil
}

// Connect implements [driver.Connector].
func (p preparing) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := p.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn.(sqlite.HookRegisterer).RegisterRollbackHook(p.undone)
	return &preparedConn{sqliteConn: conn.(sqliteConn), idle: map[string]preparedStmt{}, ran: p.ran}, nil
}

// sqliteConn is what [sql.DB] uses of the driver's connections.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.SessionResetter
	driver.Validator
	driver.Pinger
}

type preparedStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// preparedConn is a connection and its idle prepared statements. A statement is
// not idle while it runs; if it is needed again, another one is prepared.
type preparedConn struct {
	sqliteConn
	idle map[string]preparedStmt
	ran  func(query string)
}

func (c *preparedConn) take(ctx context.Context, query string) (preparedStmt, error) {
	if c.ran != nil {
		c.ran(query)
	}
	if statement, ok := c.idle[query]; ok {
		delete(c.idle, query)
		return statement, nil
	}
	statement, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return statement.(preparedStmt), nil
}

// put makes a statement idle. If there are too many idle ones, it closes all of
// those first.
func (c *preparedConn) put(query string, statement preparedStmt) (err error) {
	if _, twice := c.idle[query]; twice {
		return statement.Close()
	}
	if len(c.idle) >= maxPrepared {
		err = c.closeIdle()
	}
	c.idle[query] = statement
	return err
}

func (c *preparedConn) closeIdle() (err error) {
	for _, statement := range c.idle {
		err = errors.Join(err, statement.Close())
	}
	clear(c.idle)
	return err
}

// ExecContext implements [driver.ExecerContext].
func (c *preparedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	statement, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	result, err := statement.ExecContext(ctx, args)
	return result, errors.Join(err, c.put(query, statement))
}

// QueryContext implements [driver.QueryerContext].
func (c *preparedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	statement, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	rows, err := statement.QueryContext(ctx, args)
	if err != nil {
		return nil, errors.Join(err, c.put(query, statement))
	}
	return &preparedRows{rows, func() error { return c.put(query, statement) }}, nil
}

// Unwrap returns the driver's own connection.
func (c *preparedConn) Unwrap() driver.Conn { return c.sqliteConn }

// Close implements [driver.Conn].
func (c *preparedConn) Close() error { return errors.Join(c.closeIdle(), c.sqliteConn.Close()) }

// preparedRows makes its statement idle when it is closed.
type preparedRows struct {
	driver.Rows
	done func() error
}

// Close implements [driver.Rows].
func (r *preparedRows) Close() error { return errors.Join(r.Rows.Close(), r.done()) }
