package storetest

import (
	"bytes"
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
)

// hashed returns a provider whose credentials have these values and a hash of each.
func hashed(p registry.Provider, values map[string]string) registry.Provider {
	p.Credentials = map[string]registry.Credential{}
	for field, value := range values {
		p.Credentials[field] = registry.Credential{Sealed: []byte("sealed " + value), UpdatedAt: start, Hash: hashOf(value)}
	}
	return p
}

func hashOf(value string) []byte { return bytes.Repeat([]byte(value), 32)[:32] }

func testLookup(t *testing.T, s *store.Store) {
	one := hashed(newProvider("one"), map[string]string{"api_key": "a"})
	two := hashed(newProvider("two"), map[string]string{"id": "a", "key": "b"})
	none := newProvider("without credentials")
	none.Credentials = nil
	theirs := hashed(newProvider("theirs"), map[string]string{"api_key": "a"})
	theirs.Workspace = "other"
	for i, p := range []*registry.Provider{&one, &two, &none} {
		p.CreatedAt = p.CreatedAt.AddDate(0, 0, i)
	}
	create(t, s, theirs, two, one, none)

	lookUp := func(value string) (found []registry.Provider) {
		t.Helper()
		noError(t, "look up", s.ProvidersByHash(t.Context(), workspace, hashOf(value), func(p registry.Provider) error {
			found = append(found, p)
			return nil
		}))
		return found
	}
	// edit changes the stored provider as the registry does.
	edit := func(id string, change func(*registry.Provider)) {
		t.Helper()
		noError(t, "edit", s.InTx(t.Context(), func(ctx context.Context) error {
			before, err := s.LockProvider(ctx, workspace, id)
			if err != nil {
				return err
			}
			after := before
			change(&after)
			return s.UpdateProvider(ctx, before, after)
		}))
	}

	t.Run("by hash", func(t *testing.T) {
		wantNames(t, "a", lookUp("a"), "one", "two")
		wantNames(t, "b", lookUp("b"), "two")
		wantNames(t, "c", lookUp("c"))
		for _, p := range lookUp("a") {
			want := one
			if p.ID == two.ID {
				want = two
			}
			if diff := cmp.Diff(want, p); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
	})
	t.Run("an edit keeps the hashes", func(t *testing.T) {
		edit(two.ID, func(p *registry.Provider) { p.Name, p.NameKey = "2", "2" })
		wantNames(t, "b", lookUp("b"), "2")
		edit(two.ID, func(p *registry.Provider) { p.Config, p.Connection = map[string]string{}, 2 })
		wantNames(t, "b", lookUp("b"), "2")
	})
	t.Run("a replaced credential", func(t *testing.T) {
		edit(one.ID, func(p *registry.Provider) { *p = hashed(*p, map[string]string{"api_key": "c"}); p.Connection++ })
		wantNames(t, "a", lookUp("a"), "2")
		wantNames(t, "c", lookUp("c"), "one")
	})
}
