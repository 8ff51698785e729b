package storetest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
)

// testWebhooks checks which changes a receiver of webhooks is told of, and that one process
// at a time has each of them.
func testWebhooks(t *testing.T, s *store.Store) {
	const ended = -time.Second // the databases round times
	ctx := t.Context()
	lease := func(d time.Duration) *registry.Webhook {
		t.Helper()
		w, found, err := s.LeaseWebhook(ctx, d)
		noError(t, "lease", err)
		if !found {
			return nil
		}
		return &w
	}
	nothingDue := func(when string) {
		t.Helper()
		if w := lease(ended); w != nil {
			t.Fatalf("%s, this is due: %+v", when, w)
		}
	}
	waiting := func(want int) {
		t.Helper()
		if n, err := s.CountWaitingWebhooks(ctx, 10); err != nil || n != want {
			t.Errorf("%d webhooks wait, %v; want %d", n, err, want)
		}
	}
	p := newProvider("p", "m")
	create(t, s, p)
	noError(t, "rename", editStored(ctx, s, p.ID, func(p *registry.Provider) { p.Name, p.UpdatedAt = "renamed", start }))
	number(t, s)
	nothingDue("after a provider was created and renamed")

	noError(t, "switch off", editStored(ctx, s, p.ID, func(p *registry.Provider) { p.Enabled, p.UpdatedAt = false, start }))
	number(t, s)
	got := lease(time.Hour)
	all := changesAfter(t, s, registry.ChangePosition{})
	if got == nil || got.Attempts != 1 {
		t.Fatalf("leased %+v", got)
	}
	if diff := cmp.Diff(all[len(all)-1], got.Change); diff != "" {
		t.Errorf("leased (-want +got):\n%s", diff)
	}
	nothingDue("while it is leased")
	waiting(0)

	noError(t, "delay", s.DelayWebhook(ctx, *got, ended))
	second := lease(time.Hour)
	if second == nil || second.ID != got.ID || second.Attempts != 2 {
		t.Fatalf("leased %+v, then %+v", got, second)
	}
	waiting(1)
	noError(t, "delay without the lease", s.DelayWebhook(ctx, *got, ended))
	nothingDue("after a process without the lease delayed it")
	noError(t, "delay", s.DelayWebhook(ctx, *second, time.Hour))
	nothingDue("during the pause")
	noError(t, "deliver", s.WebhookDelivered(ctx, *got))
	noError(t, "delay what was delivered", s.DelayWebhook(ctx, *second, ended))
	nothingDue("after it was delivered")
	waiting(0)

	failing := call(p, registry.Call{Failure: &registry.ProviderError{Kind: "authentication", Since: start}})
	noError(t, "switch on", editStored(ctx, s, p.ID, func(p *registry.Provider) { p.Enabled, p.UpdatedAt = true, start }))
	failing.Event.At = start.Add(time.Second)
	noError(t, "record a call", s.RecordCall(ctx, failing))
	number(t, s)
	on, failed := lease(ended), lease(time.Hour) // the one that has been due for longer comes first
	if on == nil || on.Status != "active" || failed == nil || failed.Status != "error" || failed.Kind != "authentication" {
		t.Fatalf("leased %+v and %+v", on, failed)
	}
	if again := lease(time.Hour); again == nil || again.ID != on.ID || again.Attempts != 2 {
		t.Fatalf("after its lease has ended, leased %+v", again)
	}
	noError(t, "delay", s.DelayWebhook(ctx, *failed, ended))
	if n, err := s.DropWebhooks(ctx, start.Add(time.Second)); err != nil || n != 1 {
		t.Errorf("dropped %d, %v", n, err)
	}
	if w := lease(time.Hour); w == nil || w.ID != failed.ID {
		t.Errorf("a later one was dropped, too; leased %+v", w)
	}
}

// testWebhookLeases: of many processes, one gets each change.
func testWebhookLeases(t *testing.T, s *store.Store) {
	const changes, processes = 40, 4
	p := newProvider("p")
	create(t, s, p)
	for i := range changes {
		noError(t, "edit", editStored(t.Context(), s, p.ID, func(p *registry.Provider) { p.Enabled, p.UpdatedAt = i%2 == 1, start }))
	}
	number(t, s)
	var mu sync.Mutex
	var leased []string
	var running sync.WaitGroup
	for range processes {
		running.Go(func() {
			for {
				w, found, err := s.LeaseWebhook(t.Context(), time.Hour)
				if err != nil {
					t.Error("lease:", err)
				}
				if !found {
					return
				}
				mu.Lock()
				leased = append(leased, w.ID)
				mu.Unlock()
			}
		})
	}
	running.Wait()
	slices.Sort(leased)
	if n := len(leased); n != changes || len(slices.Compact(leased)) != changes {
		t.Errorf("%d changes were leased %d times", changes, n)
	}
}
