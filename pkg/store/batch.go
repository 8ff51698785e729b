package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"gorm.io/gorm"
)

// A batch accepts at most batchMembers members, and none after batchTime.
const (
	batchMembers = 64
	batchTime    = 10 * time.Millisecond
)

var (
	errUndone   = errors.New("SQLite rolled back the transaction")
	errPanicked = errors.New("the transaction panicked")
)

// batches runs transactions on SQLite. A commit waits for the disk, so concurrent
// transactions are committed together: a batch is one transaction of SQLite, and
// each member of the batch is a savepoint in it.
//
// There is no goroutine that runs the members. Instead, callers take turns in the
// order of their arrival: the caller that has the turn runs its function and
// passes the turn on. If the batch is full or no caller is waiting, it first
// commits the batch and sends each member its result. A caller that is alone is
// therefore never delayed.
//
// If a context ended during a statement, SQLite would roll back the whole batch.
// Statements therefore run without the context, which is checked between them.
type batches struct {
	db     *sql.DB       // has one connection
	exists func() error  // see engine
	lasts  time.Duration // batchTime, except in tests

	mu      sync.Mutex
	taken   bool      // a caller has the turn
	waiting []*member // callers that wait for the turn

	// The fields below are used only by the caller that has the turn.

	conn  *sql.Conn // the connection of the open batch; nil if no batch is open
	began time.Time
	ran   []*member // members that have run; they get their results after the commit
	open  bool      // the transaction of the batch has not ended; see preparing.undone
}

// member is a transaction that runs as part of a batch.
type member struct {
	ctx    context.Context
	alone  bool // it must be the only member of its batch
	queued time.Time
	err    error
	// signals receives the turn, and then the result of the transaction. It has a
	// buffer of one, so that the sender does not wait.
	signals chan signal
}

// signal gives a member the turn, or ends it with an error or nil.
type signal struct {
	turn bool
	err  error
}

func (m *member) tell(err error) { m.signals <- signal{err: err} }

// do runs fn as a member of a batch and returns after the commit, or when the
// member failed. With alone, the batch has no other members. fn gets the connection of
// the transaction. It may run more than once.
func (b *batches) do(ctx context.Context, alone bool, fn func(conn gorm.ConnPool) error) error {
	m := &member{ctx: ctx, alone: alone, queued: time.Now(), signals: make(chan signal, 1)}
	b.mu.Lock()
	b.waiting = append(b.waiting, m)
	free := !b.taken
	b.taken = true
	b.mu.Unlock()
	if free {
		b.next()
	}
	for {
		var s signal
		select {
		case s = <-m.signals:
		case <-ctx.Done():
			if b.leave(m) {
				return translation(ctx, classifySQLite, ctx.Err())
			}
			s = <-m.signals
		}
		if !s.turn {
			return s.err
		}
		b.take(m, fn)
	}
}

// leave removes m from the queue, and reports whether it was there.
func (b *batches) leave(m *member) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.waiting, m)
	if i >= 0 {
		b.waiting = slices.Delete(b.waiting, i, i+1)
	}
	return i >= 0
}

