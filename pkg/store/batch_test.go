package store_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"modernc.org/sqlite"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// batchStore is a store on SQLite with a table of names to write to.
type batchStore struct {
	*store.Store
	commits atomic.Int64
	// onCommit, unless nil, runs before each commit and may refuse it.
	onCommit func() (refuse bool)
}

func newBatchStore(t *testing.T) *batchStore {
	t.Helper()
	s := &batchStore{Store: storetest.Open(t, store.Config{SQLitePath: filepath.Join(t.TempDir(), "store.db")})}
	s.SetBatchTime(time.Minute)
	conn, err := s.Writer().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), `CREATE TABLE written (name text UNIQUE);
		CREATE TABLE parents (name text PRIMARY KEY);
		CREATE TABLE children (parent text REFERENCES parents DEFERRABLE INITIALLY DEFERRED)`)
	if err != nil {
		t.Fatal(err)
	}
	err = conn.Raw(func(conn any) error {
		conn.(interface{ Unwrap() driver.Conn }).Unwrap().(sqlite.HookRegisterer).RegisterCommitHook(func() int32 {
			s.commits.Add(1)
			if s.onCommit != nil && s.onCommit() {
				return 1
			}
			return 0
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *batchStore) write(ctx context.Context, name string) error {
	return s.Exec(ctx, "INSERT INTO written (name) VALUES (?)", name)
}

// wantWritten checks that those names were written, and nothing else.
func (s *batchStore) wantWritten(t *testing.T, want ...string) {
	t.Helper()
	rows, err := s.Reader().QueryContext(t.Context(), "SELECT name FROM written")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		got = append(got, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what was written (-want +got):\n%s", diff)
	}
}

// caller is a transaction of a test.
type caller struct {
	ctx context.Context // nil: the test's
	fn  func(ctx context.Context) error
	own bool       // InOwnTx
	now func()     // runs as soon as the caller waits
	err chan error // how it ended
	why any        // the value of its panic
}

var errExited = errors.New("the caller's goroutine ended or panicked")

func (c *caller) run(t *testing.T, s *batchStore) {
	err := errExited
	defer func() {
		c.why = recover()
		c.err <- err
	}()
	inTx := s.InTx
	if c.own {
		inTx = s.InOwnTx
	}
	if c.ctx == nil {
		c.ctx = t.Context()
	}
	err = inTx(c.ctx, c.fn)
}

// together runs transactions that have waited together, in that order, and
// returns how each ended.
func (s *batchStore) together(t *testing.T, callers []*caller) []error {
	t.Helper()
	running, proceed := make(chan bool), make(chan bool)
	gate := &caller{err: make(chan error, 1), own: true, fn: func(context.Context) error {
		running <- true
		<-proceed
		return errExited // commits nothing
	}}
	go gate.run(t, s)
	<-running
	waiting := 0
	for _, c := range callers {
		c.err = make(chan error, 1)
		go c.run(t, s)
		waiting++
		eventually(t, "a caller waits", func() bool { return s.Waiting() == waiting })
		if c.now != nil {
			c.now()
			waiting--
			eventually(t, "the caller leaves", func() bool { return s.Waiting() == waiting })
		}
	}
	s.commits.Store(0)
	close(proceed)
	errs := make([]error, len(callers))
	for i, c := range callers {
		select {
		case errs[i] = <-c.err:
		case <-time.After(time.Minute):
			t.Fatalf("caller %d still waits", i)
		}
	}
	return errs
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !condition(); time.Sleep(50 * time.Microsecond) {
		if time.Now().After(end) {
			t.Fatal("never: ", what)
		}
	}
}

// writers returns that many transactions that each write a name.
func (s *batchStore) writers(n int) (callers []*caller, names []string) {
	for i := range n {
		name := fmt.Sprintf("%03d", i)
		callers = append(callers, &caller{fn: func(ctx context.Context) error { return s.write(ctx, name) }})
		names = append(names, name)
	}
	return callers, names
}

// TestBatchKeepsMembersApart ends members of a batch in every way that a
// transaction can end: none of them affects the others.
func TestBatchKeepsMembersApart(t *testing.T) {
	t.Parallel()
	s := newBatchStore(t)
	callers, names := s.writers(64)
	wrong := map[int]func(err error) bool{}
	fails := func(i int, c caller, want func(err error) bool) {
		fn := c.fn
		c.fn = func(ctx context.Context) error {
			if err := s.write(ctx, names[i]); err != nil {
				return err
			}
			return fn(ctx)
		}
		callers[i], wrong[i] = &c, want
	}
	is := func(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }
	kind := func(want fault.Kind) func(error) bool { return func(err error) bool { return fault.Is(err, want) } }

	fails(10, caller{fn: func(context.Context) error { panic(http.ErrAbortHandler) }}, is(errExited))
	fails(11, caller{fn: func(context.Context) error { runtime.Goexit(); return nil }}, is(errExited))
	for i, cause := range []error{context.Canceled, store.ErrTimeout} {
		want := is(context.Canceled)
		if errors.Is(cause, store.ErrTimeout) { // as when a call's bound is reached
			want = kind(fault.Unavailable)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		fails(20+i, caller{ctx: ctx, now: func() { cancel(cause) }}, want)
		ctx, end := context.WithCancelCause(t.Context())
		fails(24+i, caller{ctx: ctx, fn: func(ctx context.Context) error {
			end(cause)
			if err := s.write(ctx, "after the end"); err == nil {
				t.Error("a statement ran after the end of the context")
			}
			return nil
		}}, want)
		ctx, last := context.WithCancelCause(t.Context())
		fails(28+i, caller{ctx: ctx, fn: func(context.Context) error { last(cause); return nil }}, want)
	}
	fails(39, caller{fn: func(ctx context.Context) error {
		err := s.write(ctx, names[0])
		if err == nil {
			t.Error("a name was written twice")
		}
		if again := s.write(ctx, "after the failure"); again == nil {
			t.Error("a statement ran after one had failed")
		}
		return nil // and passes it over
	}}, kind(fault.Conflict))
	fails(40, caller{fn: func(context.Context) error { return fault.New(fault.NotFound, "There is none.") }}, kind(fault.NotFound))

	errs := s.together(t, callers)
	var want []string
	for i, err := range errs {
		switch {
		case wrong[i] == nil && err != nil:
			t.Errorf("caller %d: %v", i, err)
		case wrong[i] != nil && !wrong[i](err):
			t.Errorf("caller %d: got %v", i, err)
		case wrong[i] == nil:
			want = append(want, names[i])
		}
	}
	s.wantWritten(t, want...)
	if callers[10].why != any(http.ErrAbortHandler) {
		t.Errorf("the panic of a caller has the value %v", callers[10].why)
	}
	if n := s.commits.Load(); n != 1 {
		t.Errorf("%d commits, want 1", n)
	}
}

// TestBatchTellsNobodyBeforeTheCommit checks that no caller returns before the
// commit, and that afterwards everybody can read what was written.
func TestBatchTellsNobodyBeforeTheCommit(t *testing.T) {
	t.Parallel()
	s := newBatchStore(t)
	callers, names := s.writers(64)
	var told atomic.Int64
	s.onCommit = func() bool {
		time.Sleep(10 * time.Millisecond)
		if n := told.Load(); n > 0 {
			t.Errorf("%d were told before the commit", n)
		}
		return false
	}
	missing := fault.New(fault.NotFound, "There is none.")
	for i, c := range callers {
		outer := context.WithoutCancel(t.Context())
		write := c.fn
		c.fn = func(ctx context.Context) error {
			go func() { // hears of the end of this caller's transaction
				err := <-c.err
				told.Add(1)
				var name string
				read := s.Reader().QueryRowContext(outer, "SELECT name FROM written WHERE name = ?", names[i]).Scan(&name)
				if err == nil && read != nil {
					err = fmt.Errorf("read %s: %w", names[i], read)
				}
				c.err <- err
			}()
			if err := write(ctx); err != nil || i != 50 {
				return err
			}
			return missing
		}
	}
	for i, err := range s.together(t, callers) {
		if i != 50 && err != nil || i == 50 && !errors.Is(err, missing) {
			t.Errorf("caller %d: %v", i, err)
		}
	}
}

// TestBatchOrder checks that transactions run in the order of arrival, that a batch
// has at most 64, and that bulk work has a commit of its own.
func TestBatchOrder(t *testing.T) {
	t.Parallel()
	s := newBatchStore(t)
	callers, names := s.writers(150)
	callers[130].own = true
	var ran []string
	for i, c := range callers {
		write := c.fn
		c.fn = func(ctx context.Context) error {
			ran = append(ran, names[i])
			return write(ctx)
		}
	}
	for i, err := range s.together(t, callers) {
		if err != nil {
			t.Errorf("caller %d: %v", i, err)
		}
	}
	if diff := cmp.Diff(names, ran); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	s.wantWritten(t, names...)
	if n := s.commits.Load(); n != 5 { // 64, 64, 2, 1, 19
		t.Errorf("%d commits, want 5", n)
	}
}

// TestBatchTime checks that nobody joins a batch that has lasted long enough.
func TestBatchTime(t *testing.T) {
	t.Parallel()
	s := newBatchStore(t)
	s.SetBatchTime(10 * time.Millisecond)
	callers, names := s.writers(2)
	write := callers[0].fn
	callers[0].fn = func(ctx context.Context) error {
		time.Sleep(11 * time.Millisecond)
		return write(ctx)
	}
	if err := errors.Join(s.together(t, callers)...); err != nil {
		t.Error(err)
	}
	s.wantWritten(t, names...)
	if n := s.commits.Load(); n != 2 {
		t.Errorf("%d commits, want 2", n)
	}
}

// TestBatchCommitFails checks that a commit that fails fails everybody, and only
// those.
func TestBatchCommitFails(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(s *batchStore, last *caller){
		"undone": func(s *batchStore, _ *caller) { s.onCommit = func() bool { return s.commits.Load() == 1 } },
		"left open": func(s *batchStore, last *caller) {
			last.fn = func(ctx context.Context) error { return s.Exec(ctx, "INSERT INTO children (parent) VALUES ('nobody')") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newBatchStore(t)
			callers, names := s.writers(65)
			callers[10].fn = func(context.Context) error { return fault.New(fault.NotFound, "There is none.") }
			fail(s, callers[63])
			errs := s.together(t, callers)
			for i, err := range errs[:64] {
				if !fault.Is(err, fault.Unavailable) {
					t.Errorf("caller %d: got %v, want unavailable", i, err)
				}
			}
			if errs[64] != nil {
				t.Errorf("a caller after the batch: %v", errs[64])
			}
			s.wantWritten(t, names[64])
		})
	}
}

// TestBatchUndone makes SQLite roll back the whole transaction, by a statement that
// fails and one that does not: the other members still succeed, and nothing of the
// one that caused it is stored.
func TestBatchUndone(t *testing.T) {
	t.Parallel()
	const collide = "INSERT OR ROLLBACK INTO written VALUES ('000')"
	for name, test := range map[string]struct {
		undo   string
		always bool
		want   fault.Kind
	}{
		"once":           {undo: collide},
		"always":         {undo: collide, always: true, want: fault.Conflict},
		"quietly":        {undo: "ROLLBACK"},
		"always quietly": {undo: "ROLLBACK", always: true, want: fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newBatchStore(t)
			callers, names := s.writers(64)
			callers[20].fn = func(context.Context) error { panic("in a batch that is undone") }
			runs, other := 0, callers[30].fn
			callers[30].fn = func(ctx context.Context) error {
				if err := other(ctx); err != nil {
					return err
				}
				if runs++; runs > 1 && !test.always {
					return nil
				}
				if err := s.Exec(ctx, test.undo); (err == nil) != (test.undo == "ROLLBACK") {
					t.Errorf("%s: got %v", test.undo, err)
				}
				if err := other(ctx); err == nil { // it would be a transaction by itself
					t.Error("a statement ran after SQLite had undone the transaction")
				}
				return nil
			}
			want := slices.Delete(names, 20, 21)
			for i, err := range s.together(t, callers) {
				switch {
				case i == 20 && errors.Is(err, errExited):
				case i == 30 && test.always && fault.Is(err, test.want):
					want = slices.DeleteFunc(want, func(name string) bool { return name == "030" })
				case err != nil || i == 20 || i == 30 && test.always:
					t.Errorf("caller %d: got %v", i, err)
				}
			}
			s.wantWritten(t, want...)
			if runs != 2 {
				t.Errorf("the one that did it ran %d times, want 2", runs)
			}
		})
	}
}

// TestBatchAfterItsEnd checks that a handle that outlives its transaction writes
// nothing, in that batch or another.
func TestBatchAfterItsEnd(t *testing.T) {
	t.Parallel()
	s := newBatchStore(t)
	callers, names := s.writers(3)
	var kept context.Context
	write := callers[0].fn
	callers[0].fn = func(ctx context.Context) error {
		kept = ctx
		return write(ctx)
	}
	write1 := callers[1].fn
	callers[1].fn = func(ctx context.Context) error {
		if err := s.write(context.WithoutCancel(kept), "too late"); err == nil {
			t.Error("a statement ran after the end of its transaction")
		}
		return write1(ctx)
	}
	if err := errors.Join(s.together(t, callers)...); err != nil {
		t.Error(err)
	}
	if err := s.write(context.WithoutCancel(kept), "too late"); err == nil {
		t.Error("a statement ran after the end of its batch")
	}
	s.wantWritten(t, names...)
}

// TestCommitsAreSynced checks the setting without which a commit could be lost
// in a power cut; TestAnswersFollowTheSync checks what it does.
func TestCommitsAreSynced(t *testing.T) {
	t.Parallel()
	var synchronous int
	if err := storetest.SQLite(t).Writer().QueryRowContext(t.Context(), "PRAGMA synchronous").Scan(&synchronous); err != nil || synchronous != 2 {
		t.Errorf("PRAGMA synchronous of the writer is %d (%v), want 2 (FULL)", synchronous, err)
	}
}
