package registry_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/secret"
)

// addKey adds a key to the keyset's file, and returns its id.
func (k *kit) addKey(t *testing.T) (id uint32) {
	t.Helper()
	path := filepath.Join(filepath.Dir(k.file), "keyset.json")
	err := secret.Edit(t.Context(), path, nil, "", func(f *secret.File) (err error) {
		id, err = f.Add()
		return err
	})
	if err != nil {
		t.Fatal("add a key:", err)
	}
	return id
}

// load reads the file of the keyset again.
func (k *kit) load(t *testing.T) {
	t.Helper()
	loaded, err := secret.Load(context.Background(), filepath.Join(filepath.Dir(k.file), "keyset.json"), nil)
	if err != nil {
		t.Error("load the keyset:", err)
		return
	}
	k.keyset.Replace(loaded)
}

// promote makes a key seal, whichever processes have it.
func (k *kit) promote(t *testing.T, id uint32) {
	t.Helper()
	err := k.store.InTx(t.Context(), func(ctx context.Context) error {
		if _, err := k.store.LockSealingKey(ctx); err != nil {
			return err
		}
		return k.store.PromoteKey(ctx, id)
	})
	if err != nil {
		t.Fatal("promote:", err)
	}
}

// wantKey checks which key the stored credential of a provider is sealed with, and that it
// opens.
func (k *kit) wantKey(t *testing.T, id string, want uint32) {
	t.Helper()
	sealed := k.read(t, id).Credentials["api_key"].Sealed
	if got, _ := secret.KeyID(sealed); got != want {
		t.Errorf("the credential is sealed with key %d, want %d", got, want)
	}
	if _, err := k.Reveal(t.Context(), auth.Operator(workspace), id, "api_key", ""); err != nil {
		t.Errorf("the credential does not open: %v", err)
	}
}

