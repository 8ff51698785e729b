package store_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// BenchmarkStore measures the store with few and many workspaces of 20 providers,
// and in a small and a large workspace beside them. Of the large one it reads pages
// with filters that one row in twenty meets, and what has to read all of it.
// MODELPROVIDERS_BENCH_WORKSPACES sets how many the many are, such as 50000.
func BenchmarkStore(b *testing.B) {
	many := 1000
	if n, err := strconv.Atoi(os.Getenv("MODELPROVIDERS_BENCH_WORKSPACES")); err == nil {
		many = n
	}
	for _, d := range databases() {
		for _, size := range []struct {
			name                          string
			neighbours, providers, models int // of the workspace that is measured
		}{{"few", 50, 20, 3}, {"many", many, 20, 3}, {"small", 50, 100, 5}, {"large", 50, 10_000, 5}} {
			b.Run(d.name+"/"+size.name, func(b *testing.B) {
				s := d.open(b)
				storetest.SeedWorkspace(b, s.Writer(), d.name == "Postgres", workspace, 0, size.providers, size.models)
				storetest.SeedNeighbours(b, s.Writer(), d.name == "Postgres", size.neighbours, 20, 3)
				d.execute(b, s, d.optimise...)
				benchmarkCalls(b, s, size.providers)
			})
		}
	}
}

func benchmarkCalls(b *testing.B, s *store.Store, size int) {
	measure := func(name string, call func() error) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := call(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	number := 0
	next := func() string { // the id of one provider after the other, far apart
		number = (number + 7919) % size
		return fmt.Sprintf("00000000-0000-7000-8000-%d", 100_000_000_000+number+1)
	}
	providers := func(q registry.ProviderQuery) func() error {
		q.Limit = 20
		return func() error { _, err := s.Providers(b.Context(), workspace, q); return err }
	}
	models := func(q registry.ModelQuery) func() error {
		q.Limit = 20
		return func() error { _, err := s.Models(b.Context(), workspace, q); return err }
	}
	yes := true

	measure("get", func() error { _, err := s.Provider(b.Context(), workspace, next()); return err })
	measure("providers", providers(registry.ProviderQuery{}))
	measure("providers/deep", providers(registry.ProviderQuery{After: at("provider", size*9/10)}))
	measure("providers/created", providers(registry.ProviderQuery{Sort: registry.SortCreatedDesc, After: at("provider", size*9/10)}))
	measure("providers/twentieth", providers(registry.ProviderQuery{Type: "anthropic"}))
	measure("providers/rare", providers(registry.ProviderQuery{Status: registry.Error}))
	measure("providers/none", providers(registry.ProviderQuery{Type: "aws_bedrock"}))
	measure("providers/search", providers(registry.ProviderQuery{Search: "nothing"}))
	for _, sort := range []registry.Sort{registry.SortName, registry.SortCreatedDesc} {
		with := func(q registry.ModelQuery) func() error { q.Sort = sort; return models(q) }
		measure("models/by "+string(sort), with(registry.ModelQuery{}))
		measure("models/available/by "+string(sort), with(registry.ModelQuery{Available: &yes}))
		measure("models/stage/by "+string(sort), with(registry.ModelQuery{Stage: registry.Planning, Available: &yes}))
		measure("models/twentieth stage/by "+string(sort), with(registry.ModelQuery{Stage: registry.Summarization}))
		measure("models/twentieth type/by "+string(sort), with(registry.ModelQuery{ProviderType: "anthropic"}))
		measure("models/rare stage/by "+string(sort), with(registry.ModelQuery{Stage: registry.Guardrail, Available: &yes}))
		measure("models/rare status/by "+string(sort), with(registry.ModelQuery{ProviderStatus: registry.Error}))
		measure("models/no type/by "+string(sort), with(registry.ModelQuery{ProviderType: "aws_bedrock"}))
		measure("models/search/by "+string(sort), with(registry.ModelQuery{Search: "nothing"}))
	}
	measure("models of a provider", models(registry.ModelQuery{ProviderID: next()}))
	measure("create", func() error { return addProvider(b.Context(), s, benchmarkProvider()) })
	p := benchmarkProvider()
	if err := addProvider(b.Context(), s, p); err != nil {
		b.Fatal(err)
	}
	measure("record test", func() error { return s.RecordCall(b.Context(), benchmarkCall(p)) })
}

// BenchmarkWithoutDatabase measures what the program itself spends on a write.
func BenchmarkWithoutDatabase(b *testing.B) {
	for name, sqlite := range map[string]bool{"SQLite": true, "Postgres": false} {
		s, ctx := store.Unconnected(b.Context(), sqlite)
		p := benchmarkProvider()
		call := benchmarkCall(p)
		b.Run(name+"/create", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := s.CreateProvider(ctx, p, call.Event); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/record test", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := s.RecordCall(ctx, call); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// benchmarkCall is a successful test of the first model of a provider.
func benchmarkCall(p registry.Provider) registry.Call {
	now := time.Now()
	return registry.Call{
		Workspace: workspace, ProviderID: p.ID, Connection: 1, Success: true,
		Test: &registry.LastTest{Success: true, At: now}, ModelID: p.Models[0].ID, UpstreamModelID: p.Models[0].ModelID,
		Event: audit.Event{Workspace: workspace, ID: uuid.Must(uuid.NewV7()).String(), At: now, Action: audit.ModelTest, Outcome: audit.Success, Seal: []byte{1}},
	}
}

// benchmarkProvider is a provider with two models.
func benchmarkProvider() registry.Provider {
	id := func() string { return uuid.Must(uuid.NewV7()).String() }
	now := time.Now().UTC().Truncate(time.Millisecond)
	p := registry.Provider{
		ID: id(), Workspace: workspace, Type: "openai", Enabled: true, Config: map[string]string{},
		Credentials: map[string]registry.Credential{"api_key": {Sealed: make([]byte, 140), UpdatedAt: now}},
		Version:     1, Connection: 1, CreatedAt: now, UpdatedAt: now,
	}
	p.Name = "Created " + p.ID
	p.NameKey = registry.Fold(p.Name)
	for _, modelID := range []string{"gpt-4o", "gpt-4o-mini"} {
		p.Models = append(p.Models, registry.Model{
			ID: id(), ProviderID: p.ID, ModelID: modelID, DisplayName: modelID, NameKey: modelID,
			Stages: []registry.Stage{registry.Planning, registry.ToolCall}, Enabled: true, Version: 1, CreatedAt: now, UpdatedAt: now,
		})
	}
	return p
}
