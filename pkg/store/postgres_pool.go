package store

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/gorm"
)

const (
	// postgresIdle is how long a connection stays that nobody uses: less than
	// callTimeout, so that another process that waits for one gets it in time.
	postgresIdle = 15 * time.Second
	// crowdedFor is how long a pool does not grow after the server refused it a
	// connection.
	crowdedFor = time.Second
	// crowdedWait is the first wait before a refused call tries again, and
	// maxCrowdedWait the longest.
	crowdedWait    = 10 * time.Millisecond
	maxCrowdedWait = 200 * time.Millisecond
)

// postgresPool is a pool for a server that may have no connection to spare: one
// that other processes of ours, or other programs, have taken. A call that is
// refused one has sent nothing, so it tries again until its context ends, and
// then takes a connection that has come back to the pool, if there is one.
//
// GORM works on it as on a [sql.DB].
type postgresPool struct {
	db    *sql.DB
	size  int
	widen *time.Timer // sets the size again after crowdedFor
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

// patiently runs a call that takes a connection first, and again while the
// server refuses one.
func (p *postgresPool) patiently(ctx context.Context, call func() error) error {
	for wait := crowdedWait; ; wait = min(2*wait, maxCrowdedWait) {
		err := call()
		if err == nil || classifyPostgres(err) != crowded {
			return err
		}
		p.giveBack()
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait/2 + rand.N(wait/2)):
		}
	}
}

// giveBack lets go of one connection for a process that has none, and has calls
// wait for those that are left rather than ask for more. Without it a process
// whose connections are all busy would keep another out for ever.
func (p *postgresPool) giveBack() {
	p.resize(max(1, p.db.Stats().OpenConnections-1))
	p.widen.Reset(crowdedFor)
}

// GetDBConn implements [gorm.GetDBConnector].
func (p *postgresPool) GetDBConn() (*sql.DB, error) { return p.db, nil }

// PingContext takes a connection, which stays in the pool.
func (p *postgresPool) PingContext(ctx context.Context) error {
	return p.patiently(ctx, func() error { return p.db.PingContext(ctx) })
}

// BeginTx implements [gorm.TxBeginner].
func (p *postgresPool) BeginTx(ctx context.Context, options *sql.TxOptions) (tx *sql.Tx, err error) {
	err = p.patiently(ctx, func() error { tx, err = p.db.BeginTx(ctx, options); return err })
	return tx, err
}

// PrepareContext implements [gorm.ConnPool].
func (p *postgresPool) PrepareContext(ctx context.Context, query string) (statement *sql.Stmt, err error) {
	err = p.patiently(ctx, func() error { statement, err = p.db.PrepareContext(ctx, query); return err })
	return statement, err
}

// ExecContext implements [gorm.ConnPool].
func (p *postgresPool) ExecContext(ctx context.Context, query string, args ...any) (result sql.Result, err error) {
	err = p.patiently(ctx, func() error { result, err = p.db.ExecContext(ctx, query, args...); return err })
	return result, err
}

// QueryContext implements [gorm.ConnPool].
func (p *postgresPool) QueryContext(ctx context.Context, query string, args ...any) (rows *sql.Rows, err error) {
	err = p.patiently(ctx, func() error { rows, err = p.db.QueryContext(ctx, query, args...); return err })
	return rows, err
}

// QueryRowContext implements [gorm.ConnPool].
func (p *postgresPool) QueryRowContext(ctx context.Context, query string, args ...any) (row *sql.Row) {
	_ = p.patiently(ctx, func() error { row = p.db.QueryRowContext(ctx, query, args...); return row.Err() })
	return row
}