// next passes the turn to the first waiting member. If that member can't join the
// open batch, or no member is waiting, next commits the batch first.
func (b *batches) next() {
	for {
		b.mu.Lock()
		if len(b.waiting) > 0 && (b.conn == nil || b.admits(b.waiting[0])) {
			m := b.waiting[0]
			b.waiting = slices.Delete(b.waiting, 0, 1)
			b.mu.Unlock()
			m.signals <- signal{turn: true}
			return
		}
		if b.conn == nil {
			b.taken = false
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		b.commit()
	}
}

// admits reports whether a member can join the open batch.
func (b *batches) admits(m *member) bool {
	return !m.alone && !b.ran[0].alone && len(b.ran) < batchMembers && time.Since(b.began) < b.lasts
}

// take runs fn, whose member m has the turn, and passes the turn on even if fn
// panics.
func (b *batches) take(m *member, fn func(conn gorm.ConnPool) error) {
	defer b.next()
	if err := m.ctx.Err(); err != nil {
		m.tell(translation(m.ctx, classifySQLite, err))
		return
	}
	if b.conn == nil {
		began := time.Now()
		if err := b.begin(); err != nil {
			b.refuse(m, began, err)
			return
		}
	}
	// The first member needs no savepoint: rolling back the batch undoes only it.
	first := len(b.ran) == 0
	if !first {
		if err := b.exec("SAVEPOINT member"); err != nil {
			b.again(m)
			return
		}
	}
	m.err = errPanicked
	defer func() { b.settle(m, first) }()
	m.err = fn(b.conn)
	if m.err == nil {
		m.err = translation(m.ctx, classifySQLite, m.ctx.Err())
	}
}

// undone reports whether SQLite has rolled back the transaction of the open batch.
func (b *batches) undone() bool { return b.conn != nil && !b.open }

// settle keeps what m did if it succeeded, and otherwise undoes it.
func (b *batches) settle(m *member, first bool) {
	if first {
		if m.err == nil && !b.open {
			m.err = unavailable(errUndone, away)
		}
		if m.err == nil {
			b.ran = append(b.ran, m)
			return
		}
		b.close()
		m.tell(m.err)
		return
	}
	var err error
	if m.err != nil && b.open {
		err = b.exec("ROLLBACK TO member")
	}
	if err == nil && b.open {
		err = b.exec("RELEASE member")
	}
	switch {
	case err != nil || !b.open:
		b.again(m)
	case !errors.Is(m.err, errPanicked):
		b.ran = append(b.ran, m)
	}
}

// again queues the members of a batch that SQLite rolled back, before all others,
// to run again. Each gets a batch of its own, so that the member that caused the
// rollback can't affect the others again.
func (b *batches) again(last *member) {
	again := b.ran
	if !errors.Is(last.err, errPanicked) {
		again = append(again, last)
	}
	b.close()
	for _, m := range again {
		m.alone = true
	}
	b.mu.Lock()
	b.waiting = append(again, b.waiting...)
	b.mu.Unlock()
}

// refuse ends m, and all members that were queued before began, with the error of
// a transaction that could not begin.
func (b *batches) refuse(m *member, began time.Time, err error) {
	refused := []*member{m}
	b.mu.Lock()
	b.waiting = slices.DeleteFunc(b.waiting, func(m *member) bool {
		if m.queued.After(began) {
			return false
		}
		refused = append(refused, m)
		return true
	})
	b.mu.Unlock()
	for _, m := range refused {
		m.tell(translation(m.ctx, classifySQLite, err))
	}
}

func (b *batches) begin() error {
	if err := b.exists(); err != nil {
		return unavailable(err, away)
	}
	conn, err := b.db.Conn(context.Background())
	if err != nil {
		return err
	}
	b.conn = conn
	if err := b.exec("BEGIN IMMEDIATE"); err != nil {
		b.close()
		return err
	}
	b.open, b.began = true, time.Now()
	return nil
}

// commit commits the open batch and sends its members their results.
func (b *batches) commit() {
	err := b.exec("COMMIT")
	if err != nil {
		class := away
		if classifySQLite(err) == full {
			class = full
		}
		err = unavailable(fmt.Errorf("could not commit: %w", err), class)
	} else {
		b.open = false
	}
	ran := b.ran
	b.close()
	for _, m := range ran {
		if err != nil {
			m.err = err
		}
		m.tell(m.err)
	}
}

// close returns the connection to the pool, after a rollback if the transaction is
// still open.
func (b *batches) close() {
	if b.open && b.exec("ROLLBACK") != nil {
		// The connection can't be used again.
		_ = b.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	_ = b.conn.Close()
	b.conn, b.ran, b.open = nil, nil, false
}

func (b *batches) exec(statement string) error {
	_, err := b.conn.ExecContext(context.Background(), statement)
	return err
}
