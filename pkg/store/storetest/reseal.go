package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
)

func testReseal(t *testing.T, s *store.Store) {
	ctx := t.Context()
	noError(t, "add the first key", s.FirstSealingKeys(ctx, 7, []uint32{7}))
	one := hashed(newProvider("one", "a"), map[string]string{"id": "x", "headers.x-a&b": "y"})
	two, theirs := newProvider("two"), newProvider("theirs")
	theirs.Workspace = "other"
	create(t, s, one, two, theirs)
	_, err := s.Claim(ctx, "keyset", []byte("old"))
	noError(t, "claim", err)

	page := func(workspace, after string, limit int, want ...string) (found []registry.SealedProvider) {
		t.Helper()
		found, err := s.SealedProviders(ctx, workspace, after, limit)
		noError(t, "read a page", err)
		var providers []registry.Provider
		for _, p := range found {
			providers = append(providers, p.Provider)
		}
		wantNames(t, "a page", providers, want...)
		return found
	}
	// resealed returns the row of a provider with new values.
	resealed := func(p registry.SealedProvider) registry.Resealed {
		after := p.Provider
		after.Credentials = map[string]registry.Credential{}
		for field, c := range p.Credentials {
			c.Sealed = append([]byte("new "), c.Sealed...)
			after.Credentials[field] = c
		}
		return registry.Resealed{Before: p, After: after, Values: len(after.Credentials)}
	}
	reseal := func(what string, want int, rows ...registry.Resealed) {
		t.Helper()
		if written, err := s.Reseal(ctx, 7, rows...); err != nil || written != want {
			t.Errorf("%s: %d values were written, %v; want %d", what, written, err, want)
		}
	}

	none := uuid.Nil.String()
	both := page(workspace, none, 10, "one", "two")
	page(workspace, none, 1, "one")
	page(workspace, one.ID, 10, "two")
	page(workspace, two.ID, 10)
	other := page("other", none, 10, "theirs")

	before := stored(t, s, one.ID)
	claim := registry.Resealed{Claim: "keyset", Old: []byte("old"), New: []byte("new"), Values: 1}
	reseal("rows of all kinds and workspaces", 4, resealed(both[0]), resealed(other[0]), claim)
	after := stored(t, s, one.ID)
	for field, c := range before.Credentials {
		c.Sealed = append([]byte("new "), c.Sealed...)
		before.Credentials[field] = c
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("more than the values changed (-want +got):\n%s", diff)
	}
	if held, err := s.Claimed(ctx, "keyset"); err != nil || string(held) != "new" {
		t.Errorf("the claim is %q, %v", held, err)
	}
	wantFound := func(value string, want int) {
		t.Helper()
		n := 0
		noError(t, "look up", s.ProvidersByHash(ctx, workspace, hashOf(value), func(p registry.Provider) error {
			for _, c := range p.Credentials {
				if string(c.Hash) == string(hashOf(value)) {
					n++
				}
			}
			return nil
		}))
		if n != want {
			t.Errorf("%d credentials have the hash of %q, want %d", n, value, want)
		}
	}
	wantFound("x", 1)

	reseal("what was resealed meanwhile", 0, resealed(both[0]), resealed(other[0]), claim)
	stale := resealed(both[1])
	noError(t, "edit", s.InTx(ctx, func(ctx context.Context) error {
		p, err := s.LockProvider(ctx, workspace, two.ID)
		if err != nil {
			return err
		}
		edited := p
		edited.Credentials = map[string]registry.Credential{"api_key": {Sealed: []byte("edited"), UpdatedAt: start.Add(time.Hour)}}
		edited.Version++
		return s.UpdateProvider(ctx, p, edited)
	}))
	reseal("what was edited meanwhile", 0, stale)
	if got := stored(t, s, two.ID); string(got.Credentials["api_key"].Sealed) != "edited" {
		t.Errorf("the edit was overwritten: %s", got.Credentials["api_key"].Sealed)
	}

	_, err = s.Reseal(ctx, 8, resealed(page(workspace, one.ID, 1, "two")[0]))
	wantFault(t, "reseal with a key that is not the sealing key", err, fault.Conflict)
	if got := stored(t, s, two.ID); string(got.Credentials["api_key"].Sealed) != "edited" {
		t.Error("something was written with another key")
	}
	resealTogether(t, s)
}

// resealTogether reseals the same rows several times at once: each is written once.
func resealTogether(t *testing.T, s *store.Store) {
	var rows []registry.Resealed
	for i := range 20 {
		p := newProvider(fmt.Sprint("together ", i))
		p.Workspace = "together"
		create(t, s, p)
	}
	found, err := s.SealedProviders(t.Context(), "together", uuid.Nil.String(), 20)
	noError(t, "read a page", err)
	for _, p := range found {
		after := p.Provider
		after.Credentials = map[string]registry.Credential{"api_key": {Sealed: []byte("new"), UpdatedAt: start}}
		rows = append(rows, registry.Resealed{Before: p, After: after, Values: 1})
	}
	written := make([]int, 4)
	together(len(written), func(i int) {
		n, err := s.Reseal(t.Context(), 7, rows...)
		noError(t, "reseal at once", err)
		written[i] = n
	})
	if sum := written[0] + written[1] + written[2] + written[3]; sum != len(rows) {
		t.Errorf("%d rows were written %v times", len(rows), written)
	}
}
