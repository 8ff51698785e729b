package store_test

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
)

// TestPlans checks that pages are read along an index: on a database of some
// size no page of a list is found by sorting the list, or by passing over much
// that a filter does not want.
func TestPlans(t *testing.T) {
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			s := d.open(t)
			d.seed(t, s, 10_000)
			explain := plans(t, d, s)

			providers := func(index string, q registry.ProviderQuery) {
				t.Helper()
				for sort, suffix := range sorts {
					for _, after := range []*registry.Position{nil, middle} {
						q.Sort, q.After, q.Limit = sort, after, 21
						plan := explain(func() error { _, err := s.Providers(t.Context(), workspace, q); return err })
						d.checkPlan(t, fmt.Sprintf("providers %+v", q), plan, index+suffix)
					}
				}
			}
			providers("providers", registry.ProviderQuery{})
			providers("providers_type", registry.ProviderQuery{Type: "custom"})
			providers("providers_status", registry.ProviderQuery{Status: registry.Error})
			providers("providers_type_status", registry.ProviderQuery{Type: "openai", Status: registry.Inactive})

			models := func(index string, q registry.ModelQuery) {
				t.Helper()
				for sort, suffix := range sorts {
					for _, after := range []*registry.Position{nil, middle} {
						q.Sort, q.After, q.Limit = sort, after, 21
						plan := explain(func() error { _, err := s.Models(t.Context(), workspace, q); return err })
						d.checkPlan(t, fmt.Sprintf("models %+v", q), plan, index+suffix)
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

			one := registry.ModelQuery{ProviderID: "00000000-0000-7000-8000-100000000042", Enabled: &yes, Limit: 21}
			plan := explain(func() error { _, err := s.Models(t.Context(), workspace, one); return err })
			if !strings.Contains(plan, "models_provider") {
				t.Errorf("models of one provider: the plan does not use the index models_provider:\n%s", plan)
			}
		})
	}
}

var sorts = map[registry.Sort]string{
	registry.SortName: "_name", registry.SortNameDesc: "_name", registry.SortCreated: "_created", registry.SortCreatedDesc: "_created",
}

var middle = &registry.Position{
	Name: "provider 1000005000", CreatedAt: firstCreated.Add(5000_000_000), ID: "00000000-0000-7000-8000-100000005000",
}

// plans returns a function that tells the plan of the first query of a call.
func plans(t *testing.T, d database, s *store.Store) func(call func() error) string {
	var first func() string
	s.OnQuery(func(sql string, values []any) {
		if first == nil {
			first = func() string { return explained(t, s, d.explain+sql, values) }
		}
	})
	return func(call func() error) string {
		t.Helper()
		first = nil
		if err := call(); err != nil {
			t.Fatal(err)
		}
		return first()
	}
}

func explained(t *testing.T, s *store.Store, sql string, values []any) string {
	t.Helper()
	rows, err := s.Reader().QueryContext(context.Background(), sql, values...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer rows.Close()
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
