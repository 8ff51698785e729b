package store

import (
	"context"
	"database/sql"
	"time"

	"gorm.io/gorm"
)

// maxAttempts bounds how often a transaction runs that collides with others.
const maxAttempts = 4

// transaction is the transaction that a context carries.
type transaction struct {
	db     *gorm.DB
	locked map[lockedProvider]bool
	// failed is the first error of a step. Nothing is committed after it:
	// PostgreSQL would not, and SQLite must not either.
	failed error
}

type lockedProvider struct{ workspace, id string }

// transactionKey is the context's key of a store's transaction: that of another
// store is not ours.
type transactionKey struct{ store *Store }

func (s *Store) transaction(ctx context.Context) *transaction {
	t, _ := ctx.Value(transactionKey{s}).(*transaction)
	return t
}

// InTx runs fn in one transaction: everything done with the context it is
// handed is committed together, or not at all when fn, or a step of it, returns
// an error or panics. A nested call joins the outer transaction. On SQLite
// transactions run one at a time, first come first served, and are committed
// together with others; see [batches]. When two transactions collide (a
// deadlock), or the database undid one for another's sake, its fn runs again:
// fn must bear that.
func (s *Store) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.inTx(ctx, false, fn)
}

// InOwnTx is InTx for bulk work, for whose commit no other transaction is to
// wait.
func (s *Store) InOwnTx(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.inTx(ctx, true, fn)
}

func (s *Store) inTx(ctx context.Context, alone bool, fn func(ctx context.Context) error) error {
	if outer := s.transaction(ctx); outer != nil {
		err := fn(ctx)
		if err != nil && outer.failed == nil {
			outer.failed = err
		}
		return err
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	if s.engine.batches != nil {
		return s.engine.batches.do(ctx, alone, func(db *gorm.DB) error { return s.run(ctx, db, fn) })
	}
	for attempt := 1; ; attempt++ {
		err := s.attempt(ctx, fn)
		if err == nil || attempt == maxAttempts || s.engine.classify(err) != collision {
			return err
		}
		s.log.DebugContext(ctx, "transaction repeated after a collision", "attempt", attempt, "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(attempt) * 10 * time.Millisecond):
		}
	}
}

// attempt runs fn in one transaction, once.
func (s *Store) attempt(ctx context.Context, fn func(ctx context.Context) error) error {
	tx, err := s.begin(ctx, s.engine.writer, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit, nothing; after an error or a panic, everything
	if err := s.run(ctx, tx, fn); err != nil {
		return err
	}
	return s.translate(ctx, tx.Commit().Error)
}

// run runs fn in the transaction tx. After an error that is to be rolled back.
func (s *Store) run(ctx context.Context, tx *gorm.DB, fn func(ctx context.Context) error) error {
	t := &transaction{db: tx, locked: map[lockedProvider]bool{}}
	err := fn(context.WithValue(ctx, transactionKey{s}, t))
	if err == nil || s.engine.classify(t.failed) == collision {
		return t.failed // whatever fn made of it
	}
	return err
}

func (s *Store) begin(ctx context.Context, pool *gorm.DB, options *sql.TxOptions) (*gorm.DB, error) {
	if err := s.engine.present(); err != nil {
		return nil, unavailable(err, away)
	}
	tx := pool.WithContext(ctx).Begin(options)
	return tx, s.translate(ctx, tx.Error)
}

// write runs fn, which changes rows of one workspace, in the transaction of the
// context or in one of its own.
func (s *Store) write(ctx context.Context, workspace string, fn func(ctx context.Context, db *gorm.DB) error) error {
	if t := s.transaction(ctx); t != nil {
		return s.translate(ctx, fn(ctx, within(ctx, t.db, workspace)))
	}
	return s.InTx(ctx, func(ctx context.Context) error { return s.write(ctx, workspace, fn) })
}

// read runs fn, which reads rows of one workspace with one query, in the
// transaction of the context or by itself.
func (s *Store) read(ctx context.Context, workspace string, fn func(db *gorm.DB) error) error {
	return s.query(ctx, func(ctx context.Context, db *gorm.DB) error { return fn(within(ctx, db, workspace)) })
}

// query runs fn, which reads with one query, in the transaction of the context
// or by itself.
func (s *Store) query(ctx context.Context, fn func(ctx context.Context, db *gorm.DB) error) error {
	if t := s.transaction(ctx); t != nil {
		return s.translate(ctx, fn(ctx, t.db))
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := s.engine.present(); err != nil {
		return unavailable(err, away)
	}
	return s.translate(ctx, fn(ctx, s.engine.reader))
}

// readTogether is read for several queries: all of them see one state.
func (s *Store) readTogether(ctx context.Context, workspace string, fn func(db *gorm.DB) error) error {
	if s.transaction(ctx) != nil {
		return s.read(ctx, workspace, fn)
	}
	ctx, cancel := bounded(ctx)
	defer cancel()
	tx, err := s.begin(ctx, s.engine.reader, &sql.TxOptions{Isolation: s.engine.snapshot, ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := fn(within(ctx, tx, workspace)); err != nil {
		return s.translate(ctx, err)
	}
	return s.translate(ctx, tx.Commit().Error)
}
