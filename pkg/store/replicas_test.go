package store_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// TestReplicas has two stores on one database, as two processes have.
func TestReplicas(t *testing.T) {
	check := func(t *testing.T, config store.Config) {
		t.Parallel()
		storetest.Replicas(t, storetest.Open(t, config), storetest.Open(t, config))
	}
	t.Run("SQLite", func(t *testing.T) {
		check(t, store.Config{SQLitePath: filepath.Join(t.TempDir(), "store.db")})
	})
	t.Run("Postgres", func(t *testing.T) {
		check(t, store.Config{DatabaseURL: storetest.Postgres(t)})
	})
}

// TestPostgresHeadIsLockedAtOnce checks that a linker does not wait for another,
// also while the chain is new, and that workspaces don't block each other.
func TestPostgresHeadIsLockedAtOnce(t *testing.T) {
	s := storetest.Open(t, store.Config{DatabaseURL: storetest.Postgres(t)})
	lock := func(name string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // less than a lock is waited for
		defer cancel()
		return s.InTx(ctx, func(ctx context.Context) error {
			_, err := s.LockHead(ctx, name)
			return err
		})
	}
	err := s.InTx(t.Context(), func(ctx context.Context) error {
		if _, err := s.LockHead(ctx, workspace); err != nil {
			return err
		}
		if err := lock(workspace); !fault.Is(err, fault.Conflict) {
			t.Errorf("the same head: got %v, want a conflict", err)
		}
		if err := lock("another"); err != nil {
			t.Errorf("another head: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := lock(workspace); err != nil {
		t.Errorf("after the transaction: %v", err)
	}
}
