package registry_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/registry"
)

// observed gathers what a registry tells its observer.
type observed struct {
	mu       sync.Mutex
	calls    []registry.UpstreamCall
	statuses []registry.Status
	checks   []string
}

func (o *observed) UpstreamCalled(c registry.UpstreamCall) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls = append(o.calls, c)
}

func (o *observed) StatusChanged(to registry.Status) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.statuses = append(o.statuses, to)
}

func (o *observed) HealthChecked(by registry.CheckMethod, outcome registry.CheckOutcome) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.checks = append(o.checks, string(by)+" "+string(outcome))
}

func (o *observed) want(t *testing.T, when string, statuses ...registry.Status) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Equal(o.statuses, statuses) {
		t.Errorf("%s the status changes are %v, not %v", when, o.statuses, statuses)
	}
}

func newObserved(t *testing.T) (*kit, *observed) {
	o := &observed{}
	return newKit(t, func(c *registry.Config) { c.Observer = o }), o
}

func TestStatusChangesAreObserved(t *testing.T) {
	k, o := newObserved(t)
	p := k.withModels(t, 20)
	k.test(t, p)
	o.want(t, "after a success of a new provider")
	k.upstream.Use(providertest.RateLimited)
	k.test(t, p)
	o.want(t, "after a failure that is not the provider's")
	k.upstream.Use(providertest.Authentication)
	if _, _, err := k.testModels(t.Context(), p, nil); err != nil {
		t.Fatal(err)
	}
	k.test(t, p)
	o.want(t, "after many failures", registry.Error)
	k.upstream.Use(providertest.Success)
	var running sync.WaitGroup
	for range 8 {
		running.Go(func() { k.test(t, p) })
	}
	running.Wait()
	o.want(t, "after many successes", registry.Error, registry.Active)
	k.update(t, p.ID, registry.ProviderEdit{Status: pointer("inactive")})
	k.update(t, p.ID, registry.ProviderEdit{Name: pointer("renamed")})
	k.upstream.Use(providertest.Authentication)
	k.test(t, p)
	o.want(t, "after it was switched off", registry.Error, registry.Active, registry.Inactive)
	k.update(t, p.ID, registry.ProviderEdit{Status: pointer("active")})
	o.want(t, "after it was switched on with an error", registry.Error, registry.Active, registry.Inactive, registry.Error)
	k.update(t, p.ID, newKey(t, "sk-another-key"))
	o.want(t, "after its key was replaced", registry.Error, registry.Active, registry.Inactive, registry.Error, registry.Active)
}

// The result of a call that began before the connection changed is dropped, and
// changes no status.
func TestDroppedResultsAreNoStatusChanges(t *testing.T) {
	k, o := newObserved(t)
	p := k.create(t, "one")
	k.upstream.Use(providertest.Authentication)
	g := k.holdUp()
	var running sync.WaitGroup
	running.Go(func() { k.test(t, p) })
	<-g.arrived
	k.update(t, p.ID, newKey(t, "sk-another-key"))
	close(g.open)
	running.Wait()
	o.want(t, "after a dropped result")
}

func TestCallsAreObserved(t *testing.T) {
	k, o := newObserved(t)
	p := k.create(t, "one")
	k.test(t, p)
	k.upstream.Use(providertest.Authentication)
	_, _ = k.AvailableModels(t.Context(), workspace, registry.Draft{ProviderID: p.ID}, "")
	if _, err := k.Check(t.Context(), workspace, registry.Draft{ProviderID: p.ID}); err != nil {
		t.Fatal(err)
	}
	g := k.holdUp()
	ctx, goAway := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		_, _ = k.TestModel(ctx, workspace, p.Models[0].ID, registry.Draft{Prompt: provider.Prompt{Text: "Hello"}}, nil)
	})
	<-g.arrived
	goAway()
	running.Wait()
	want := []struct {
		operation registry.Operation
		kind      provider.FailureKind
		abandoned bool
	}{
		{registry.OperationTest, "", false}, {registry.OperationDiscovery, provider.Authentication, false},
		{registry.OperationCheck, provider.Authentication, false}, {registry.OperationTest, provider.Authentication, true},
	}
	if len(o.calls) != len(want) {
		t.Fatalf("observed %+v", o.calls)
	}
	for i, w := range want {
		c := o.calls[i]
		kind := provider.FailureKind("")
		if c.Failure != nil {
			kind = c.Failure.Kind
		}
		if c.Type != k.upstream.Type || c.Operation != w.operation || kind != w.kind || c.Abandoned != w.abandoned || c.Duration <= 0 || c.Duration > time.Minute {
			t.Errorf("call %d is observed as %+v (%s), want %+v", i, c, kind, w)
		}
	}
}

func TestClientsAreCounted(t *testing.T) {
	k := newKit(t)
	k.KeepClients(1)
	first, second := k.create(t, "one"), k.create(t, "two")
	for _, p := range []registry.Provider{first, first, second, first} {
		k.test(t, p)
	}
	if got, want := k.ClientStats(), (registry.ClientStats{Kept: 1, Hits: 1, Misses: 3, Evictions: 2}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}
