package audit_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/audit/chain"
	"modelproviders/pkg/fault"
)

const day = 24 * time.Hour

func TestRetentionKeepsTheChainVerifiable(t *testing.T) {
	databases(t, func(t *testing.T, w, _ *world) {
		drop := func(at time.Time, want int64) {
			t.Helper()
			if err := w.Drop(t.Context(), at); err != nil {
				t.Fatal("drop:", err)
			}
			w.wantWhole(t, "acme", want)
			if events := w.events(t, "acme"); int64(len(events)) != want {
				t.Errorf("%d events are left, want %d", len(events), want)
			}
		}
		w.record(t, "acme", 600)
		w.link(t)
		w.clock.advance(day)
		w.record(t, "acme", 20)
		w.record(t, "other", 1)
		w.link(t)
		w.clock.advance(day)
		w.record(t, "acme", 5)
		w.link(t)

		drop(start, 625)
		drop(start.Add(day-10*time.Hour-1), 625) // the day is not over
		drop(start.Add(day), 25)                 // more than a batch
		drop(start.Add(day), 25)
		drop(start.Add(2*day).Add(13*time.Hour), 5) // in the midst of a day
		w.wantWhole(t, "other", 0)

		w.record(t, "acme", 2)
		w.link(t)
		w.wantWhole(t, "acme", 7)
		drop(start.Add(10*day), 0)
		w.record(t, "acme", 3)
		w.link(t)
		w.wantWhole(t, "acme", 3)

		w.tamper(t, "UPDATE audit_heads SET first_number = first_number + 1 WHERE workspace = 'acme'")
		if err := w.Drop(t.Context(), start.Add(20*day)); !fault.Is(err, fault.Internal) {
			t.Errorf("a changed head: got %v", err)
		}
	})
}

// TestRetentionDropsNoEvidence checks that an event that was made to look old,
// or one in a broken chain, is not dropped, and what is not linked neither.
func TestRetentionDropsNoEvidence(t *testing.T) {
	databases(t, func(t *testing.T, w, _ *world) {
		w.record(t, "aged", 3)
		w.record(t, "broken", 3)
		w.link(t)
		w.record(t, "waiting", 3)
		third := w.events(t, "broken")[0].ID
		w.tamper(t, "UPDATE audit_events SET at = "+w.time(time.Unix(0, 0).UTC())+" WHERE workspace = 'aged'", "UPDATE audit_events SET reason = 'x' WHERE id = "+quoted(third))

		err := w.Drop(t.Context(), start)
		if err == nil || !strings.Contains(err.Error(), `workspace "aged", link 1`) {
			t.Errorf("events that were made to look old: got %v", err)
		}
		err = w.Drop(t.Context(), start.Add(10*day))
		if err == nil || !strings.Contains(err.Error(), `workspace "broken", link 3, event `+third) {
			t.Errorf("an event that was changed: got %v", err)
		}
		for _, workspace := range []string{"aged", "broken", "waiting"} {
			if events := w.events(t, workspace); len(events) != 3 {
				t.Errorf("%d events of workspace %q are left", len(events), workspace)
			}
		}
	})
}

// TestEverythingAtOnce records, links, drops and verifies at once: nothing is
// taken for a break that is none.
func TestEverythingAtOnce(t *testing.T) {
	databases(t, func(t *testing.T, one, two *world) {
		stop := make(chan struct{})
		var group sync.WaitGroup
		until := func(what string, call func() error) {
			group.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						if err := call(); err != nil {
							t.Errorf("%s: %v", what, err)
							return
						}
					}
				}
			})
		}
		until("link", func() error { return one.Link(t.Context()) })
		until("link", func() error { return two.Link(t.Context()) })
		until("drop", func() error { return one.Drop(t.Context(), one.clock.Now().Add(-2*day)) })
		until("verify", func() error {
			reports, err := two.Verify(t.Context())
			for _, report := range reports {
				// The clock of the test is not that of the linkers.
				if b := report.Break; b != nil && !strings.Contains(b.Reason, "not linked within a second") {
					t.Error(b)
				}
			}
			return err
		})
		for range 20 {
			one.clock.advance(day / 2)
			if err := one.Record(t.Context(), audit.Event{Workspace: "acme"}); err != nil {
				t.Error(err)
			}
			one.record(t, "acme", 20)
		}
		close(stop)
		group.Wait()
		one.link(t)
		if err := one.Drop(t.Context(), one.clock.Now()); err != nil {
			t.Error(err)
		}
		if r := one.verified(t, "acme"); r.Break != nil || r.Links < 20 || r.Links > 42 {
			t.Errorf("at the end: %d links, %v", r.Links, r.Break)
		}
	})
}

// interrupted is a store on which something happens before links are read for
// the first time.
type interrupted struct {
	audit.Store
	once   sync.Once
	before func()
}

// Linked returns linked events, as they are then.
func (s *interrupted) Linked(ctx context.Context, workspace string, from int64, limit int) ([]chain.Entry, error) {
	s.once.Do(s.before)
	return s.Store.Linked(ctx, workspace, from, limit)
}

// TestVerifyingWhileOldEventsAreDropped has them dropped after the head was
// read: the links that are gone are no break.
func TestVerifyingWhileOldEventsAreDropped(t *testing.T) {
	databases(t, func(t *testing.T, w, other *world) {
		w.record(t, "acme", 4)
		w.clock.advance(day)
		w.record(t, "acme", 3)
		w.link(t)
		w.Log = audit.NewLog(&interrupted{Store: w.store, before: func() {
			if err := other.Drop(t.Context(), start.Add(day)); err != nil {
				t.Error(err)
			}
		}}, key, w.clock.Now)
		w.wantWhole(t, "acme", 3)
	})
}
