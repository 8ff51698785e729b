package registry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/secret"
)

// lookup looks a value up, and returns the names of the providers that have it.
func (k *kit) lookup(t *testing.T, value string) (names []string) {
	t.Helper()
	found, err := k.Lookup(t.Context(), auth.Operator(workspace), secret.NewText(value))
	if err != nil || len(found.Unreadable) > 0 || found.Truncated {
		t.Fatalf("look up %q: %+v, %v", value, found, err)
	}
	for _, h := range found.Holders {
		names = append(names, h.ProviderName)
	}
	return names
}

func (k *kit) wantFound(t *testing.T, value string, want ...string) {
	t.Helper()
	if got := k.lookup(t, value); !slices.Equal(got, want) {
		t.Errorf("%q is found in %q, not %q", value, got, want)
	}
}

// wantHashed demands that every stored credential has its hash.
func (k *kit) wantHashed(t *testing.T, after string) {
	t.Helper()
	if workspaces, err := k.store.UnhashedWorkspaces(t.Context()); err != nil || len(workspaces) > 0 {
		t.Errorf("after %s, there are credentials without a hash in %q; %v", after, workspaces, err)
	}
}

// forget removes the hashes of a provider, as if an earlier version had stored it.
func (k *kit) forget(t *testing.T, id string) {
	t.Helper()
	k.exec(t, "UPDATE providers SET credential_hashes = NULL, hashed_connection = NULL WHERE id = ?", id)
}

// TestEveryWriteStoresTheHash: what is not hashed would be found all the same, but
// only by decrypting it.
func TestEveryWriteStoresTheHash(t *testing.T) {
	k := newKit(t)
	p := k.create(t, "p")
	key := fmt.Sprint(k.upstream.Credentials["api_key"])
	k.wantHashed(t, "a create")
	k.wantFound(t, key, "p")
	for what, edit := range map[string]registry.ProviderEdit{
		"a new name":   {Name: pointer("p")},
		"a new status": {Status: pointer("inactive")},
		"new models":   {Models: &[]registry.ModelInput{}},
	} {
		k.update(t, p.ID, edit)
		k.wantHashed(t, what)
		k.wantFound(t, key, "p")
	}
	k.update(t, p.ID, newKey(t, "sk-second-0123456789"))
	k.wantHashed(t, "a new key")
	k.wantFound(t, "sk-second-0123456789", "p")
	k.wantFound(t, key)
	if _, err := k.AddModel(t.Context(), workspace, p.ID, registry.ModelInput{ModelID: pointer("m"), Stages: &[]string{"planning"}}, fault.Problems{}); err != nil {
		t.Fatal(err)
	}
	k.wantHashed(t, "a new model")
	if err := k.DeleteProvider(t.Context(), workspace, p.ID, registry.Precondition{}); err != nil {
		t.Fatal(err)
	}
	k.wantFound(t, "sk-second-0123456789")
}

// TestLookupOfWhatIsNotHashed: nothing is missed before and while what an earlier
// version stored is hashed.
func TestLookupOfWhatIsNotHashed(t *testing.T) {
	k := newKit(t)
	var names []string
	ids := map[string]registry.Provider{}
	for i := range 250 { // more than are hashed at a time
		p := k.create(t, fmt.Sprint("p", i))
		names = append(names, p.Name)
		ids[p.ID] = p
	}
	key := fmt.Sprint(k.upstream.Credentials["api_key"])
	k.exec(t, "UPDATE providers SET credential_hashes = NULL, hashed_connection = NULL")
	k.wantFound(t, key, names...)
	k.wantFound(t, "sk-of-nobody-0123456789")

	ctx, stop := context.WithCancel(t.Context())
	var hashing sync.WaitGroup
	for range 3 { // several processes; they are stopped, and one begins again
		hashing.Go(func() {
			if err := k.HashCredentials(ctx); err != nil && !errors.Is(err, context.Canceled) && !fault.Is(err, fault.Unavailable) {
				t.Error(err)
			}
		})
	}
	k.wantFound(t, key, names...)
	stop()
	hashing.Wait()
	if err := k.HashCredentials(t.Context()); err != nil {
		t.Fatal(err)
	}
	k.wantHashed(t, "hashing")
	k.wantFound(t, key, names...)
	for id, before := range ids {
		if after := k.read(t, id); after.Version != before.Version || after.Connection != before.Connection || !after.UpdatedAt.Equal(before.UpdatedAt) {
			t.Fatalf("hashing changed %+v to %+v", before, after)
		}
	}
}

