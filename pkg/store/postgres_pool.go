package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
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
// other processes hold them.
type postgresPool struct {
	*sql.DB
	size  int
	widen *time.Timer // restores the size after crowdedFor
}

func newPostgresPool(config pgx.ConnConfig, size int) *postgresPool {
	p := &postgresPool{DB: stdlib.OpenDB(config), size: size}
	p.SetConnMaxIdleTime(postgresIdle)
	p.SetConnMaxLifetime(time.Hour)
	p.resize(size)
	p.widen = time.AfterFunc(crowdedFor, func() { p.resize(p.size) })
	return p
}

func (p *postgresPool) resize(size int) {
	p.SetMaxOpenConns(size)
	p.SetMaxIdleConns(size)
}

// patiently runs fn, which begins with taking a connection, and again while the
// server refuses one: nothing was sent. It stops when the context ends, or when a
// connection has returned to the pool.
func (p *postgresPool) patiently(ctx context.Context, fn func() error) error {
	for wait := crowdedWait; ; wait = min(2*wait, maxCrowdedWait) {
		err := fn()
		if p == nil || classifyPostgres(err) != crowded {
			return err
		}
		p.giveBack()
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// begin runs fn, which begins a transaction. It skips connections that the server
// has closed: nothing has begun on them.
func (p *postgresPool) begin(ctx context.Context, fn func() error) error {
	return p.patiently(ctx, func() (err error) {
		for range p.size + 1 {
			var refused *pgconn.ConnectError
			err = fn()
			if classifyPostgres(err) != away || errors.As(err, &refused) {
				break
			}
		}
		return err
	})
}

// connect takes a connection, which stays in the pool.
func (p *postgresPool) connect(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	return p.patiently(ctx, func() error {
		conn, err := p.Conn(ctx)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
}

// giveBack closes one connection for a process that has none, and makes calls wait
// for the remaining ones. Without it a process whose connections are all busy would
// keep another one out forever.
func (p *postgresPool) giveBack() {
	p.resize(max(1, p.Stats().OpenConnections-1))
	p.widen.Reset(crowdedFor)
}
