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

// A batch takes no more members than batchMembers, nor any after batchTime.
const (
	batchMembers = 64
	batchTime    = 10 * time.Millisecond
)

var (
	errUndone   = errors.New("SQLite rolled back the transaction")
	errPanicked = errors.New("the transaction panicked")
)

// batches runs transactions on SQLite. A commit waits for the disk, so concurrent
// transactions are committed together: each is a savepoint in the transaction of
// a batch, which is committed once.
//
// It has no goroutine. One caller at a time has the turn, in the order of arrival,
// and runs its part. Then it passes the turn to the next caller; when the batch is
// full or nobody waits, it first commits and tells the members how they ended. A
// lone caller thus waits for nobody.
//
// A context that ends during a statement would make SQLite roll back the whole
// batch: statements run without it, and it is checked between them.
type batches struct {
	writer *gorm.DB // over db, which has one connection
	db     *sql.DB
	exists func() error // see engine
	lasts  time.Duration

	mu      sync.Mutex
	taken   bool      // a caller has the turn
	waiting []*member // for the turn

	// Only the caller that has the turn uses what follows.

	conn  *sql.Conn // of the open batch; nil when there is none
	began time.Time
	ran   []*member // are told how they ended after the commit
	open  bool      // SQLite has not ended the batch's transaction
}

// member is a transaction that is to be part of a batch.
type member struct {
	ctx    context.Context
	alone  bool // in a batch of its own
	queued time.Time
	err    error
	// signals are the turn and, last, the end. It holds one at a time.
	signals chan signal
}

type signal struct {
	turn bool
	err  error // of the end
}

func (m *member) tell(err error) { m.signals <- signal{err: err} }

// do runs fn in a batch, of its own if it is to be alone, and returns after the
// commit or when fn failed. Statements on the handle that fn gets are part of the
// transaction. fn may run again.
func (b *batches) do(ctx context.Context, alone bool, fn func(db *gorm.DB) error) error {
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

// next passes the turn to the first that waits. If that one may not join the open
// batch, next commits the batch first.
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

func (b *batches) admits(m *member) bool {
	return !m.alone && !b.ran[0].alone && len(b.ran) < batchMembers && time.Since(b.began) < b.lasts
}

// take runs fn in m's turn and passes the turn on, also when fn panics.
func (b *batches) take(m *member, fn func(db *gorm.DB) error) {
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
	// The first needs no savepoint: a rollback undoes nothing else.
	first := len(b.ran) == 0
	if !first {
		if err := b.exec("SAVEPOINT member"); err != nil {
			b.again(m)
			return
		}
	}
	m.err = errPanicked
	defer func() { b.settle(m, first) }()
	db := b.writer.Session(&gorm.Session{NewDB: true, Context: m.ctx})
	db.Statement.ConnPool = b.conn
	m.err = fn(db)
	if m.err == nil {
		m.err = translation(m.ctx, classifySQLite, m.ctx.Err())
	}
}

// undone reports whether SQLite has rolled back the transaction of the open batch.
func (b *batches) undone() bool { return b.conn != nil && !b.open }

// settle keeps what m did, or undoes it.
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

// again makes the members of a batch that SQLite rolled back run again, before all
// others and each in a batch of its own: the one that caused it harms only itself.
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

// refuse tells m, and all that waited as long, that no transaction could begin.
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

// commit commits the open batch, and tells its members how they ended.
func (b *batches) commit() {
	err := b.exec("COMMIT")
	if err != nil {
		err = unavailable(fmt.Errorf("could not commit: %w", err), away)
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

// close gives the connection back, without a transaction.
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
