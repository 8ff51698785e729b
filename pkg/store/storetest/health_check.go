package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
)

// schedule schedules all providers at the same time, by name of the store's clock, and
// returns the time.
func schedule(t *testing.T, s *store.Store, want int, after time.Duration) time.Time {
	t.Helper()
	now, _, err := s.NextCheck(t.Context())
	noError(t, "the time", err)
	n, err := s.ScheduleChecks(t.Context(), 1000, func(string) time.Time { return now.Add(after) })
	noError(t, "schedule", err)
	if n != want {
		t.Fatalf("scheduled %d providers, want %d", n, want)
	}
	return now
}

// claim leases what is due at a time, and returns the ids of the providers.
func claim(t *testing.T, s *store.Store, c registry.CheckClaim) (claimed []registry.HealthCheck, ids []string) {
	t.Helper()
	if c.Lease == "" {
		c.Lease = newID()
	}
	if c.Limit == 0 {
		c.Limit = 100
	}
	claimed, err := s.ClaimChecks(t.Context(), c)
	noError(t, "claim", err)
	for _, one := range claimed {
		ids = append(ids, one.ProviderID)
	}
	slices.Sort(ids)
	return claimed, ids
}

func testHealthCheck(t *testing.T, s *store.Store) {
	now, due, err := s.NextCheck(t.Context())
	if err != nil || due != nil || time.Since(now).Abs() > time.Hour {
		t.Fatalf("with no provider: %v, %v, %v", now, due, err)
	}
	p, q := newProvider("p", "m"), newProvider("q", "m")
	q.Workspace = "another"
	create(t, s, p, q)
	now = schedule(t, s, 2, time.Minute)
	schedule(t, s, 0, 0)
	if _, due, err := s.NextCheck(t.Context()); err != nil || due == nil || !due.Equal(now.Add(time.Minute)) {
		t.Errorf("the next check is due %v, %v", due, err)
	}
	if _, ids := claim(t, s, registry.CheckClaim{Now: now.Add(time.Minute - 1), Until: now}); ids != nil {
		t.Errorf("claimed %v early", ids)
	}

	at, until := now.Add(time.Minute), now.Add(2*time.Minute)
	want := []string{p.ID, q.ID}
	slices.Sort(want)
	claimed, ids := claim(t, s, registry.CheckClaim{Now: at, Until: until})
	if !slices.Equal(ids, want) {
		t.Fatalf("claimed %v, want %v", ids, want)
	}
	if _, ids := claim(t, s, registry.CheckClaim{Now: until.Add(-1), Until: until}); ids != nil {
		t.Errorf("claimed %v again", ids)
	}
	c := claimed[slices.IndexFunc(claimed, func(c registry.HealthCheck) bool { return c.ProviderID == p.ID })]
	lost := c
	lost.Lease = newID()
	finish := func(c registry.HealthCheck, due time.Time, last *registry.LastCheck) bool {
		t.Helper()
		stood, err := s.FinishCheck(t.Context(), c, due, last)
		noError(t, "finish", err)
		return stood
	}
	ok := &registry.LastCheck{Success: true, By: registry.ByDiscovery, At: start}
	if finish(lost, until, ok) {
		t.Error("a lease stands that was not given")
	}
	wantStored(t, s, p)
	c.Connection, c.NeedsTest, c.Failures, c.FailedAt = 1, true, 2, start
	if !finish(c, until, ok) {
		t.Error("the lease does not stand")
	}
	p.LastCheck = ok
	wantStored(t, s, p)
	if finish(c, until, &registry.LastCheck{Kind: "timeout", By: registry.ByTest, At: start}) {
		t.Error("a check ends twice")
	}
	wantStored(t, s, p)

	again, _ := claim(t, s, registry.CheckClaim{Now: until, Until: until.Add(time.Minute)})
	kept := again[slices.IndexFunc(again, func(c registry.HealthCheck) bool { return c.ProviderID == p.ID })]
	c.Lease = kept.Lease
	if diff := cmp.Diff(c, kept); diff != "" {
		t.Errorf("what was found before (-want +got):\n%s", diff)
	}
	if len(again) != 2 { // the lease of the other has ended
		t.Errorf("claimed %v", again)
	}
	kept.Connection = 7
	p.LastCheck = &registry.LastCheck{Kind: "timeout", By: registry.ByTest, At: start}
	if finish(kept, until.Add(time.Hour), p.LastCheck) {
		t.Error("a result of another connection is stored")
	}
	p.LastCheck = ok
	wantStored(t, s, p)
	if _, ids := claim(t, s, registry.CheckClaim{Now: until.Add(time.Minute), Until: until}); slices.Contains(ids, p.ID) {
		t.Error("the lease did not end")
	}

	noError(t, "delete", s.DeleteProvider(t.Context(), p, start))
	if stood, err := s.FinishCheck(t.Context(), kept, until, ok); err != nil || stood {
		t.Errorf("the lease of a deleted provider: %v, %v", stood, err)
	}
	wantClaimedOnce(t, s)
}

