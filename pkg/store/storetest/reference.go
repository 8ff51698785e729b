package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
)

func newReference(m registry.Model, ref string) registry.Reference {
	return registry.Reference{ModelID: m.ID, Ref: ref, Label: "Rule " + ref, URL: "https://example.com/" + ref, CreatedAt: start, UpdatedAt: start}
}

func testReference(t *testing.T, s *store.Store) {
	p := newProvider("p", "a", "b", "c")
	a, b := &p.Models[0], &p.Models[1]
	other := newProvider("other", "m")
	create(t, s, p, other)
	put := func(refs ...registry.Reference) {
		t.Helper()
		for _, r := range refs {
			noError(t, "put", s.InTx(t.Context(), func(ctx context.Context) error { return s.PutReference(ctx, workspace, r) }))
		}
	}
	remove := func(m registry.Model, ref string) {
		t.Helper()
		noError(t, "delete", s.InTx(t.Context(), func(ctx context.Context) error { return s.DeleteReference(ctx, workspace, m.ID, ref) }))
	}
	want := func(q registry.ReferenceQuery, want ...registry.Reference) {
		t.Helper()
		got, err := s.References(t.Context(), workspace, q)
		noError(t, "list", err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("references (-want +got):\n%s", diff)
		}
	}
	wantCounts := func(counts ...int) {
		t.Helper()
		sum := 0
		for i, n := range counts {
			p.Models[i].References = n
			sum += n
			m, err := s.Model(t.Context(), workspace, p.Models[i].ID)
			noError(t, "read", err)
			if m.References != n {
				t.Errorf("model %d has %d references, not %d", i, m.References, n)
			}
		}
		wantStored(t, s, p)
		for _, summary := range []bool{false, true} {
			list, err := s.Providers(t.Context(), workspace, registry.ProviderQuery{Name: "p", Summary: summary})
			noError(t, "list", err)
			if got := list[0].ModelCounts().References; got != sum {
				t.Errorf("in a list, the provider has %d references, not %d", got, sum)
			}
		}
	}

	one, two, upper, ofB := newReference(*a, "one"), newReference(*a, "two/ü"), newReference(*a, "Two"), newReference(*b, "one")
	put(two, ofB, one, upper, newReference(other.Models[0], "one"))
	want(registry.ReferenceQuery{ModelIDs: []string{a.ID}, Limit: 9}, upper, one, two) // by bytes
	want(registry.ReferenceQuery{ModelIDs: []string{a.ID}, Limit: 2}, upper, one)
	want(registry.ReferenceQuery{ModelIDs: []string{a.ID}, After: one.Ref, Limit: 9}, two)
	want(registry.ReferenceQuery{ModelIDs: []string{a.ID}, Ref: "one", Limit: 9}, one)
	want(registry.ReferenceQuery{ModelIDs: []string{a.ID}, Ref: "\x00\xff", Limit: 9})
	want(registry.ReferenceQuery{ModelIDs: []string{b.ID, a.ID, newID()}, Limit: 9}, upper, one, two, ofB)
	want(registry.ReferenceQuery{Limit: 9})
	wantCounts(3, 1, 0)

	changed := one
	changed.Label, changed.URL, changed.UpdatedAt = "Changed", "", start.Add(time.Second)
	again := changed
	again.CreatedAt = start.Add(time.Hour) // when it was added does not change
	put(again)
	want(registry.ReferenceQuery{ModelIDs: []string{a.ID}, Ref: "one", Limit: 9}, changed)
	remove(*a, "Two")
	remove(*a, "none")
	remove(*b, "two/ü")
	wantCounts(2, 1, 0)

	theirs, err := s.References(t.Context(), "other", registry.ReferenceQuery{ModelIDs: []string{a.ID}, Limit: 9})
	if err != nil || len(theirs) > 0 {
		t.Errorf("another workspace sees %v, %v", theirs, err)
	}
	noError(t, "delete in another workspace", s.InTx(t.Context(), func(ctx context.Context) error { return s.DeleteReference(ctx, "other", a.ID, "one") }))

	// An edit keeps the references of what stays.
	noError(t, "edit", s.InTx(t.Context(), func(ctx context.Context) error {
		before, err := s.LockProvider(ctx, workspace, p.ID)
		noError(t, "lock", err)
		if before.Models[0].References != 2 {
			t.Errorf("locked, the model has %d references", before.Models[0].References)
		}
		p.Models[0].ModelID, p.Models[0].Version = "renamed", 2
		p.Models[0].References = 0 // edits do not write the number
		p.Models = append(p.Models[:1], p.Models[2])
		p.Version++
		return s.UpdateProvider(ctx, before, p)
	}))
	wantCounts(2, 0)
	want(registry.ReferenceQuery{ModelIDs: []string{ofB.ModelID}, Limit: 9})
	noError(t, "delete the provider", s.DeleteProvider(t.Context(), stored(t, s, p.ID), start))
	want(registry.ReferenceQuery{ModelIDs: []string{one.ModelID, ofB.ModelID}, Limit: 9})
	want(registry.ReferenceQuery{ModelIDs: []string{other.Models[0].ID}, Limit: 9}, newReference(other.Models[0], "one"))
}

// testReferenceChanges checks that a change knows how many references there were before it.
func testReferenceChanges(t *testing.T, s *store.Store) {
	ctx := t.Context()
	p := newProvider("p", "a", "b", "c")
	other := newProvider("other", "m")
	create(t, s, p, other)
	noError(t, "put", s.InTx(ctx, func(ctx context.Context) error {
		for _, r := range []registry.Reference{newReference(p.Models[0], "1"), newReference(p.Models[0], "2"), newReference(p.Models[1], "1"), newReference(other.Models[0], "1")} {
			noError(t, "put", s.PutReference(ctx, workspace, r))
		}
		return nil
	}))
	edit := func(change func(p *registry.Provider)) {
		t.Helper()
		noError(t, "edit", editStored(ctx, s, p.ID, change))
	}
	edit(func(p *registry.Provider) {
		p.Models[0].Enabled = false
		for i := range p.Models {
			p.Models[i].Version++
		}
	})
	noError(t, "record", s.RecordCall(ctx, call(p, registry.Call{Failure: &registry.ProviderError{Kind: "unreachable", Since: start}})))
	noError(t, "record", s.RecordCall(ctx, call(p, registry.Call{Success: true})))
	edit(func(p *registry.Provider) { p.Name = "renamed" })
	edit(func(p *registry.Provider) { p.Models = p.Models[1:] })
	edit(func(p *registry.Provider) { p.Enabled, p.Models = false, nil })
	noError(t, "delete", s.DeleteProvider(ctx, stored(t, s, p.ID), start))

	number(t, s)
	var got []string
	for _, c := range changesAfter(t, s, registry.ChangePosition{}) {
		if c.ProviderID == p.ID {
			got = append(got, fmt.Sprintln(c.Resource, c.Action, c.Status, c.References))
		}
	}
	want := []string{"provider created active 0\n", "model updated disabled 2\n", "model updated  1\n", "model updated  0\n",
		"provider status_changed error 3\n", "provider status_changed active 3\n", "provider updated active 3\n", "model deleted deleted 2\n",
		"provider status_changed inactive 1\n", "model deleted deleted 1\n", "provider deleted deleted 0\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}
