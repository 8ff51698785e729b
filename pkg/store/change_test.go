package store_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// following is a registry over a store, with the jobs that make changes known.
func following(t *testing.T, s *store.Store) *registry.Registry {
	r, err := registry.New(registry.Config{Store: s, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, job := range []func(context.Context) error{r.NumberChanges, r.ListenForChanges, r.ReadChanges} {
		running.Go(func() {
			for ctx.Err() == nil {
				if err := job(ctx); err != nil && ctx.Err() == nil {
					t.Log("a job failed:", err)
					time.Sleep(50 * time.Millisecond)
				}
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return r
}

// follow reads n changes after a position, waiting for each.
func follow(ctx context.Context, r *registry.Registry, after registry.ChangePosition, n int) ([]registry.Change, error) {
	var all []registry.Change
	for len(all) < n {
		changes, err := r.ChangesAfter(ctx, workspace, after, 100)
		if err == nil && len(changes) == 0 {
			err = r.WaitForChange(ctx, workspace, after)
		}
		if err != nil {
			return all, err
		}
		for _, c := range changes {
			if c.Number != after.Number+1 {
				return all, fmt.Errorf("after change %d came %d", after.Number, c.Number)
			}
			after = c.Position()
			all = append(all, c)
		}
	}
	return all, nil
}

// rename makes a change of a provider.
func rename(ctx context.Context, s *store.Store, p registry.Provider, name string) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		before, err := s.LockProvider(ctx, p.Workspace, p.ID)
		if err != nil {
			return err
		}
		after := before
		after.Name, after.NameKey, after.UpdatedAt = name, name, time.Now()
		after.Version++
		return s.UpdateProvider(ctx, before, after)
	})
}

// TestChangesAreFollowed has two processes on each database, of which one writes what the
// readers of the other wait for. One query reads a change for all of them.
func TestChangesAreFollowed(t *testing.T) {
	t.Parallel()
	var queries atomic.Int64
	for name, open := range map[string]func(t *testing.T) (writes, reads *store.Store){
		"SQLite": func(t *testing.T) (writes, reads *store.Store) {
			config := store.Config{SQLitePath: filepath.Join(t.TempDir(), "store.db")}
			return storetest.Open(t, config), storetest.Open(t, config.OnStatement(func(statement string) {
				if strings.Contains(statement, "FROM changes WHERE workspace = $1 AND number >= ") {
					queries.Add(1)
				}
			}))
		},
		"PostgreSQL": func(t *testing.T) (writes, reads *store.Store) {
			config := store.Config{DatabaseURL: storetest.Postgres(t), MaxConns: 2}
			return storetest.Open(t, config), storetest.Open(t, config)
		},
		"PgBouncer": func(t *testing.T) (writes, reads *store.Store) {
			config := store.Config{DatabaseURL: storetest.StartPgBouncer(t, 5).Database(t), Pooler: true, MaxConns: 2}
			return storetest.Open(t, config), storetest.Open(t, config)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			writes, reads := open(t)
			p := benchmarkProvider()
			following(t, writes)
			r := following(t, reads)
			added := make(chan error, 1)
			time.AfterFunc(50*time.Millisecond, func() { added <- addProvider(t.Context(), writes, p) })
			first, err := follow(t.Context(), r, registry.ChangePosition{}, 1) // it waits, so others need not query
			if err := errors.Join(err, <-added); err != nil {
				t.Fatal(err)
			}
			end := first[0].Position()
			queries.Store(0)
			const readers, changes = 50, 20
			var group sync.WaitGroup
			for range readers {
				group.Go(func() {
					got, err := follow(t.Context(), r, end, changes)
					if err != nil || len(got) != changes || got[changes-1].Version != changes+1 {
						t.Errorf("read %d changes: %v", len(got), err)
					}
				})
			}
			for i := range changes {
				time.Sleep(time.Duration(i) * time.Millisecond)
				if err := rename(t.Context(), writes, p, fmt.Sprint("name ", i)); err != nil {
					t.Fatal(err)
				}
			}
			group.Wait()
			if n := queries.Load(); name == "SQLite" && n > 3*changes {
				t.Errorf("%d queries read %d changes for %d readers", n, changes, readers)
			}
		})
	}
}

// TestABusyProcessNumbersForOthers: a process that has changes of its own to number all the
// time also numbers those that another process has left.
func TestABusyProcessNumbersForOthers(t *testing.T) {
	t.Parallel()
	config := store.Config{DatabaseURL: storetest.Postgres(t), MaxConns: 2}
	busy, left := storetest.Open(t, config), storetest.Open(t, config)
	r := following(t, busy)
	own, others := benchmarkProvider(), benchmarkProvider()
	others.Workspace = "of another process"
	for s, p := range map[*store.Store]registry.Provider{busy: own, left: others} {
		if err := addProvider(t.Context(), s, p); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(20 * time.Second)
	for i := 0; time.Now().Before(deadline); i++ {
		if err := rename(t.Context(), busy, own, fmt.Sprint("name ", i)); err != nil {
			t.Fatal(err)
		}
		end, err := r.ChangeEnd(t.Context(), others.Workspace)
		if err != nil {
			t.Fatal(err)
		}
		if end.Number > 0 {
			return
		}
	}
	t.Error("the change that another process has left is not numbered")
}

// TestWaitersLearnOfAnotherHistory: when the database is restored while readers wait, they learn
// that their position is gone.
func TestWaitersLearnOfAnotherHistory(t *testing.T) {
	t.Parallel()
	cluster := storetest.StartCluster(t)
	s := storetest.Open(t, store.Config{DatabaseURL: cluster.Database(t), MaxConns: 2})
	r := following(t, s)
	for range 2 {
		if err := addProvider(t.Context(), s, benchmarkProvider()); err != nil {
			t.Fatal(err)
		}
	}
	read, err := follow(t.Context(), r, registry.ChangePosition{}, 2)
	if err != nil {
		t.Fatal(err)
	}
	waited := make(chan error)
	go func() {
		_, err := follow(t.Context(), r, read[1].Position(), 1)
		waited <- err
	}()
	select {
	case err := <-waited:
		t.Fatal("nothing has happened, but the reader got", err)
	case <-time.After(100 * time.Millisecond):
	}
	if _, err := s.Writer().ExecContext(t.Context(), "DELETE FROM changes WHERE number = 2"); err != nil {
		t.Fatal(err)
	}
	cluster.Stop(t)
	cluster.Start(t)
	select {
	case err := <-waited:
		if !fault.Is(err, fault.Gone) {
			t.Errorf("got %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Error("the reader still waits")
	}
}
