package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
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
	wantFault(t, "read the sealing key of a new database", err, fault.NotFound)
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
	old := registry.Process{ID: newID()}
	beat(old, 1)
	promote("promote while one is an earlier version", 2, lacks, old)
	noError(t, "leave", s.Leave(ctx, old.ID))
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
