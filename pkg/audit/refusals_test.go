package audit_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
)

// gathered describes the events of refusals, ordered.
func gathered(t *testing.T, w *world) []string {
	t.Helper()
	var all []string
	for _, e := range w.events(t, "default") {
		want := audit.Event{Action: audit.AccessDenied, Outcome: audit.Denied}
		if diff := cmp.Diff(want, audit.Event{Action: e.Action, Outcome: e.Outcome, Actor: e.Actor}); diff != "" {
			t.Errorf("action, outcome and actor (-want +got):\n%s", diff)
		}
		all = append(all, fmt.Sprintf("%s %s %d", e.ClientIP, e.Reason, e.Count))
	}
	slices.Sort(all)
	return all
}

func TestRefusalsAreGatheredForAMinute(t *testing.T) {
	databases(t, func(t *testing.T, w, _ *world) {
		r := audit.NewRefusals(w.Log, "default")
		flush := func(want ...string) {
			t.Helper()
			if err := r.Flush(t.Context(), time.Minute); err != nil {
				t.Fatal(err)
			}
			if got := gathered(t, w); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		for range 1000 {
			refuse(t, r, audit.Source{ClientIP: "192.0.2.1"}, "", "unauthenticated")
		}
		w.clock.advance(30 * time.Second)
		refuse(t, r, audit.Source{ClientIP: "192.0.2.1"}, "", "unauthenticated")
		refuse(t, r, audit.Source{ClientIP: "192.0.2.1"}, "", "rate_limited")
		refuse(t, r, audit.Source{ClientIP: "192.0.2.2"}, "", "unauthenticated")
		flush()
		w.clock.advance(30 * time.Second)
		flush("192.0.2.1 unauthenticated 1001")
		refuse(t, r, audit.Source{ClientIP: "192.0.2.1"}, "", "unauthenticated")
		w.clock.advance(30 * time.Second)
		flush("192.0.2.1 rate_limited 1", "192.0.2.1 unauthenticated 1001", "192.0.2.2 unauthenticated 1")
		w.clock.advance(30 * time.Second)
		flush("192.0.2.1 rate_limited 1", "192.0.2.1 unauthenticated 1", "192.0.2.1 unauthenticated 1001", "192.0.2.2 unauthenticated 1")
	})
}

func refuse(t *testing.T, r *audit.Refusals, who audit.Source, route, reason string) {
	t.Helper()
	if err := r.Add(audit.WithSource(t.Context(), who), route, reason); err != nil {
		t.Fatal(err)
	}
}

// TestRefusalsOfAKnownCallerAreBounded: the first of a principal, an action and a
// minute is recorded at once, the others with it.
func TestRefusalsOfAKnownCallerAreBounded(t *testing.T) {
	databases(t, func(t *testing.T, w, _ *world) {
		r := audit.NewRefusals(w.Log, "default")
		recorded := func(want ...string) {
			t.Helper()
			if err := r.Flush(t.Context(), time.Minute); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range w.events(t, "acme") {
				got = append(got, fmt.Sprintf("%s %s %s %q %d", e.Actor.Subject, e.Target.ID, e.Reason, e.RequestID, e.Count))
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		as := func(subject, request string) audit.Source {
			return audit.Source{Workspace: "acme", Actor: audit.Actor{Subject: subject, Kind: "oidc"}, RequestID: request, ClientIP: "192.0.2.1"}
		}
		for i := range 1000 {
			refuse(t, r, as("ann", fmt.Sprint("req", i)), "POST /providers", "forbidden")
			refuse(t, r, as("ann", fmt.Sprint("req", i)), "GET /tokens", "forbidden")
		}
		refuse(t, r, as("bob", "b"), "POST /providers", "forbidden")
		first := []string{`ann POST /providers forbidden "req0" 1`, `ann GET /tokens forbidden "req0" 1`, `bob POST /providers forbidden "b" 1`}
		recorded(first...)
		w.clock.advance(time.Minute)
		first = append(first, `ann POST /providers forbidden "" 999`, `ann GET /tokens forbidden "" 999`)
		recorded(first...)
		refuse(t, r, as("ann", "again"), "GET /tokens", "forbidden")
		recorded(append(first, `ann GET /tokens forbidden "again" 1`)...)
	})
}

// TestAFloodFromManyAddressesIsBounded checks that addresses beyond a bound are
// counted together.
func TestAFloodFromManyAddressesIsBounded(t *testing.T) {
	s := &counting{}
	r := audit.NewRefusals(audit.NewLog(s, key, time.Now), "default")
	for i := range 30_000 {
		refuse(t, r, audit.Source{ClientIP: fmt.Sprint("2001:db8::", i)}, "", "unauthenticated")
	}
	if err := r.Flush(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if s.events != 10_001 || s.refusals != 30_000 {
		t.Errorf("%d events stand for %d refusals, want 10001 for 30000", s.events, s.refusals)
	}
}

// TestAFloodHidesNoKnownCaller: strangers from many addresses do not keep a known
// caller's refusal from being recorded.
func TestAFloodHidesNoKnownCaller(t *testing.T) {
	s := &counting{}
	r := audit.NewRefusals(audit.NewLog(s, key, time.Now), "default")
	for i := range 20_000 {
		refuse(t, r, audit.Source{ClientIP: fmt.Sprint("2001:db8::", i)}, "", "unauthenticated")
	}
	refuse(t, r, audit.Source{Workspace: "acme", Actor: audit.Actor{Subject: "mallory", Kind: "token"}}, "POST /reveal", "forbidden")
	if s.events != 1 {
		t.Errorf("%d events were recorded at once", s.events)
	}
}

// TestRefusalsThatCanNotBeRecordedAreKept has the database away for a while.
func TestRefusalsThatCanNotBeRecordedAreKept(t *testing.T) {
	s := &counting{away: true}
	r := audit.NewRefusals(audit.NewLog(s, key, time.Now), "default")
	for range 3 {
		refuse(t, r, audit.Source{ClientIP: "192.0.2.1"}, "", "unauthenticated")
	}
	if err := r.Flush(t.Context(), 0); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
	s.away = false
	if err := r.Flush(t.Context(), 0); err != nil {
		t.Error(err)
	}
	if s.events != 1 || s.refusals != 3 {
		t.Errorf("%d events stand for %d refusals, want 1 for 3", s.events, s.refusals)
	}
}

// counting is a store that counts events, or is away.
type counting struct {
	audit.Store
	away             bool
	events, refusals int
}

// AppendEvents counts events.
func (s *counting) AppendEvents(_ context.Context, events ...audit.Event) error {
	if s.away {
		return fault.New(fault.Unavailable, "The database is away.")
	}
	for _, e := range events {
		s.events++
		s.refusals += e.Count
	}
	return nil
}
