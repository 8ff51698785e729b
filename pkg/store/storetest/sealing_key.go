package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
)

// keysOf are the keys of a store, with an audit log.
func keysOf(s *store.Store) *registry.Keys {
	return registry.NewKeys(s, audit.NewLog(s, make([]byte, 32), time.Now))
}

// wantKeys checks the keys: `*` marks the sealing one, `-` one that was never promoted,
// and `x` a retired one.
func wantKeys(t *testing.T, what string, s *store.Store, want ...string) {
	t.Helper()
	keys, err := s.SealingKeys(t.Context())
	noError(t, "read the keys", err)
	var got []string
	for _, k := range keys {
		text := fmt.Sprint(k.ID)
		for mark, is := range map[string]bool{"*": k.Sealing, "-": k.PromotedAt.IsZero(), "x": !k.RetiredAt.IsZero()} {
			if is {
				text += mark
			}
		}
		if k.AddedAt.IsZero() || k.Needed() != !strings.ContainsAny(text, "-x") {
			t.Errorf("%s: key %+v, needed %t", what, k, k.Needed())
		}
		got = append(got, text)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s: the keys are %q, want %q", what, got, want)
	}
}

func testSealingKeys(t *testing.T, s *store.Store) {
	ctx, keys := t.Context(), keysOf(s)
	_, err := s.SealingKey(ctx)
	wantFault(t, "read the sealing key of a new database", err, fault.Internal)
	together(8, func(i int) {
		noError(t, "add the first keys", s.FirstSealingKeys(ctx, uint32(1+i%2), []uint32{1, 2}))
	})
	first, err := s.SealingKey(ctx)
	noError(t, "read the sealing key", err)
	noError(t, "add the first keys again", s.FirstSealingKeys(ctx, 3-first, []uint32{7}))
	if again, err := s.SealingKey(ctx); err != nil || again != first {
		t.Errorf("after the first key %d, %d seals, %v", first, again, err)
	}
	if first == 2 {
		noError(t, "promote", keys.Promote(ctx, 1, []uint32{1, 2}))
	}
	wantKeys(t, "at first", s, "1*", "2")

	const largest = 1<<32 - 1
	mine := []uint32{1, 2, 3, largest}
	noError(t, "add", s.AddSealingKey(ctx, largest))
	noError(t, "add again", s.AddSealingKey(ctx, largest))
	wantKeys(t, "added", s, "1*", "2", "4294967295-")
	noError(t, "promote", keys.Promote(ctx, largest, mine))
	wantKeys(t, "promoted", s, "1", "2", "4294967295*")
	noError(t, "promote again", keys.Promote(ctx, largest, mine))
	noError(t, "promote a key that was not added", keys.Promote(ctx, 3, mine))
	wantKeys(t, "promoted", s, "1", "2", "3*", "4294967295")
	noError(t, "add a promoted key", s.AddSealingKey(ctx, 1))
	wantKeys(t, "added a promoted key", s, "1", "2", "3*", "4294967295")

	wantFault(t, "promote a key that the operator lacks", keys.Promote(ctx, 9, mine), fault.Conflict)
	retire := func(id uint32) error {
		return s.InTx(ctx, func(ctx context.Context) error {
			if _, err := s.LockSealingKey(ctx); err != nil {
				return err
			}
			return s.RetireKey(ctx, id)
		})
	}
	noError(t, "retire", retire(1))
	wantFault(t, "retire the sealing key", retire(3), fault.Conflict)
	wantFault(t, "retire an unknown key", retire(9), fault.Conflict)
	wantFault(t, "promote a retired key", keys.Promote(ctx, 1, mine), fault.Conflict)
	wantKeys(t, "retired", s, "1x", "2", "3*", "4294967295")
	if _, err := s.LockSealingKey(ctx); err == nil {
		t.Error("LockSealingKey outside a transaction worked")
	}

	var promoted []string
	events, err := s.Events(ctx, workspace, audit.Query{Filter: audit.Filter{Action: audit.KeyPromote}})
	noError(t, "read the events", err)
	for _, e := range events {
		promoted = append(promoted, e.Target.ID)
		if e.Actor.Kind != "operator" || e.Target.Type != "key" || len(e.Changes) != 1 {
			t.Errorf("the event is %+v", e)
		}
	}
	if want := []string{"3", "4294967295"}; !slices.Equal(promoted[:2], want) {
		t.Errorf("the events are of the keys %v, want the last to be of %v", promoted, want)
	}
}