// TestSealsWithTheKeyOfTheDatabase: no request fails because another key was promoted.
func TestSealsWithTheKeyOfTheDatabase(t *testing.T) {
	k := newKit(t)
	first := k.keyset.SealingKey()
	old := k.create(t, "old")
	k.wantKey(t, old.ID, first)
	second := k.addKey(t)
	k.load(t)
	k.wantKey(t, k.create(t, "added").ID, first)

	k.promote(t, second)
	k.wantKey(t, k.create(t, "new").ID, second)
	k.wantKey(t, old.ID, first)
	k.promote(t, first)
	k.update(t, old.ID, newKey(t, "sk-another"))
	k.wantKey(t, old.ID, first)
	k.promote(t, second)
	k.update(t, old.ID, newKey(t, "sk-a-third-one"))
	k.wantKey(t, old.ID, second)

	k.promote(t, first)
	clone, err := k.CloneProvider(t.Context(), workspace, old.ID, "clone", fault.Problems{})
	if err != nil {
		t.Fatal(err)
	}
	k.wantKey(t, clone.ID, first)

	// With an Idempotency-Key, a provider is created in a transaction.
	k.promote(t, second)
	var within registry.Provider
	err = k.store.InTx(t.Context(), func(ctx context.Context) (err error) {
		within, err = k.CreateProvider(ctx, workspace, k.newProvider(t, "within"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	k.wantKey(t, within.ID, second)
}

// TestLoadsAMissingKey: a key that this process has not loaded yet is read from the file
// when it is needed, and without it nothing is written.
func TestLoadsAMissingKey(t *testing.T) {
	reloads, reload := 0, func() {}
	k := newKit(t, func(c *registry.Config) {
		c.ReloadKeyset = func(context.Context) { reloads++; reload() }
	})
	first := k.keyset.SealingKey()
	stored := k.create(t, "stored")
	second := k.addKey(t)
	k.promote(t, second)

	unavailable := func(what string, err error) {
		t.Helper()
		if !fault.Is(err, fault.Unavailable) || fault.As(err).RetryAfter == 0 {
			t.Errorf("%s: got %v, want unavailable", what, err)
		}
	}
	_, err := k.CreateProvider(t.Context(), workspace, k.newProvider(t, "refused"))
	unavailable("create", err)
	_, err = k.UpdateProvider(t.Context(), workspace, stored.ID, newKey(t, "sk-another"))
	unavailable("update", err)
	if reloads != 2 {
		t.Errorf("the keyset was read %d times, want 2", reloads)
	}
	if n, err := k.CountProviders(t.Context(), workspace, registry.ProviderQuery{}); err != nil || n != 1 {
		t.Errorf("there are %d providers, %v", n, err)
	}
	k.wantKey(t, stored.ID, first)
	k.update(t, stored.ID, registry.ProviderEdit{Name: pointer("renamed")}) // nothing is sealed

	reload = func() { k.load(t) }
	k.update(t, stored.ID, newKey(t, "sk-another"))
	k.wantKey(t, stored.ID, second)

	// What another process has sealed with a key that is in the file by now.
	third := k.addKey(t)
	path := filepath.Join(filepath.Dir(k.file), "keyset.json")
	loaded, err := secret.Load(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	k.promote(t, third)
	other, _ := k.replica(t, func(c *registry.Config) { c.Keyset = loaded })
	if _, err := other.UpdateProvider(t.Context(), workspace, stored.ID, newKey(t, "sk-of-the-other")); err != nil {
		t.Fatal(err)
	}
	reloads = 0
	k.wantKey(t, stored.ID, third)
	if result := k.test(t, stored); result.Endpoint == "" || reloads != 1 {
		t.Errorf("the test gave %+v; the keyset was read %d times, want 1", result, reloads)
	}
}

// afterRead calls a function once, after a provider was read.
type afterRead struct {
	registry.Store
	then func()
}

func (s *afterRead) Provider(ctx context.Context, workspace, id string) (registry.Provider, error) {
	p, err := s.Store.Provider(ctx, workspace, id)
	s.called()
	return p, err
}

func (s *afterRead) ProvidersByHash(ctx context.Context, workspace string, hash []byte, fn func(registry.Provider) error) error {
	return s.Store.ProvidersByHash(ctx, workspace, hash, func(p registry.Provider) error {
		s.called()
		return fn(p)
	})
}

func (s *afterRead) called() {
	if then := s.then; then != nil {
		s.then = nil
		then()
	}
}

// TestReadsAResealedValueAgain: no call fails because a credential was resealed, and its
// key retired, after the provider was read.
func TestReadsAResealedValueAgain(t *testing.T) {
	k := newKit(t)
	read := &afterRead{Store: k.store}
	slow, _ := k.replica(t, func(c *registry.Config) { c.Store = read })
	p := k.create(t, "p")
	value := fmt.Sprint(k.upstream.Credentials["api_key"])
	claim, err := k.keyset.Claim()
	if err == nil {
		_, err = k.store.Claim(t.Context(), registry.KeysetClaim, claim)
	}
	var master string
	if err == nil {
		master, err = k.keyset.SealToken([]byte("master"), []byte(registry.MasterClaim))
	}
	if err == nil {
		_, err = k.store.Claim(t.Context(), registry.MasterClaim, []byte(master))
	}
	if err != nil {
		t.Fatal(err)
	}
	replaceKey := func() {
		old := k.keyset.SealingKey()
		key := k.addKey(t)
		k.load(t)
		k.promote(t, key)
		if err := k.keyset.SealUnder(key); err != nil {
			t.Fatal(err)
		}
		keys := registry.NewKeys(k.store, unrecorded{})
		if _, err := keys.Reseal(t.Context(), k.keyset, 0, func(registry.Resealing) {}, func(err error) { t.Error(err) }); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(filepath.Dir(k.file), "keyset.json")
		if err := secret.Edit(t.Context(), path, nil, "", func(f *secret.File) error { return f.Disable(old) }); err != nil {
			t.Fatal(err)
		}
		k.load(t)
	}

	read.then = replaceKey
	if _, err := slow.Reveal(t.Context(), auth.Operator(workspace), p.ID, "api_key", ""); err != nil {
		t.Error("reveal:", err)
	}
	read.then = replaceKey
	found, err := slow.Lookup(t.Context(), auth.Operator(workspace), secret.NewText(value))
	if err != nil || len(found.Holders) != 1 {
		t.Errorf("lookup: %+v, %v", found, err)
	}

	// The settings that were read do not fit a credential of a later edit.
	read.then = func() {
		k.update(t, p.ID, newKey(t, "sk-of-an-edit"))
		replaceKey()
	}
	if _, err := slow.Reveal(t.Context(), auth.Operator(workspace), p.ID, "api_key", ""); err == nil {
		t.Error("reveal returned a credential of other settings than those that were read")
	}
}

// TestDoesNotSealUnlessItMay: a process that may be taken for dead writes nothing.
func TestDoesNotSealUnlessItMay(t *testing.T) {
	refusal := errors.New("the database is away")
	var now error
	k := newKit(t, func(c *registry.Config) {
		c.BeforeSealing = func(context.Context) error { return now }
	})
	p := k.create(t, "one")
	now = refusal
	if _, err := k.CreateProvider(t.Context(), workspace, k.newProvider(t, "two")); !errors.Is(err, refusal) {
		t.Errorf("create: %v", err)
	}
	if _, err := k.UpdateProvider(t.Context(), workspace, p.ID, newKey(t, "sk-another")); !errors.Is(err, refusal) {
		t.Errorf("update: %v", err)
	}
	if got := k.read(t, p.ID); got.Version != p.Version {
		t.Errorf("the provider has version %d", got.Version)
	}
	k.test(t, p) // reads only
}

// TestSealsWhileKeysArePromoted: no edit is lost, whichever key seals.
func TestSealsWhileKeysArePromoted(t *testing.T) {
	k := newKit(t)
	keys := []uint32{k.keyset.SealingKey(), k.addKey(t), k.addKey(t)}
	k.load(t)
	p := k.create(t, "one")
	edits, done := make(chan int), make(chan struct{})
	go func() {
		defer close(done)
		for i := range edits {
			k.promote(t, keys[i%len(keys)])
		}
	}()
	for i := range 100 {
		select { // at most one promotion for each edit, so that a retry succeeds
		case edits <- i:
		default:
		}
		p = k.update(t, p.ID, newKey(t, "sk-0123456789abcdef"))
	}
	close(edits)
	<-done
	if p.Version != 101 {
		t.Errorf("the version is %d, want 101", p.Version)
	}
}
