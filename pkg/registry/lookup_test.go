package registry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	if err != nil || found.Truncated {
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

// TestEveryWriteStoresTheHash: a lookup decrypts nothing, so it finds only what is hashed.
func TestEveryWriteStoresTheHash(t *testing.T) {
	k := newKit(t)
	p := k.create(t, "p")
	key := fmt.Sprint(k.upstream.Credentials["api_key"])
	k.wantFound(t, key, "p")
	for _, edit := range []registry.ProviderEdit{
		{Name: pointer("p")}, {Status: pointer("inactive")}, {Models: &[]registry.ModelInput{}},
	} {
		k.update(t, p.ID, edit)
		k.wantFound(t, key, "p")
	}
	k.update(t, p.ID, newKey(t, "sk-second-0123456789"))
	k.wantFound(t, "sk-second-0123456789", "p")
	k.wantFound(t, key)
	if _, err := k.AddModel(t.Context(), workspace, p.ID, registry.ModelInput{ModelID: pointer("m"), Stages: &[]string{"planning"}}, fault.Problems{}); err != nil {
		t.Fatal(err)
	}
	k.wantFound(t, "sk-second-0123456789", "p")
	if err := k.DeleteProvider(t.Context(), workspace, p.ID, registry.Precondition{}); err != nil {
		t.Fatal(err)
	}
	k.wantFound(t, "sk-second-0123456789")
}

// TestLookupDecryptsNothing: a credential that can't be decrypted is found, too.
func TestLookupDecryptsNothing(t *testing.T) {
	k := newKit(t)
	broken := k.create(t, "broken")
	k.create(t, "fine")
	k.replaceSealed(t, broken.ID, []byte("x"))
	k.wantFound(t, fmt.Sprint(k.upstream.Credentials["api_key"]), "broken", "fine")
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
		INSERT INTO providers (workspace, id, name, name_key, type, enabled, credentials, config, version, connection, created_at, updated_at)
		SELECT workspace, 'copy ' || i, name || i, name_key || i, type, enabled, credentials, config, version, connection, created_at, updated_at
		FROM providers, n WHERE id = ?`, p.ID)
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
