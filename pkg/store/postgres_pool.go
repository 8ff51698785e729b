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
	// postgresIdle is how long an unused connection stays open. It is shorter than
	// callTimeout, so that a process that waits for a connection can get it in time.
	postgresIdle = 15 * time.Second
	// crowdedFor is how long a pool does not grow after the server refused a
	// connection. A refused call tries again after crowdedWait, and doubles the
	// wait after each attempt, up to maxCrowdedWait.
	crowdedFor     = time.Second
	crowdedWait    = 10 * time.Millisecond
	maxCrowdedWait = 200 * time.Millisecond
)

// postgresPool is a pool for a server that may refuse connections because other
// processes use all of them.
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

// patiently runs fn, which first takes a connection from the pool. While the server
// refuses connections it runs fn again, which is safe because nothing was sent. It
// gives up when the context ends.
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

// begin runs fn, which begins a transaction. If the server has closed the
// connection, it runs fn again on another one: no transaction has begun.
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

// connect opens a connection and leaves it in the pool.
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

// giveBack makes the pool smaller by one connection for crowdedFor, so that another
// process can open one. Without it, a process whose connections are always busy
// would never leave one to the others.
func (p *postgresPool) giveBack() {
	p.resize(max(1, p.Stats().OpenConnections-1))
	p.widen.Reset(crowdedFor)
}
