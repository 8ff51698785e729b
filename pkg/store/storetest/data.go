package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
)

const workspace = "default"

// start is when the rows of the tests were made.
var start = time.Date(2026, 11, 5, 10, 0, 0, 123_000_000, time.UTC)

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// newProvider makes a provider with a credential and a config, and a model for
// each model id.
func newProvider(name string, modelIDs ...string) registry.Provider {
	p := registry.Provider{
		ID: newID(), Workspace: workspace, Name: name, NameKey: registry.Fold(name), Type: "custom", Enabled: true,
		Credentials: map[string]registry.Credential{"api_key": {Sealed: []byte("sealed " + name), UpdatedAt: start}},
		Config:      map[string]string{"base_url": "https://llm.example"},
		Version:     1, Connection: 1, CreatedAt: start, UpdatedAt: start,
	}
	for i, modelID := range modelIDs {
		p.Models = append(p.Models, newModel(p.ID, modelID, start.Add(time.Duration(i)*time.Millisecond)))
	}
	return p
}

func newModel(providerID, modelID string, created time.Time) registry.Model {
	name := "Model " + modelID
	return registry.Model{
		ID: newID(), ProviderID: providerID, ModelID: modelID, DisplayName: name, NameKey: registry.Fold(name),
		Stages: []registry.Stage{registry.Planning}, Enabled: true, Version: 1, CreatedAt: created, UpdatedAt: created,
		StageChecks: map[registry.Stage]registry.StageCheck{registry.Planning: {Status: registry.StageFailed, At: start}},
	}
}

// withFacts returns a model of a provider as it is read by itself.
func withFacts(p registry.Provider, m registry.Model) registry.Model {
	m.Provider = registry.ModelProvider{Name: p.Name, Type: p.Type, Status: p.Status(), Enabled: p.Enabled}
	return m
}

// create adds providers, and records what tests are to have found of them.
func create(t *testing.T, s *store.Store, providers ...registry.Provider) {
	t.Helper()
	for _, p := range providers {
		noError(t, fmt.Sprintf("create %q", p.Name), add(t.Context(), s, p))
		if p.Error != nil {
			noError(t, "record the error", s.RecordCall(t.Context(), call(p, registry.Call{Failure: p.Error})))
		}
		for _, m := range p.Models {
			if m.LastTest != nil {
				noError(t, "record the test", s.RecordCall(t.Context(), call(p, registry.Call{Test: m.LastTest, ModelID: m.ID, UpstreamModelID: m.ModelID})))
			}
		}
	}
}

// add adds a provider with an event of it.
func add(ctx context.Context, s *store.Store, p registry.Provider) error {
	return s.CreateProvider(ctx, p, eventOf(p))
}

// eventOf is an event of a provider.
func eventOf(p registry.Provider) audit.Event {
	e := newEvent(0)
	e.Workspace, e.ProviderID = p.Workspace, p.ID
	return e
}

// call is what came of a call to the upstream of a provider, with an event of it.
func call(p registry.Provider, c registry.Call) registry.Call {
	c.Workspace, c.ProviderID, c.Connection, c.Event = p.Workspace, p.ID, p.Connection, eventOf(p)
	return c
}

// stored reads a provider that must be there.
func stored(t *testing.T, s *store.Store, id string) registry.Provider {
	t.Helper()
	p, err := s.Provider(t.Context(), workspace, id)
	if err != nil {
		t.Fatalf("read provider %s: %v", id, err)
	}
	return p
}

func wantStored(t *testing.T, s *store.Store, want registry.Provider) {
	t.Helper()
	if diff := cmp.Diff(want, stored(t, s, want.ID)); diff != "" {
		t.Errorf("stored provider (-want +got):\n%s", diff)
	}
}

func wantFault(t *testing.T, what string, err error, want fault.Kind) {
	t.Helper()
	if !fault.Is(err, want) {
		t.Errorf("%s: got %v, want %s", what, err, want)
	}
}

// wantDuplicate checks that an error names the field whose value is taken.
func wantDuplicate(t *testing.T, err error, field string) {
	t.Helper()
	f := fault.As(err)
	if f == nil || len(f.Fields) != 1 || f.Fields[0].Name != field || f.Fields[0].Code != fault.Duplicate {
		t.Errorf("the error %v does not name the field %s", err, field)
	}
}

func noError(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// wantNames checks which providers a list has, in order.
func wantNames(t *testing.T, what string, got []registry.Provider, want ...string) {
	t.Helper()
	names := make([]string, len(got))
	for i, p := range got {
		names[i] = p.Name
	}
	if fmt.Sprintf("%q", names) != fmt.Sprintf("%q", want) {
		t.Errorf("%s: got %q, want %q", what, names, want)
	}
}

func pointer[T any](value T) *T { return &value }
