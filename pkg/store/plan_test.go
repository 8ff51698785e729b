package store_test

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
)

// TestPlans checks that pages are read along an index: on a database of some
// size no page of a list is found by sorting the list, or by passing over much
// that a filter does not want.
func TestPlans(t *testing.T) {
	t.Parallel()
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			s := d.open(t)
			d.seed(t, s, d.plannedFor)
			explain := plans(t, d, s)

			providers := func(index string, q registry.ProviderQuery) {
				t.Helper()
				for sort, suffix := range sorts {
					for _, after := range []*registry.Position{nil, at("provider", d.plannedFor/2)} {
						q.Sort, q.After, q.Limit = sort, after, 21
						plans := explain(func() error { _, err := s.Providers(t.Context(), workspace, q); return err })
						d.checkPlan(t, fmt.Sprintf("providers %+v", q), plans[0], index+suffix)
						if len(plans) != 3 {
							t.Fatalf("a page of providers takes %d queries, want 3", len(plans))
						}
						for _, plan := range plans[1:] {
							d.checkParts(t, plan)
						}
					}
				}
			}
			providers("providers", registry.ProviderQuery{})
			providers("providers_type", registry.ProviderQuery{Type: "custom"})
			providers("providers_status", registry.ProviderQuery{Status: registry.Error})
			providers("providers_type_status", registry.ProviderQuery{Type: "openai", Status: registry.Inactive})

			if n := len(explain(func() error {
				_, err := s.Providers(t.Context(), workspace, registry.ProviderQuery{})
				return err
			})); n != 1+2*d.plannedFor/1000 {
				t.Errorf("a list of %d providers takes %d queries, want one and two a thousand", d.plannedFor, n)
			}

			models := func(index string, q registry.ModelQuery) {
				t.Helper()
				for sort, suffix := range sorts {
					for _, after := range []*registry.Position{nil, at("gpt", d.plannedFor/2)} {
						q.Sort, q.After, q.Limit = sort, after, 21
						plans := explain(func() error { _, err := s.Models(t.Context(), workspace, q); return err })
						d.checkPlan(t, fmt.Sprintf("models %+v", q), plans[0], index+suffix)
						if len(plans) != 1 {
							t.Fatalf("a page of models takes %d queries, want 1", len(plans))
						}
					}
				}
			}
			yes, no := true, false
			models("models", registry.ModelQuery{})
			models("models_enabled", registry.ModelQuery{Enabled: &no})
			models("models_available", registry.ModelQuery{Available: &no})
			models("models_available", registry.ModelQuery{Available: &yes})
			models("models_type", registry.ModelQuery{ProviderType: "custom"})
			models("models_status", registry.ModelQuery{ProviderStatus: registry.Error})
			for _, stage := range registry.Stages() {
				models("models_"+string(stage), registry.ModelQuery{Stage: stage})
				models("models_"+string(stage)+"_available", registry.ModelQuery{Stage: stage, Available: &no})
			}
			models("models_guardrail", registry.ModelQuery{Stage: registry.Guardrail, ProviderStatus: registry.Active, ProviderType: "openai"})
			models("models_status", registry.ModelQuery{ProviderStatus: registry.Error, ProviderType: "openai", Enabled: &yes})

			for sort := range sorts {
				one := registry.ModelQuery{ProviderID: "00000000-0000-7000-8000-100000000042", Enabled: &yes, Sort: sort, Limit: 21}
				d.checkParts(t, explain(func() error { _, err := s.Models(t.Context(), workspace, one); return err })[0])
			}
		})
	}
}

var sorts = map[registry.Sort]string{
	registry.SortName: "_name", registry.SortNameDesc: "_name", registry.SortCreated: "_created", registry.SortCreatedDesc: "_created",
}

// at is the position of the seeded row with the number n, whose name has the
// given kind before its number.
func at(kind string, n int) *registry.Position {
	return &registry.Position{
		Name:      fmt.Sprintf("%s %d", kind, 1_000_000_000+n),
		CreatedAt: firstCreated.Add(time.Duration(n) * time.Millisecond),
		ID:        fmt.Sprintf("00000000-0000-7000-8000-%d", 100_000_000_000+n),
	}
}

// plans returns a function that tells the plans of the queries of a call.
func plans(t *testing.T, d database, s *store.Store) func(call func() error) []string {
	type query struct {
		sql    string
		values []any
	}
	var queries []query
	s.OnQuery(func(sql string, values []any) { queries = append(queries, query{sql, values}) })
	return func(call func() error) []string {
		t.Helper()
		queries = nil
		if err := call(); err != nil {
			t.Fatal(err)
		}
		plans := make([]string, 0, len(queries))
		for _, q := range queries {
			plans = append(plans, explained(t, s, d.explain+q.sql, q.values))
		}
		return plans
	}
}

func explained(t *testing.T, s *store.Store, sql string, values []any) string {
	t.Helper()
	rows, err := s.Reader().QueryContext(context.Background(), sql, values...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	cells := make([]any, len(columns))
	for i := range cells {
		cells[i] = new(any)
	}
	var plan strings.Builder
	for rows.Next() {
		if err := rows.Scan(cells...); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&plan, *cells[len(cells)-1].(*any)) // SQLite numbers the lines before
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}

var passedOver = regexp.MustCompile(`Rows Removed by Filter: (\d+)`)

// checkPlan checks that a plan reads along an index, sorts nothing and passes
// over little. SQLite must use the given index; PostgreSQL tells how many rows
// it passed over, and may take any index with which they are few.
func (d database) checkPlan(t *testing.T, what, plan, index string) {
	t.Helper()
	if d.name == "SQLite" && !strings.Contains(plan, "SEARCH ") || d.name == "SQLite" && !strings.Contains(plan, " "+index+" (") {
		t.Errorf("%s: the plan does not search the index %s:\n%s", what, index, plan)
	}
	if d.name == "Postgres" && !strings.Contains(plan, "Index Scan") {
		t.Errorf("%s: the plan uses no index:\n%s", what, plan)
	}
	for _, sign := range []string{"Sort", "Seq Scan", "Bitmap", "TEMP B-TREE"} {
		if strings.Contains(plan, sign) {
			t.Errorf("%s: the plan has a %s:\n%s", what, sign, plan)
		}
	}
	if found := passedOver.FindStringSubmatch(plan); found != nil {
		if n, err := strconv.Atoi(found[1]); err != nil || n > 20 {
			t.Errorf("%s: the plan passes over %s rows:\n%s", what, found[1], plan)
		}
	}
}

// checkParts checks that a plan finds what belongs to some providers by those
// providers.
func (d database) checkParts(t *testing.T, plan string) {
	t.Helper()
	byKey := map[string]string{"SQLite": "(workspace=? AND provider_id=?", "Postgres": "(provider_id ="}[d.name]
	if !strings.Contains(plan, byKey) || strings.Contains(plan, "Filter: (provider_id") {
		t.Errorf("credentials or models are not found by their provider:\n%s", plan)
	}
}