// testPromote checks which processes keep a key from being promoted.
func testPromote(t *testing.T, s *store.Store) {
	ctx, keys := t.Context(), keysOf(s)
	noError(t, "add the first key", s.FirstSealingKeys(ctx, 1, []uint32{1}))
	has, lacks := registry.Process{ID: newID(), Host: "one, pid 1", Keys: []uint32{1, 2}}, registry.Process{ID: newID(), Host: "two, pid 2", Keys: []uint32{1}}
	beat := func(p registry.Process, want uint32) {
		t.Helper()
		if _, sealing, err := s.Beat(ctx, p); err != nil || sealing != want {
			t.Errorf("a beat of %s says that the key %d seals, %v; want %d", p.Host, sealing, err, want)
		}
	}
	promote := func(what string, id uint32, refused ...registry.Process) {
		t.Helper()
		err := keys.Promote(ctx, id, []uint32{1, 2})
		if len(refused) == 0 {
			noError(t, what, err)
			return
		}
		wantFault(t, what, err, fault.Conflict)
		for _, p := range refused {
			if !strings.Contains(err.Error(), p.ID) || !strings.Contains(err.Error(), p.Host) {
				t.Errorf("%s: the error does not name the process %s: %v", what, p.ID, err)
			}
		}
		if len(refused) == 1 && strings.Contains(err.Error(), has.ID) {
			t.Errorf("%s: the error names a process that has the key: %v", what, err)
		}
	}
	beat(has, 1)
	beat(lacks, 1)
	promote("promote while one lacks the key", 2, lacks)
	silent := registry.Process{ID: newID(), Host: "three, pid 3"} // reports no keys
	beat(silent, 1)
	promote("promote while one reports no keys", 2, lacks, silent)
	noError(t, "leave", s.Leave(ctx, silent.ID))
	lacks.Keys = []uint32{1, 2}
	beat(lacks, 1)
	promote("promote", 2)
	beat(has, 2)
	lacks.Keys = []uint32{2}
	beat(lacks, 2)
	promote("promote the old key, which one has dropped", 1, lacks)
	noError(t, "leave", s.Leave(ctx, lacks.ID))
	promote("promote after it has left", 1)
}

// sealedWith is a provider with a credential that is sealed with a key.
func sealedWith(p registry.Provider, key uint32) registry.Provider {
	p.Credentials = map[string]registry.Credential{"api_key": {Sealed: fmt.Appendf(nil, "sealed with %d.", key), UpdatedAt: start, Key: key}}
	return p
}

// promote makes a key seal, whichever processes have it.
func promote(ctx context.Context, s *store.Store, id uint32) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		if _, err := s.LockSealingKey(ctx); err != nil {
			return err
		}
		return s.PromoteKey(ctx, id)
	})
}

// edit replaces the credential of a provider by one that is sealed with a key.
func edit(ctx context.Context, s *store.Store, id string, key uint32) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		before, err := s.LockProvider(ctx, workspace, id)
		if err != nil {
			return err
		}
		after := sealedWith(before, key)
		after.Version++
		return s.UpdateProvider(ctx, before, after)
	})
}

