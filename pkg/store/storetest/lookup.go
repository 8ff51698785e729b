package storetest

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

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
	earlier := newProvider("stored by an earlier version")
	none := newProvider("without credentials")
	none.Credentials = nil
	theirs := hashed(newProvider("theirs"), map[string]string{"api_key": "a"})
	theirs.Workspace = "other"
	for i, p := range []*registry.Provider{&one, &two, &earlier, &none} {
		p.CreatedAt = p.CreatedAt.AddDate(0, 0, i)
	}
	create(t, s, theirs, earlier, two, one, none)

	lookUp := func(value string) (found []registry.Provider) {
		t.Helper()
		noError(t, "look up", s.ProvidersByHash(t.Context(), workspace, hashOf(value), func(p registry.Provider) error {
			found = append(found, p)
			return nil
		}))
		return found
	}
	unhashed := func() []registry.Provider {
		t.Helper()
		all, err := s.Unhashed(t.Context(), workspace, uuid.Nil.String(), 10)
		noError(t, "list what is not hashed", err)
		return all
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

	t.Run("by hash, and what has none", func(t *testing.T) {
		wantNames(t, "a", lookUp("a"), "one", "two", earlier.Name)
		wantNames(t, "b", lookUp("b"), "two", earlier.Name)
		wantNames(t, "c", lookUp("c"), earlier.Name)
		for _, p := range lookUp("a")[:2] {
			want := one
			if p.ID == two.ID {
				want = two
			}
			if diff := cmp.Diff(want, p); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
		if p := lookUp("c")[0]; p.Credentials["api_key"].Hash != nil {
			t.Errorf("a credential that is not hashed has the hash %x", p.Credentials["api_key"].Hash)
		}
	})
	t.Run("an edit keeps the hashes", func(t *testing.T) {
		edit(two.ID, func(p *registry.Provider) { p.Name, p.NameKey = "2", "2" })
		wantNames(t, "b", lookUp("b"), "2", earlier.Name)
		edit(two.ID, func(p *registry.Provider) { p.Config, p.Connection = map[string]string{}, 2 })
		wantNames(t, "b", lookUp("b"), "2", earlier.Name)
	})
	t.Run("a replaced credential", func(t *testing.T) {
		edit(one.ID, func(p *registry.Provider) { *p = hashed(*p, map[string]string{"api_key": "c"}); p.Connection++ })
		wantNames(t, "a", lookUp("a"), "2", earlier.Name)
		wantNames(t, "c", lookUp("c"), "one", earlier.Name)
	})
	t.Run("hashing", func(t *testing.T) {
		wantNames(t, "not hashed", unhashed(), earlier.Name)
		workspaces, err := s.UnhashedWorkspaces(t.Context())
		if err != nil || !slices.Equal(workspaces, []string{workspace}) {
			t.Errorf("the workspaces are %q, %v", workspaces, err)
		}
		read, before := unhashed()[0], stored(t, s, earlier.ID)
		noError(t, "store the hash", s.StoreHashes(t.Context(), hashed(read, map[string]string{"api_key": "d"})))
		wantNames(t, "not hashed", unhashed())
		wantNames(t, "d", lookUp("d"), earlier.Name)
		wantNames(t, "a", lookUp("a"), "2")
		wantStored(t, s, before)

		edit(earlier.ID, func(p *registry.Provider) { *p = hashed(*p, map[string]string{"api_key": "e"}); p.Connection++ })
		noError(t, "store the hash of a replaced credential", s.StoreHashes(t.Context(), hashed(read, map[string]string{"api_key": "d"})))
		wantNames(t, "not hashed", unhashed())
		wantNames(t, "e", lookUp("e"), earlier.Name)
		wantNames(t, "d", lookUp("d"))
		if workspaces, err := s.UnhashedWorkspaces(t.Context()); err != nil || len(workspaces) > 0 {
			t.Errorf("the workspaces are %q, %v", workspaces, err)
		}
	})
	t.Run("one of several credentials is not hashed", func(t *testing.T) {
		edit(two.ID, func(p *registry.Provider) {
			p.Credentials["key"] = registry.Credential{Sealed: []byte("x"), UpdatedAt: start}
			p.Connection++
		})
		wantNames(t, "not hashed", unhashed(), "2")
		wantNames(t, "x", lookUp("x"), "2")
	})
}
