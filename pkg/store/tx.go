package store

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
	"time"

	"gorm.io/gorm"

	"modelproviders/pkg/tracing"
)

// maxAttempts is how often a transaction that collides with others is tried.
const maxAttempts = 4

// transaction is the transaction that a context carries.
type transaction struct {
	conn   gorm.ConnPool
	locked map[lockedProvider]bool
	// failed is the first error of a step. No statement runs after it and nothing is
	// committed, as in PostgreSQL.
	failed error
	noted  []string // workspaces of which it has noted changes
	ended  atomic.Bool
}

var errEnded = errors.New("the transaction has ended")

type lockedProvider struct{ workspace, id string }

// transactionKey is the context's key of the transaction of a store.
type transactionKey struct{ store *Store }

func (s *Store) transaction(ctx context.Context) *transaction {
	t, _ := ctx.Value(transactionKey{s}).(*transaction)
	return t
}

// InTx runs fn in one transaction: everything done with the context it gets is
// committed together, or not at all when fn, or a step of it, returns an error or
// panics. A nested call joins the outer transaction. When two transactions collide
// (a deadlock), or when SQLite rolls one back because of another, fn runs again.
// On SQLite transactions run one at a time, in the order of arrival, and are
// committed together; see [batches]. While another process locks the SQLite file,
// a call may last up to 5 seconds longer than its context.
func (s *Store) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.inTx(ctx, false, fn)
}

// InOwnTx is InTx for bulk work: no other transaction waits for its commit.
func (s *Store) InOwnTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.inTx(ctx, true, fn)
}

func (s *Store) inTx(ctx context.Context, alone bool, fn func(ctx context.Context) error) (err error) {
	if outer := s.transaction(ctx); outer != nil {
		err := fn(ctx)
		if err != nil && outer.failed == nil {
			outer.failed = err
		}
		return err
	}
	ctx, span := tracing.Start(ctx, "transaction")
	defer func() { span.End(err) }()
	var last *transaction
	run := func(ctx context.Context) error {
		last = s.transaction(ctx)
		return fn(ctx)
	}
	defer func() {
		if err == nil {
			s.unnumbered.add(last.noted...)
		}
	}()
	if s.engine.batches != nil {
		ctx, cancel := bounded(ctx)
		defer cancel()
		return s.noteFull(s.engine.batches.do(ctx, alone, func(conn gorm.ConnPool) error { return s.runIn(ctx, conn, run) }))
	}
	return s.repeat(ctx, func(ctx context.Context) error { return s.attempt(ctx, run) })
}

// repeat runs fn, a transaction, until it does not collide with others.
func (s *Store) repeat(ctx context.Context, fn func(ctx context.Context) error) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	for attempt := 1; ; attempt++ {
		err := fn(ctx)
		if err == nil || attempt == maxAttempts || s.engine.classify(err) != collision {
			return err
		}
		s.log.DebugContext(ctx, "repeating a transaction that collided with another", "attempt", attempt, "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(attempt) * 10 * time.Millisecond):
		}
	}
}

// attempt runs fn in one transaction, once.
func (s *Store) attempt(ctx context.Context, fn func(ctx context.Context) error) error {
	var tx *sql.Tx
	err := s.engine.pool.begin(ctx, func() (err error) {
		tx, err = s.engine.writer.BeginTx(ctx, nil)
		return err
	})
	if err != nil {
		return s.translate(ctx, err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	if err := s.runIn(ctx, tx, fn); err != nil {
		return err
	}
	return s.translate(ctx, tx.Commit())
}

// runIn runs fn in the transaction of conn. The caller must roll it back after an error.
func (s *Store) runIn(ctx context.Context, conn gorm.ConnPool, fn func(ctx context.Context) error) error {
	t := &transaction{conn: conn, locked: map[lockedProvider]bool{}}
	defer t.ended.Store(true)
	err := fn(context.WithValue(ctx, transactionKey{s}, t))
	if err == nil || s.engine.classify(t.failed) == collision {
		return t.failed // whatever fn returned
	}
	return err
}

// run calls fn, which runs one statement, query, on the connection of the context's
// transaction. If there is none, it passes the pool for reads and limits the time to
// callTimeout.
func (s *Store) run(ctx context.Context, query string, fn func(ctx context.Context, conn gorm.ConnPool) error) (err error) {
	ctx, span := traced(ctx, query)
	defer func() { span.End(err) }()
	t := s.transaction(ctx)
	if t == nil {
		ctx, cancel := bounded(ctx)
		defer cancel()
		if err := s.engine.exists(); err != nil {
			return unavailable(err, away)
		}
		return s.translate(ctx, s.engine.pool.patiently(ctx, func() error { return fn(ctx, s.engine.reader) }))
	}
	switch {
	case t.ended.Load():
		return errEnded
	case t.failed != nil:
		return t.failed
	case ctx.Err() != nil:
		err = ctx.Err()
	case s.engine.batches == nil:
		err = fn(ctx, t.conn)
	case s.engine.batches.undone():
		err = errUndone
	default:
		err = fn(context.WithoutCancel(ctx), t.conn) // see batches
	}
	t.failed = s.translate(ctx, err)
	return t.failed
}
