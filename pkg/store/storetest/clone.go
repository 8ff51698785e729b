package storetest

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
)

// testClonedFrom checks that every query tells what a provider was cloned from, while
// the original exists.
func testClonedFrom(t *testing.T, s *store.Store) {
	original, clone := newProvider("original"), newProvider("clone", "m")
	clone.ClonedFrom = original.ID
	theirs := newProvider("theirs")
	theirs.Workspace, theirs.ClonedFrom = "other", original.ID // in another workspace that is nothing
	create(t, s, original, clone, theirs)

	want := func(from string) {
		t.Helper()
		read := func(what string, got registry.Provider, err error) {
			t.Helper()
			noError(t, what, err)
			if got.ClonedFrom != from {
				t.Errorf("%s: cloned from %q, not %q", what, got.ClonedFrom, from)
			}
		}
		clone.ClonedFrom = from
		wantStored(t, s, clone)
		for _, q := range []registry.ProviderQuery{{Limit: 1}, {Limit: 1, Summary: true}, {Limit: 1, Name: "clone"}} {
			q.Sort = registry.SortName
			page, err := s.Providers(t.Context(), workspace, q)
			noError(t, "list", err)
			read("list", page[0], err)
		}
		_, p, err := s.ModelAndProvider(t.Context(), workspace, clone.Models[0].ID)
		read("with a model", p, err)
		noError(t, "edit", s.InTx(t.Context(), func(ctx context.Context) error {
			locked, err := s.LockProvider(ctx, workspace, clone.ID)
			if diff := cmp.Diff(clone, locked); err == nil && diff != "" {
				t.Errorf("locked (-want +got):\n%s", diff)
			}
			edited := locked
			edited.Version++
			clone.Version++
			return s.UpdateProvider(ctx, locked, edited)
		}))
	}
	want(original.ID)
	noError(t, "delete the original", s.DeleteProvider(t.Context(), original, start))
	want("")
	p, err := s.Provider(t.Context(), "other", theirs.ID)
	noError(t, "read", err)
	if p.ClonedFrom != "" {
		t.Errorf("a provider is cloned from %q of another workspace", p.ClonedFrom)
	}
}
