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
	"modelproviders/pkg/store/storetest"
)

// TestPlans checks what pages of a large workspace, beside others, cost: they are
// read in their order, and where at least one row in twenty meets a filter, little
// more is read than they hold.
func TestPlans(t *testing.T) {
	t.Parallel()
	const providers, models = 4000, 3
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			s := d.open(t)
			postgres := d.name == "Postgres"
			storetest.SeedWorkspace(t, s.Writer(), postgres, workspace, 0, providers, models)
			for i := range 50 {
				storetest.SeedWorkspace(t, s.Writer(), postgres, fmt.Sprint("other ", i), 1_000_000+1000*i, 20, models)
			}
			if d.optimise != "" {
				d.execute(t, s, d.optimise)
			}
			explain := plans(t, d, s)
			yes := true
			for _, sort := range []registry.Sort{registry.SortName, registry.SortNameDesc, registry.SortCreated, registry.SortCreatedDesc} {
				for _, after := range []*registry.Position{nil, at("provider", providers/2)} {
					for _, q := range []registry.ProviderQuery{{}, {Type: "openai"}, {Status: registry.Active}} {
						q.Sort, q.After, q.Limit = sort, after, 21
						plans := explain(func() error { _, err := s.Providers(t.Context(), workspace, q); return err })
						if len(plans) != 2 {
							t.Fatalf("a page of providers takes %d queries, want 2", len(plans))
						}
						d.checkPlan(t, fmt.Sprintf("providers %+v", q), plans[0], 100)
					}
				}
				for _, after := range []*registry.Position{nil, at("gpt", providers/2)} {
					for _, q := range []registry.ModelQuery{
						{}, {Enabled: &yes}, {Available: &yes}, {ProviderType: "openai"}, {ProviderStatus: registry.Active},
						{Stage: registry.Planning}, {Stage: registry.ToolCall, Available: &yes},
					} {
						q.Sort, q.After, q.Limit = sort, after, 21
						plans := explain(func() error { _, err := s.Models(t.Context(), workspace, q); return err })
						if len(plans) != 1 {
							t.Fatalf("a page of models takes %d queries, want 1", len(plans))
						}
						d.checkPlan(t, fmt.Sprintf("models %+v", q), plans[0], 300)
					}
				}
			}
		})
	}
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
	noted := s.Record()
	return func(call func() error) []string {
		t.Helper()
		*noted = nil
		if err := call(); err != nil {
			t.Fatal(err)
		}
		queries := *noted
		plans := make([]string, 0, len(queries))
		for _, q := range queries {
			plans = append(plans, explained(t, s, d.explain+q.SQL, q.Args))
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

var (
	rowsRead   = regexp.MustCompile(`rows=(\d+) loops=(\d+)`)
	passedOver = regexp.MustCompile(`Rows Removed by Filter: (\d+)`)
)

// checkPlan checks that a plan sorts nothing, reads along an index, and, where the
// database tells, reads at most so many rows in all its steps.
func (d database) checkPlan(t *testing.T, what, plan string, most int) {
	t.Helper()
	for _, sign := range []string{"Sort Key", "Seq Scan", "SCAN m", "SCAN p", "SCAN e", "TEMP B-TREE"} {
		if strings.Contains(plan, sign) {
			t.Errorf("%s: the plan has a %s:\n%s", what, sign, plan)
		}
	}
	read := 0
	for _, found := range rowsRead.FindAllStringSubmatch(plan, -1) {
		rows, _ := strconv.Atoi(found[1])
		loops, _ := strconv.Atoi(found[2])
		read += rows * loops
	}
	for _, found := range passedOver.FindAllStringSubmatch(plan, -1) {
		rows, _ := strconv.Atoi(found[1])
		read += rows
	}
	if read > most {
		t.Errorf("%s: the plan reads %d rows, at most %d were expected:\n%s", what, read, most, plan)
	}
}
