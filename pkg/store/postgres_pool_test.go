package store_test

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// TestCrowdedPostgres has several pools that are together larger than the server
// allows, and one that is opened while the others have every connection.
func TestCrowdedPostgres(t *testing.T) {
	t.Parallel()
	const callers = 20
	config := store.Config{DatabaseURL: storetest.StartSmallCluster(t, 12).Database(t), MaxConns: 10}
	var group sync.WaitGroup
	defer group.Wait()
	stop := make(chan struct{})
	defer close(stop)
	open := func() (done chan struct{}) {
		s := storetest.Open(t, config)
		done = make(chan struct{}, callers)
		for range callers {
			group.Go(func() {
				for round := 0; ; round++ {
					if err := errors.Join(addProvider(t.Context(), s, benchmarkProvider()), s.SchemaCurrent(t.Context())); err != nil {
						t.Error(err)
					}
					if round == 0 {
						done <- struct{}{}
					}
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		return done
	}
	first, second := open(), open()
	for range callers {
		<-first
		<-second
	}
	late := open()
	for range callers {
		<-late
	}
}

// TestCrowdedPostgresBounds has another program keep every connection that a
// server has.
func TestCrowdedPostgresBounds(t *testing.T) {
	t.Parallel()
	url := storetest.StartSmallCluster(t, 6).Database(t)
	s := storetest.Open(t, store.Config{DatabaseURL: url, MaxConns: 4})
	refused := func(t *testing.T) {
		t.Helper()
		for name, call := range calls(s) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, store.ErrTimeout)
			began := time.Now()
			if f := fault.As(call(ctx)); f == nil || f.Kind != fault.Unavailable || f.RetryAfter <= 0 {
				t.Errorf("%s: got %v", name, f)
			}
			if waited := time.Since(began); waited < 200*time.Millisecond {
				t.Errorf("%s waited for %v only", name, waited)
			}
			cancel()
			ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
			if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s, when the caller's own time is over: %v", name, err)
			}
			cancel()
		}
	}

	// The pool has a connection, which is busy.
	var release func()
	if err := s.InTx(t.Context(), func(ctx context.Context) error {
		if err := addProvider(ctx, s, benchmarkProvider()); err != nil {
			return err
		}
		release = take(t, url, 5)
		refused(t)
		return nil
	}); err != nil {
		t.Error(err)
	}
	release()
	wantBack(t, s)

	// The pool has none.
	s.Writer().SetMaxIdleConns(-1)
	release = take(t, url, 6)
	refused(t)
	time.AfterFunc(300*time.Millisecond, release)
	wantBack(t, s)
}

// TestCrowdedPostgresMigrates has a migration that lasts longer than an unused
// connection stays open, and after it other programs that take every connection.
func TestCrowdedPostgresMigrates(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 20 seconds")
	}
	t.Parallel()
	url := storetest.StartSmallCluster(t, 6).Database(t)
	blocker, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = blocker.Close(context.Background()) }()
	if _, err := blocker.Exec(t.Context(), "BEGIN; CREATE TABLE providers (id int)"); err != nil {
		t.Fatal(err)
	}
	opened := make(chan error)
	go func() {
		s, err := store.Open(t.Context(), store.Config{DatabaseURL: url, MaxConns: 4})
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	time.Sleep(18 * time.Second)

	var others sync.WaitGroup
	defer others.Wait()
	until := time.Now().Add(3 * time.Second)
	for range 3 {
		others.Go(func() {
			for time.Now().Before(until) {
				if conn, err := pgx.Connect(t.Context(), url); err == nil {
					defer func() { _ = conn.Close(context.Background()) }()
				}
			}
		})
	}
	time.Sleep(500 * time.Millisecond)
	if _, err := blocker.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

// TestReadOnlyPostgres has a database that takes no writes for a while: connections
// that were opened in this time are not kept.
func TestReadOnlyPostgres(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	s := storetest.Open(t, store.Config{DatabaseURL: url, MaxConns: 1})
	readOnly := func(value string) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), withSetting(t, url, "default_transaction_read_only", "off"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		set := "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = " + value + "', current_database()); END $$"
		if _, err := conn.Exec(t.Context(), set); err != nil {
			t.Fatal(err)
		}
	}
	readOnly("on")
	s.Writer().SetMaxIdleConns(0) // ends the present connection
	s.Writer().SetMaxIdleConns(1)
	add := func() error { return addProvider(t.Context(), s, benchmarkProvider()) }
	for range 2 {
		if err := add(); !fault.Is(err, fault.Unavailable) {
			t.Errorf("writing to a database that takes no writes: got %v", err)
		}
	}
	readOnly("off")
	if err := add(); err != nil {
		t.Error("writing again: ", err)
	}
}

// take takes connections of a server, and waits for those that it is still closing.
// The returned function closes them.
func take(t *testing.T, url string, connections int) (release func()) {
	t.Helper()
	var taken []*pgx.Conn
	for deadline := time.Now().Add(time.Minute); len(taken) < connections; {
		conn, err := pgx.Connect(t.Context(), url)
		if err == nil {
			taken = append(taken, conn)
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	return func() {
		for _, conn := range taken {
			_ = conn.Close(context.Background())
		}
	}
}

// TestPostgresBeginsOnAnotherConnection closes a connection on the server just
// before a transaction begins on it.
func TestPostgresBeginsOnAnotherConnection(t *testing.T) {
	t.Parallel()
	database := storetest.Postgres(t)
	s := storetest.Open(t, store.Config{DatabaseURL: database, MaxConns: 5})
	var group sync.WaitGroup
	for range 2 { // opens them all, and uses each again: the first time it is looked at
		for range 5 {
			group.Go(func() {
				if _, err := s.Writer().ExecContext(t.Context(), "SELECT pg_sleep(0.1)"); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
	admin, err := sql.Open("pgx", database)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if _, err := admin.ExecContext(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"); err != nil {
		t.Fatal(err)
	}
	if err := s.InTx(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Error("a transaction after the server has let go of all connections:", err)
	}
}
