package storetest

import (
	"testing"

	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
)

func testProcesses(t *testing.T, s *store.Store) {
	beat := func(what, id string, want int) {
		t.Helper()
		if alive, _, err := s.Beat(t.Context(), registry.Process{ID: id}); err != nil || alive != want {
			t.Errorf("%s: %d are alive, %v; want %d", what, alive, err, want)
		}
	}
	one, two := newID(), newID()
	beat("the first", one, 1)
	beat("the second", two, 2)
	beat("the first again", one, 2)
	noError(t, "leave", s.Leave(t.Context(), two))
	beat("after the second has left", one, 1)
	noError(t, "leave again", s.Leave(t.Context(), two))
	beat("the second is back", two, 2)
}

// beatTogether has processes beat at once.
func beatTogether(t *testing.T, stores ...*store.Store) {
	const processes = 8
	ids := make([]string, processes)
	for i := range ids {
		ids[i] = newID()
	}
	beat := func(want func(alive int) bool) {
		together(processes, func(i int) {
			alive, _, err := stores[i%len(stores)].Beat(t.Context(), registry.Process{ID: ids[i]})
			if err != nil || !want(alive) {
				t.Errorf("%d of %d are alive, %v", alive, processes, err)
			}
		})
	}
	beat(func(alive int) bool { return alive >= 1 && alive <= processes })
	beat(func(alive int) bool { return alive == processes })
}
