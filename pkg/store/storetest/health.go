package storetest

import (
	"context"
	"testing"
	"time"

	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
)

func testLastTest(t *testing.T, s *store.Store) {
	p := newProvider("p", "a", "b")
	create(t, s, p)
	m := &p.Models[0]
	record := func(id, modelID string, last registry.LastTest) {
		t.Helper()
		noError(t, "record", s.RecordTest(t.Context(), workspace, id, modelID, p.Connection, last))
	}

	m.LastTest = &registry.LastTest{Kind: "timeout", Latency: time.Second, At: start}
	record(m.ID, "a", *m.LastTest)
	wantStored(t, s, p)

	m.LastTest = &registry.LastTest{Success: true, Latency: 5 * time.Millisecond, At: start.Add(time.Hour)}
	record(m.ID, "a", *m.LastTest)
	wantStored(t, s, p)

	record(m.ID, "b", registry.LastTest{At: start}) // edited meanwhile
	record(newID(), "a", registry.LastTest{At: start})
	for _, connection := range []int64{p.Connection - 1, p.Connection + 1} { // began before credentials or config changed
		noError(t, "record", s.RecordTest(t.Context(), workspace, m.ID, "a", connection, registry.LastTest{At: start}))
	}
	wantStored(t, s, p)

	// In one transaction with the provider's health, as a test is recorded.
	m.LastTest.Kind, m.LastTest.Success = "authentication", false
	p.Error = &registry.ProviderError{Kind: "authentication", Message: "no", ModelID: "a", Since: start}
	noError(t, "record both", s.InTx(t.Context(), func(ctx context.Context) error {
		if err := s.RecordTest(ctx, workspace, m.ID, "a", p.Connection, *m.LastTest); err != nil {
			return err
		}
		_, err := s.RecordHealth(ctx, workspace, p.ID, p.Connection, p.Error)
		return err
	}))
	wantStored(t, s, p)
}

func testHealth(t *testing.T, s *store.Store) {
	p := newProvider("p", "m")
	p.Connection = 4
	create(t, s, p)
	record := func(connection int64, health *registry.ProviderError, want bool) {
		t.Helper()
		got, err := s.RecordHealth(t.Context(), workspace, p.ID, connection, health)
		if err != nil || got != want {
			t.Errorf("record at connection %d: got %v, %v; want %v", connection, got, err, want)
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
	failure := &registry.ProviderError{Kind: "unreachable", Message: "down", Since: start}

	record(3, failure, false) // began before the connection changed
	record(4, nil, true)      // nothing was wrong
	p.Error = failure
	record(4, failure, true)
	record(5, nil, false)
	p.Error = &registry.ProviderError{Kind: "authentication", Message: "refused", ModelID: "m", Since: start.Add(time.Minute)}
	record(4, p.Error, true)
	broken := &registry.ProviderError{Kind: "misconfigured", Message: "upstream said \x00 and \xff", Since: start}
	p.Error = &registry.ProviderError{Kind: broken.Kind, Message: "upstream said \uFFFD and \uFFFD", Since: start}
	record(4, broken, true)
	p.Error = nil
	record(4, nil, true)

	if recorded, err := s.RecordHealth(t.Context(), workspace, newID(), 1, failure); err != nil || recorded {
		t.Errorf("record of no provider: got %v, %v; want false", recorded, err)
	}
}