// TestLookupOfUnreadable: a credential that can't be decrypted may have the
// value, so it is named; and it stops nothing.
func TestLookupOfUnreadable(t *testing.T) {
	k := newKit(t)
	key := fmt.Sprint(k.upstream.Credentials["api_key"])
	broken, fine := k.create(t, "broken"), k.create(t, "fine")
	k.replaceSealed(t, broken.ID, []byte("x"))
	k.wantFound(t, key, "broken", "fine") // by its hash
	k.forget(t, broken.ID)
	k.forget(t, fine.ID)
	if err := k.HashCredentials(t.Context()); err == nil {
		t.Error("a credential that can't be decrypted is no error")
	}
	found, err := k.Lookup(t.Context(), auth.Operator(workspace), secret.NewText(key))
	if err != nil || len(found.Unreadable) != 1 || found.Unreadable[0].ProviderID != broken.ID || len(found.Holders) != 1 || found.Holders[0].ProviderID != fine.ID {
		t.Errorf("found %+v, %v", found, err)
	}
	if again, _ := k.store.Unhashed(t.Context(), workspace, "", 10); len(again) != 1 {
		t.Errorf("%d providers are not hashed", len(again))
	}
}

// TestHashesDiffer: equal credentials have equal hashes only in one workspace, under
// one key.
func TestHashesDiffer(t *testing.T) {
	k := newKit(t)
	other, _ := k.replica(t, func(c *registry.Config) { c.LookupKey = []byte("another") })
	create := func(r *registry.Registry, workspace, name string) string {
		p, err := r.CreateProvider(t.Context(), workspace, registry.NewProvider{Name: name, Type: "openai", Settings: newKey(t, "sk-the-same-0123456789").Settings})
		if err != nil {
			t.Fatal(err)
		}
		return string(p.Credentials["api_key"].Hash)
	}
	one := create(k.Registry, "one", "a")
	if create(k.Registry, "one", "b") != one || create(k.Registry, "two", "a") == one || create(other, "one", "c") == one || len(one) != 32 {
		t.Error("the hashes are not keyed by workspace")
	}
}

// TestLookupIsRecordedFirst: nothing is answered that is not recorded.
func TestLookupIsRecordedFirst(t *testing.T) {
	refuse := errors.New("no event")
	k := newKit(t, func(c *registry.Config) { c.Audit = unrecordable{refuse} })
	found, err := k.Lookup(t.Context(), auth.Operator(workspace), secret.NewText("sk-1"))
	if !errors.Is(err, refuse) || found.Holders != nil {
		t.Errorf("got %+v, %v", found, err)
	}
}

type unrecordable struct{ err error }

func (u unrecordable) Record(context.Context, ...audit.Event) error      { return u.err }
func (u unrecordable) Seal(_ context.Context, e audit.Event) audit.Event { return e }

// TestLookupIsTruncated: an answer has at most 1,000 credentials.
func TestLookupIsTruncated(t *testing.T) {
	k := newKit(t)
	p := k.create(t, "p")
	k.exec(t, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
		INSERT INTO providers (workspace, id, name, name_key, type, enabled, credentials, config, version, connection, created_at, updated_at, credential_hashes, hashed_connection)
		SELECT workspace, 'copy ' || i, name || i, name_key || i, type, enabled, credentials, config, version, connection, created_at, updated_at, credential_hashes,
		hashed_connection FROM providers, n WHERE id = ?`, p.ID)
	found, err := k.Lookup(t.Context(), auth.Operator(workspace), secret.NewText(fmt.Sprint(k.upstream.Credentials["api_key"])))
	if err != nil || len(found.Holders) != 1000 || !found.Truncated {
		t.Errorf("found %d, truncated %t, %v", len(found.Holders), found.Truncated, err)
	}
}

// TestLookupSharesTheLimitOfReveals checks both ways.
func TestLookupSharesTheLimitOfReveals(t *testing.T) {
	k := newKit(t, func(c *registry.Config) { c.Limiter = auth.NewLimiter(auth.Limits{RevealsPerMinute: 2}, time.Now) })
	p := k.create(t, "p")
	by := auth.Operator(workspace)
	if _, err := k.Reveal(t.Context(), by, p.ID, "api_key", ""); err != nil {
		t.Fatal(err)
	}
	k.wantFound(t, "sk-of-nobody-0123456789")
	_, err := k.Lookup(t.Context(), by, secret.NewText("sk-1"))
	wantFault(t, "a lookup", err, fault.RateLimited)
	_, err = k.Reveal(t.Context(), by, p.ID, "api_key", "")
	wantFault(t, "a reveal", err, fault.RateLimited)
}
