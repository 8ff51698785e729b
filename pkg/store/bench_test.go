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
)

// BenchmarkStore measures the store on databases of 1,000 and 100,000 providers
// with two models each. MODELPROVIDERS_BENCH_PROVIDERS sets another size, such
// as 1000000.
func BenchmarkStore(b *testing.B) {
	sizes := []int{1000, 100_000}
	if size, err := strconv.Atoi(os.Getenv("MODELPROVIDERS_BENCH_PROVIDERS")); err == nil {
		sizes = []int{size}
	}
	for _, d := range databases() {
		for _, size := range sizes {
			b.Run(fmt.Sprintf("%s/%d", d.name, size), func(b *testing.B) {
				s := d.open(b)
				d.seed(b, s, size)
				benchmarkCalls(b, s, size)
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
	measure("list first", providers(registry.ProviderQuery{}))
	measure("list deep", providers(registry.ProviderQuery{After: at("provider", size*9/10)}))
	measure("list deep created", providers(registry.ProviderQuery{Sort: registry.SortCreatedDesc, After: at("provider", size*9/10)}))
	measure("list error", providers(registry.ProviderQuery{Status: registry.Error}))
	measure("list type and status", providers(registry.ProviderQuery{Type: "openai", Status: registry.Inactive}))
	measure("list search", providers(registry.ProviderQuery{Search: "99"}))
	measure("list search nothing", providers(registry.ProviderQuery{Search: "nothing"}))
	measure("models first", models(registry.ModelQuery{}))
	measure("models deep", models(registry.ModelQuery{Sort: registry.SortCreated, After: at("gpt", 2*size*9/10)}))
	measure("models for routing", models(registry.ModelQuery{Stage: registry.Guardrail, Available: &yes}))
	measure("models of a provider", models(registry.ModelQuery{ProviderID: next()}))
	measure("create", func() error { return addProvider(b.Context(), s, benchmarkProvider()) })
	b.Run("create in parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := addProvider(b.Context(), s, benchmarkProvider()); err != nil {
					b.Error(err)
				}
			}
		})
	})
	p := benchmarkProvider()
	if err := addProvider(b.Context(), s, p); err != nil {
		b.Fatal(err)
	}
	measure("record test", func() error {
		now := time.Now()
		return s.RecordCall(b.Context(), registry.Call{
			Workspace: workspace, ProviderID: p.ID, Connection: 1, Success: true,
			Test: &registry.LastTest{Success: true, At: now}, ModelID: p.Models[0].ID, UpstreamModelID: p.Models[0].ModelID,
			Event: audit.Event{Workspace: workspace, ID: uuid.Must(uuid.NewV7()).String(), At: now, Action: audit.ModelTest, Outcome: audit.Success, Seal: []byte{1}},
		})
	})
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
