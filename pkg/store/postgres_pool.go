package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/gorm"
)

const (
	// postgresIdle is how long an unused connection stays open: less than
	// callTimeout, so that another process that waits for one gets it in time.
	postgresIdle = 15 * time.Second
	// crowdedFor is how long a pool does not grow after the server refused a
	// connection. A refused call tries again after crowdedWait, and then ever more
	// slowly down to once in maxCrowdedWait.
	crowdedFor     = time.Second
	crowdedWait    = 10 * time.Millisecond
	maxCrowdedWait = 200 * time.Millisecond
)

// postgresPool is a pool for a server that may have no free connection, because
// other processes hold them. A call whose connection was refused has sent nothing:
// it tries again until its context ends, or until a connection returns to the pool.
//
// GORM works on it as on a [sql.DB].
type postgresPool struct {
	db    *sql.DB
	size  int
	widen *time.Timer // restores the size after crowdedFor
}

var (
	_ gorm.ConnPool       = (*postgresPool)(nil)
	_ gorm.TxBeginner     = (*postgresPool)(nil)
	_ gorm.GetDBConnector = (*postgresPool)(nil)
)

func newPostgresPool(config pgx.ConnConfig, size int) *postgresPool {
	p := &postgresPool{db: stdlib.OpenDB(config), size: size}
	p.db.SetConnMaxIdleTime(postgresIdle)
	p.db.SetConnMaxLifetime(time.Hour)
	p.resize(size)
	p.widen = time.AfterFunc(crowdedFor, func() { p.resize(p.size) })
	return p
}

func (p *postgresPool) resize(size int) {
	p.db.SetMaxOpenConns(size)
	p.db.SetMaxIdleConns(size)
}

// patiently runs a call that begins with taking a connection, and again while the
// server refuses one.
func patiently[T any](ctx context.Context, p *postgresPool, call func() (T, error)) (T, error) {
	for wait := crowdedWait; ; wait = min(2*wait, maxCrowdedWait) {
		result, err := call()
		if err == nil || classifyPostgres(err) != crowded {
			return result, err
		}
		p.giveBack()
		select {
		case <-ctx.Done():
			return result, err
		case <-time.After(wait):
		}
	}
}

// giveBack closes one connection for a process that has none, and makes calls wait
// for the remaining ones. Without it a process whose connections are all busy would
// keep another one out forever.
func (p *postgresPool) giveBack() {
	p.resize(max(1, p.db.Stats().OpenConnections-1))
	p.widen.Reset(crowdedFor)
}

// GetDBConn implements [gorm.GetDBConnector].
func (p *postgresPool) GetDBConn() (*sql.DB, error) { return p.db, nil }

// PingContext takes a connection, which stays in the pool.
func (p *postgresPool) PingContext(ctx context.Context) error {
	_, err := patiently(ctx, p, func() (any, error) { return nil, p.db.PingContext(ctx) })
	return err
}

// BeginTx implements [gorm.TxBeginner]. It skips connections that the server has
// closed: nothing has begun on them.
func (p *postgresPool) BeginTx(ctx context.Context, options *sql.TxOptions) (*sql.Tx, error) {
	return patiently(ctx, p, func() (tx *sql.Tx, err error) {
		for range p.size + 1 {
			var refused *pgconn.ConnectError
			tx, err = p.db.BeginTx(ctx, options)
			if classifyPostgres(err) != away || errors.As(err, &refused) {
				break
			}
		}
		return tx, err
	})
}

// PrepareContext implements [gorm.ConnPool].
func (p *postgresPool) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	return patiently(ctx, p, func() (*sql.Stmt, error) { return p.db.PrepareContext(ctx, query) })
}

// ExecContext implements [gorm.ConnPool].
func (p *postgresPool) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return patiently(ctx, p, func() (sql.Result, error) { return p.db.ExecContext(ctx, query, args...) })
}

// QueryContext implements [gorm.ConnPool].
func (p *postgresPool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return patiently(ctx, p, func() (*sql.Rows, error) { return p.db.QueryContext(ctx, query, args...) })
}

// QueryRowContext implements [gorm.ConnPool]. The error is in the row.
func (p *postgresPool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	row, _ := patiently(ctx, p, func() (*sql.Row, error) {
		row := p.db.QueryRowContext(ctx, query, args...)
		return row, row.Err()
	})
	return row
}
