package store_test

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// calls returns one call of each kind: reads of one and of several queries,
// and writes.
func calls(s *store.Store) map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"Providers": func(ctx context.Context) error {
			_, err := s.Providers(ctx, workspace, registry.ProviderQuery{})
			return err
		},
		"Models": func(ctx context.Context) error {
			_, err := s.Models(ctx, workspace, registry.ModelQuery{})
			return err
		},
		"CreateProvider": func(ctx context.Context) error { return addProvider(ctx, s, benchmarkProvider()) },
		"HasTokens":      func(ctx context.Context) error { _, err := s.HasTokens(ctx); return err },
		"SchemaCurrent":  s.SchemaCurrent,
	}
}

func wantUnavailable(t *testing.T, s *store.Store) {
	t.Helper()
	for name, call := range calls(s) {
		if f := fault.As(call(t.Context())); f == nil || f.Kind != fault.Unavailable || f.RetryAfter <= 0 {
			t.Errorf("%s while the database is away: got %v", name, f)
		}
	}
}

// wantBack checks that every call works at the first attempt.
func wantBack(t *testing.T, s *store.Store) {
	t.Helper()
	for name, call := range calls(s) {
		if err := call(t.Context()); err != nil {
			t.Errorf("%s when the database is back: %v", name, err)
		}
	}
}

func TestPostgresOutage(t *testing.T) {
	t.Parallel()
	cluster := storetest.StartCluster(t)
	s := storetest.Open(t, store.Config{DatabaseURL: cluster.Database(t), MaxConns: 4})
	wantBack(t, s)

	// A running transaction ends as unavailable.
	err := s.InTx(t.Context(), func(ctx context.Context) error {
		if err := addProvider(ctx, s, benchmarkProvider()); err != nil {
			return err
		}
		cluster.Stop(t)
		return addProvider(ctx, s, benchmarkProvider())
	})
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("transaction under way: got %v", err)
	}
	wantUnavailable(t, s)
	cluster.Start(t)
	wantBack(t, s)

	// Calls during a restart succeed or are unavailable.
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for name, call := range calls(s) {
					if err := call(t.Context()); err != nil && !fault.Is(err, fault.Unavailable) {
						t.Errorf("%s in a restart: %v", name, err)
						return
					}
				}
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	cluster.Stop(t)
	cluster.Start(t)
	close(stop)
	group.Wait()
	wantBack(t, s)
}

func TestSQLiteOutage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "store.db")
	s := storetest.Open(t, store.Config{SQLitePath: path})
	wantBack(t, s)
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}

	move("store.db", "elsewhere.db")
	wantUnavailable(t, s)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantUnavailable(t, s) // another file is not ours
	move("elsewhere.db", "store.db")
	wantBack(t, s)
}

// TestSQLiteBusy has another program keep the file locked.
func TestSQLiteBusy(t *testing.T) {
	storetest.Long(t)
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s, other := storetest.Open(t, store.Config{SQLitePath: path}), storetest.Open(t, store.Config{SQLitePath: path})
	err := other.InTx(t.Context(), func(ctx context.Context) error {
		if err := addProvider(ctx, other, benchmarkProvider()); err != nil {
			return err
		}
		if _, err := s.Providers(t.Context(), workspace, registry.ProviderQuery{}); err != nil {
			t.Errorf("reading while another writes: %v", err)
		}
		start := time.Now()
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				if err := addProvider(t.Context(), s, benchmarkProvider()); !fault.Is(err, fault.Unavailable) {
					t.Errorf("writing while another writes: got %v", err)
				}
			})
		}
		group.Wait()
		if waited := time.Since(start); waited > 20*time.Second { // 5 s, not 5 s for each
			t.Errorf("writing while another writes took %v", waited)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	wantBack(t, s)
}

// TestPostgresLockTimeout has another transaction keep a provider locked.
func TestPostgresLockTimeout(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, store.Config{DatabaseURL: withSetting(t, storetest.Postgres(t), "lock_timeout", "100ms")})
	p := benchmarkProvider()
	if err := addProvider(t.Context(), s, p); err != nil {
		t.Fatal(err)
	}
	err := s.InTx(t.Context(), func(ctx context.Context) error {
		if _, err := s.LockProvider(ctx, workspace, p.ID); err != nil {
			return err
		}
		if err := s.DeleteProvider(t.Context(), p, time.Now()); !fault.Is(err, fault.Unavailable) {
			t.Errorf("deleting what another has locked: got %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func withSetting(t *testing.T, database, name, value string) string {
	t.Helper()
	address, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	query := address.Query()
	query.Set(name, value)
	address.RawQuery = query.Encode()
	return address.String()
}

// TestMoreCallersThanConnections checks that callers queue up.
func TestMoreCallersThanConnections(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, store.Config{DatabaseURL: storetest.Postgres(t), MaxConns: 2})
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			for name, call := range calls(s) {
				if err := call(t.Context()); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
	}
	group.Wait()
	if open := s.Writer().Stats().OpenConnections; open > 2 {
		t.Errorf("%d connections are open, at most 2 were allowed", open)
	}
}