// testSealing checks that only values under the sealing key are stored.
func testSealing(t *testing.T, s *store.Store) {
	ctx := t.Context()
	noError(t, "add the first keys", s.FirstSealingKeys(ctx, 1, []uint32{1, 2}))
	changed := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, registry.ErrKeyChanged) || !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: got %v, want %v", what, err, registry.ErrKeyChanged)
		}
	}
	rows := func(want int) {
		t.Helper()
		count, err := s.CountProviders(ctx, workspace, registry.ProviderQuery{})
		noError(t, "count the providers", err)
		events, err := s.Events(ctx, workspace, audit.Query{})
		noError(t, "read the events", err)
		if count != want || len(events) != want {
			t.Errorf("there are %d providers and %d events, want %d of each", count, len(events), want)
		}
	}
	key := func(id, want string) {
		t.Helper()
		if got := string(stored(t, s, id).Credentials["api_key"].Sealed); got != want {
			t.Errorf("stored is %q, want %q", got, want)
		}
	}
	one, two := newProvider("one", "m", "n"), newProvider("two")
	changed("create with another key", add(ctx, s, sealedWith(one, 2)))
	changed("create with an unknown key", add(ctx, s, sealedWith(two, 3)))
	both := sealedWith(one, 1)
	both.Credentials["other"] = registry.Credential{Sealed: []byte("x"), UpdatedAt: start, Key: 2}
	changed("create with two keys", add(ctx, s, both))
	rows(0)
	noError(t, "create", add(ctx, s, sealedWith(one, 1)))
	noError(t, "create without models", add(ctx, s, sealedWith(two, 1)))
	rows(2)
	key(one.ID, "sealed with 1.")
	if models := stored(t, s, one.ID).Models; len(models) != 2 {
		t.Errorf("the provider has %d models, want 2", len(models))
	}
	noError(t, "promote", promote(ctx, s, 2))
	changed("edit with the old key", edit(ctx, s, one.ID, 1))
	key(one.ID, "sealed with 1.")
	noError(t, "edit with the new key", edit(ctx, s, one.ID, 2))
	key(one.ID, "sealed with 2.")
	noError(t, "edit nothing that is sealed", edit(ctx, s, one.ID, 0))

	// A refused create leaves the transaction usable, as a repeated one needs it.
	three := newProvider("three", "m")
	noError(t, "create again in the transaction", s.InTx(ctx, func(ctx context.Context) error {
		changed("create with the old key", add(ctx, s, sealedWith(three, 1)))
		return add(ctx, s, sealedWith(three, 2))
	}))
	rows(3)
	key(three.ID, "sealed with 2.")
}

// sealTogether checks that nothing is stored under a key after another was promoted, while
// many providers are created and edited by callers that learn of it late. Keys are
// promoted more than once. No caller waits forever.
func sealTogether(t *testing.T, stores ...*store.Store) {
	const writers, rounds = 6, 12
	s := stores[0]
	noError(t, "add the first keys", s.FirstSealingKeys(t.Context(), 1, []uint32{1, 2, 3}))
	noError(t, "promote the first key", promote(t.Context(), s, 1))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	pause := func() { time.Sleep(time.Duration(rand.IntN(3000)) * time.Microsecond) }
	var refused, written atomic.Int64
	var group sync.WaitGroup
	for i := range writers {
		group.Go(func() {
			s := stores[i%len(stores)]
			var mine string
			for n := 0; ctx.Err() == nil; n++ {
				key, err := s.SealingKey(ctx)
				if err != nil {
					break
				}
				pause() // the key may be another one afterwards
				p := newProvider(fmt.Sprintf("writer %d, %d", i, n), "m")
				switch n % 3 {
				case 0:
					if err = add(ctx, s, sealedWith(p, key)); err == nil {
						mine = p.ID
					}
				case 1:
					if mine != "" {
						err = edit(ctx, s, mine, key)
					}
				case 2:
					err = s.InTx(ctx, func(ctx context.Context) error {
						err := add(ctx, s, sealedWith(p, key))
						pause()
						return err
					})
				}
				switch {
				case err == nil:
					written.Add(1)
				case errors.Is(err, registry.ErrKeyChanged):
					refused.Add(1)
				case ctx.Err() == nil:
					t.Errorf("writer %d: %v", i, err)
					return
				}
			}
		})
	}
	sealedUnder := func(key uint32) (count int) {
		all, err := s.Providers(t.Context(), workspace, registry.ProviderQuery{Limit: 1 << 20, Summary: true})
		noError(t, "read the providers", err)
		for _, p := range all {
			if string(p.Credentials["api_key"].Sealed) == fmt.Sprintf("sealed with %d.", key) {
				count++
			}
		}
		return count
	}
	for round := range rounds {
		before, after := uint32(round%3+1), uint32((round+1)%3+1)
		time.Sleep(20 * time.Millisecond)
		noError(t, "promote while others write", promote(t.Context(), stores[round%len(stores)], after))
		at := sealedUnder(before)
		time.Sleep(20 * time.Millisecond)
		if later := sealedUnder(before); later > at {
			t.Errorf("round %d: after key %d was promoted, %d values were stored under key %d", round, after, later-at, before)
		}
	}
	stop()
	group.Wait()
	if written.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d writes succeeded and %d were refused, so nothing is shown", written.Load(), refused.Load())
	}
	t.Logf("%d writes succeeded, %d were refused", written.Load(), refused.Load())
}
