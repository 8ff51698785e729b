package store

import (
	"context"
	"database/sql/driver"
	"errors"
)

// maxPrepared is how many statements a connection keeps prepared. Ours are fewer,
// but for lists with rare filters and inserts of many events.
const maxPrepared = 200

// preparing opens connections that keep the statements prepared which they ran:
// SQLite takes longer to prepare most of ours than to run them.
type preparing struct {
	driver.Connector
	ran func(query string) // hears of each statement, unless nil
}

// sqliteConn is what the driver's connections are, as far as [sql.DB] asks.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.SessionResetter
	driver.Validator
	driver.Pinger
}

// Connect implements [driver.Connector].
func (p preparing) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := p.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &preparedConn{sqliteConn: conn.(sqliteConn), idle: map[string]preparedStmt{}, ran: p.ran}, nil
}

// preparedStmt is what the driver's statements are.
type preparedStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// preparedConn is a connection with its statements, of which those that run are
// not among the idle ones: a second one of the same text is prepared anew.
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

// put makes a statement idle. When there are too many, all are given up.
func (c *preparedConn) put(query string, statement preparedStmt) error {
	var errs []error
	if _, twice := c.idle[query]; twice {
		return statement.Close()
	}
	if len(c.idle) >= maxPrepared {
		errs = append(errs, c.closeIdle())
	}
	c.idle[query] = statement
	return errors.Join(errs...)
}

func (c *preparedConn) closeIdle() error {
	var errs []error
	for _, statement := range c.idle {
		errs = append(errs, statement.Close())
	}
	clear(c.idle)
	return errors.Join(errs...)
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

// preparedRows gives its statement back when it is closed.
type preparedRows struct {
	driver.Rows
	done func() error
}

// Close implements [driver.Rows].
func (r *preparedRows) Close() error { return errors.Join(r.Rows.Close(), r.done()) }