// wantClaimedOnce has many claim at once.
func wantClaimedOnce(t *testing.T, s *store.Store) {
	t.Helper()
	const providers = 60
	for i := range providers {
		create(t, s, newProvider(fmt.Sprint("many ", i)))
	}
	now := schedule(t, s, providers, 0)
	var mu sync.Mutex
	times := map[string]int{}
	together(8, func(int) {
		for {
			claimed, err := s.ClaimChecks(t.Context(), registry.CheckClaim{Now: now.Add(time.Second), Lease: newID(), Until: now.Add(time.Hour), Limit: 4})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			for _, c := range claimed {
				times[c.ProviderID]++
			}
			mu.Unlock()
			if len(claimed) == 0 {
				return
			}
		}
	})
	for id, n := range times {
		if n != 1 {
			t.Errorf("%s was claimed %d times", id, n)
		}
	}
	if len(times) < providers {
		t.Errorf("only %d of %d were claimed", len(times), providers)
	}
}

// testCheckBudget: which checks may test a model.
func testCheckBudget(t *testing.T, s *store.Store) {
	p := newProvider("p", "m")
	p.Connection = 3
	create(t, s, p)
	now := schedule(t, s, 1, 0).UTC().Truncate(24 * time.Hour).Add(36 * time.Hour)
	round := func(what string, tests int, want bool, facts registry.HealthCheck) {
		t.Helper()
		claimed, ids := claim(t, s, registry.CheckClaim{Now: now, Until: now.Add(time.Minute), TestsPerDay: tests})
		if len(ids) != 1 || claimed[0].Testing != want {
			t.Fatalf("%s: claimed %+v", what, claimed)
		}
		facts.Workspace, facts.ProviderID, facts.Lease = workspace, p.ID, claimed[0].Lease
		if stood, err := s.FinishCheck(t.Context(), facts, now, nil); err != nil || !stood {
			t.Fatal(what, stood, err)
		}
	}
	edit := func(change func(p *registry.Provider)) {
		t.Helper()
		noError(t, "edit", editStored(t.Context(), s, p.ID, change))
	}
	needs := registry.HealthCheck{Connection: 3, NeedsTest: true}
	round("nothing is known", 2, false, needs)
	round("no tests", 0, false, needs)
	round("the first test", 2, true, registry.HealthCheck{Connection: 2, NeedsTest: true})
	round("another connection", 2, false, registry.HealthCheck{Connection: 3})
	round("a list is enough", 2, false, needs)
	edit(func(p *registry.Provider) { p.Enabled = false })
	round("switched off", 2, false, needs)
	edit(func(p *registry.Provider) { p.Enabled = true; p.Models[0].Enabled = false; p.Models[0].Version++ })
	round("no enabled model", 2, false, needs)
	edit(func(p *registry.Provider) { p.Models[0].Enabled = true; p.Models[0].Version++ })
	round("the second test", 2, true, needs)
	round("the budget is used up", 2, false, needs)
	now = now.Add(12*time.Hour - time.Millisecond)
	round("until the end of the day", 2, false, needs)
	now = now.Add(time.Millisecond)
	round("the next day", 2, true, needs)
	round("the next day again", 2, true, needs)
	round("no more", 2, false, needs)
}

// testLastCheck: calls of users that are checks store the last check with what else they
// say of the provider.
func testLastCheck(t *testing.T, s *store.Store) {
	p := newProvider("p", "m")
	p.Connection = 4
	create(t, s, p)
	record := func(connection int64, c registry.Call) {
		t.Helper()
		c = call(p, c)
		c.Connection = connection
		noError(t, "record", s.RecordCall(t.Context(), c))
		wantStored(t, s, p)
	}
	check := func(kind string, at time.Duration) *registry.LastCheck {
		return &registry.LastCheck{Success: kind == "", Kind: kind, By: registry.ByDiscovery, At: start.Add(at)}
	}
	p.LastCheck = check("", 0)
	record(4, registry.Call{Success: true, Check: p.LastCheck}) // nothing was wrong
	record(3, registry.Call{Success: true, Check: check("", time.Hour)})
	p.LastCheck = check("rate_limited", time.Minute)
	record(4, registry.Call{Check: p.LastCheck})
	record(5, registry.Call{Check: check("", time.Hour)})
	p.LastCheck, p.Error = check("unreachable", time.Hour), &registry.ProviderError{Kind: "unreachable", Message: "down", Since: start}
	record(4, registry.Call{Failure: p.Error, Check: p.LastCheck})
	record(3, registry.Call{Failure: &registry.ProviderError{Kind: "blocked", Since: start}, Check: check("blocked", 0)})
	list, err := s.Providers(t.Context(), workspace, registry.ProviderQuery{Summary: true})
	noError(t, "list", err)
	if len(list) != 1 || !cmp.Equal(list[0].LastCheck, p.LastCheck) {
		t.Errorf("a summary has the last check %+v", list[0].LastCheck)
	}
	p.LastCheck, p.Error = check("", 2*time.Hour), nil
	record(4, registry.Call{Success: true, Check: p.LastCheck})
	noted := changesOf(t, s)
	if want := []string{"created", "status_changed", "status_changed"}; !slices.Equal(noted, want) {
		t.Errorf("noted the changes %v, want %v", noted, want)
	}
}

// changesOf returns the actions of all changes.
func changesOf(t *testing.T, s *store.Store) (actions []string) {
	t.Helper()
	_, err := s.NumberChanges(t.Context(), workspace)
	noError(t, "number the changes", err)
	changes, err := s.ChangesAfter(t.Context(), workspace, registry.ChangePosition{}, 100)
	noError(t, "read the changes", err)
	for _, c := range changes {
		actions = append(actions, string(c.Action))
	}
	return actions
}
