package app

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/secret"
)

// TestProcessThatWasPaused: a key can be promoted although a process that has not reported
// for 30 seconds lacks it. When that process goes on, it reports before it stores a
// credential, and stores none until it has the key.
func TestProcessThatWasPaused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, err := Start(t.Context(), Config{Addr: "127.0.0.1:0", DataDir: dir, TestTimeout: time.Minute, DatabaseConnections: 4, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	keyset, copied := filepath.Join(dir, "keyset.json"), filepath.Join(dir, "copy.json")
	var id uint32
	err = secret.Edit(t.Context(), keyset, nil, copied, func(f *secret.File) (err error) {
		id, err = f.Add()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	create := func(name string) error {
		credentials := map[string]json.RawMessage{"api_key": json.RawMessage(`"sk-0123456789abcdef"`)}
		_, err := a.registry.CreateProvider(t.Context(), auth.DefaultWorkspace,
			registry.NewProvider{Name: name, Type: "openai", Settings: provider.Request{Credentials: credentials}})
		return err
	}
	if err := create("before"); err != nil {
		t.Fatal(err)
	}
	keys := registry.NewKeys(a.data.store, a.data.events)
	mine := append(a.data.keyset.IDs(), id)
	if err := keys.Promote(t.Context(), id, mine); !fault.Is(err, fault.Conflict) {
		t.Fatalf("promoted with %v while the process is alive", err)
	}

	if err := a.data.reporting.Acquire(t.Context(), 1); err != nil { // it is paused: no beat
		t.Fatal(err)
	}
	execute(t, filepath.Join(dir, "modelproviders.db"), "UPDATE processes SET seen_at = seen_at - 31000")
	longAgo := time.Now().Add(-deadAfter)
	a.data.reported.Store(&longAgo)
	if err := keys.Promote(t.Context(), id, mine); err != nil {
		t.Fatalf("promote while the process is paused: %v", err)
	}
	if holders, err := a.data.store.KeyHolders(t.Context()); err != nil || len(holders) != 0 {
		t.Errorf("alive are %v, %v", holders, err)
	}
	a.data.reporting.Release(1)

	if err := create("without the key"); !fault.Is(err, fault.Unavailable) {
		t.Errorf("created without the key: %v", err)
	}
	if holders, err := a.data.store.KeyHolders(t.Context()); err != nil || len(holders) != 1 {
		t.Errorf("alive are %v, %v; want the process, which reports before it writes", holders, err)
	}
	if err := a.data.ready(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("ready without the key: %v", err)
	}
	both, err := secret.Load(t.Context(), copied, nil)
	if err == nil {
		err = both.SealUnder(id)
	}
	if err != nil {
		t.Fatal(err)
	}
	reseal := func() error {
		_, err := keys.Reseal(t.Context(), both, 0, func(registry.Resealing) {}, func(err error) { t.Error(err) })
		return err
	}
	if err := reseal(); !fault.Is(err, fault.Conflict) {
		t.Errorf("resealed what a process could not read any more: %v", err)
	}
	if n, err := a.registry.CountProviders(t.Context(), auth.DefaultWorkspace, registry.ProviderQuery{}); err != nil || n != 1 {
		t.Errorf("there are %d providers, %v", n, err)
	}
	if err := os.Rename(copied, keyset); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		if err = create("with the key"); err == nil || time.Since(began) > 10*time.Second {
			break
		}
	}
	if err != nil || a.data.keyset.SealingKey() != id {
		t.Errorf("with the key: %v; the key %d seals, want %d", err, a.data.keyset.SealingKey(), id)
	}
	if err := errors.Join(a.data.ready(t.Context()), reseal()); err != nil {
		t.Errorf("ready, and reseal, with the key: %v", err)
	}
}
