package storetest

import (
	"context"
	"testing"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
)

func testLastTest(t *testing.T, s *store.Store) {
	p := newProvider("p", "a", "b")
	p.Connection = 4
	create(t, s, p)
	m := &p.Models[0]
	record := func(connection int64, id, modelID string, last registry.LastTest) {
		t.Helper()
		c := call(p, registry.Call{Test: &last, ModelID: id, UpstreamModelID: modelID})
		c.Connection = connection
		noError(t, "record", s.RecordCall(t.Context(), c))
	}

	m.LastTest = &registry.LastTest{Kind: "timeout", Latency: time.Second, At: start}
	record(4, m.ID, "a", *m.LastTest)
	wantStored(t, s, p)

	m.LastTest = &registry.LastTest{Success: true, Latency: 5 * time.Millisecond, At: start.Add(time.Hour)}
	record(4, m.ID, "a", *m.LastTest)
	wantStored(t, s, p)

	record(4, m.ID, "b", registry.LastTest{At: start}) // edited meanwhile
	record(4, newID(), "a", registry.LastTest{At: start})
	record(3, m.ID, "a", registry.LastTest{At: start}) // began before credentials or config changed
	wantStored(t, s, p)

	reconnect := func(connection int64) {
		t.Helper()
		noError(t, "reconnect", s.InTx(t.Context(), func(ctx context.Context) error {
			before, err := s.LockProvider(ctx, workspace, p.ID)
			after := before
			after.Connection = connection
			if err == nil {
				err = s.UpdateProvider(ctx, before, after)
			}
			return err
		}))
		p.Connection = connection
	}
	old := *m.LastTest
	m.LastTest, m.StageChecks, p.Models[1].StageChecks = nil, nil, nil
	reconnect(5)
	wantStored(t, s, p)       // a test of the old connection is none of the new one
	record(4, m.ID, "a", old) // and comes too late
	wantStored(t, s, p)
	m.LastTest = &registry.LastTest{Success: true, Latency: time.Second, At: start}
	record(5, m.ID, "a", *m.LastTest)
	record(4, m.ID, "a", old) // even later
	wantStored(t, s, p)
}

func testHealth(t *testing.T, s *store.Store) {
	p := newProvider("p", "m")
	p.Connection = 4
	create(t, s, p)
	record := func(connection int64, c registry.Call) {
		t.Helper()
		c = call(p, c)
		c.Connection = connection
		noError(t, "record", s.RecordCall(t.Context(), c))
		events, err := s.Events(t.Context(), workspace, audit.Query{Filter: audit.Filter{ProviderID: c.ProviderID}})
		noError(t, "events", err)
		found := false
		for _, e := range events {
			found = found || e.ID == c.Event.ID
		}
		if !found {
			t.Error("the event of the call is missing")
		}
		wantStored(t, s, p)
		m, err := s.Model(t.Context(), workspace, p.Models[0].ID)
		noError(t, "read the model", err)
		if m.Provider.Status != p.Status() {
			t.Errorf("the model says its provider is %s, it is %s", m.Provider.Status, p.Status())
		}
		for _, status := range []registry.Status{registry.Active, registry.Inactive, registry.Error} {
			list, err := s.Providers(t.Context(), workspace, registry.ProviderQuery{Status: status})
			noError(t, "list", err)
			if (len(list) == 1) != (p.Status() == status) {
				t.Errorf("the list of status %s has %d providers, ours is %s", status, len(list), p.Status())
			}
		}
	}
	success := registry.Call{Success: true}
	failed := func(e *registry.ProviderError) registry.Call { return registry.Call{Failure: e} }
	failure := &registry.ProviderError{Kind: "unreachable", Message: "down", Since: start}

	record(3, failed(failure)) // began before the connection changed
	record(4, success)         // nothing was wrong
	p.Error = failure
	record(4, failed(failure))
	record(4, registry.Call{}) // says nothing of the provider
	record(5, success)
	p.Error = &registry.ProviderError{Kind: "unreachable", Message: "still down", ModelID: "m", Since: start}
	again := *p.Error
	again.Since = start.Add(time.Second) // it lasts since the first time
	record(4, failed(&again))
	p.Error = &registry.ProviderError{Kind: "authentication", Message: "refused", ModelID: "m", Since: start.Add(time.Minute)}
	record(4, failed(p.Error))
	broken := &registry.ProviderError{Kind: "misconfigured", Message: "upstream said \x00 and \xff", Since: start}
	p.Error = &registry.ProviderError{Kind: broken.Kind, Message: "upstream said \uFFFD and \uFFFD", Since: start}
	record(4, failed(broken))
	p.Error = nil
	record(4, success)
	p.Error = &registry.ProviderError{Kind: "misconfigured", Message: "again", Since: start.Add(time.Hour)}
	record(4, failed(p.Error)) // after a success, since anew

	gone := newProvider("gone", "m")
	noError(t, "record of no provider", s.RecordCall(t.Context(), call(gone, failed(failure))))
	wantStored(t, s, p)
}
