package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
)

var orders = []registry.Sort{"", registry.SortName, registry.SortNameDesc, registry.SortCreated, registry.SortCreatedDesc}

func testProviderList(t *testing.T, s *store.Store) {
	names := []string{"azure", "Azure 2", "azure-1", "azure_1", "Zürich", "zurich", "ärger", "éa", "東京", "100% sure", "a\\b", "b'c"}
	all := make([]registry.Provider, 0, len(names))
	for i, name := range names {
		p := newProvider(name, "m1", "m2")
		p.CreatedAt = start.Add(time.Duration(i/3) * time.Millisecond) // three at a time
		p.Type = []string{"openai", "custom"}[i%2]
		p.Enabled = i%3 != 0
		if i%4 == 0 {
			p.Error = &registry.ProviderError{Kind: "unreachable", Since: start}
		}
		create(t, s, p)
		all = append(all, p)
	}

	for _, order := range orders {
		t.Run("in pages "+string(order), func(t *testing.T) {
			want := slices.Clone(all)
			sortRows(want, order, func(p registry.Provider) (string, time.Time, string) { return p.NameKey, p.CreatedAt, p.ID })
			for _, limit := range []int{1, 5, 12, 0} {
				got := allPages(t, limit, func(after *registry.Position) ([]registry.Provider, error) {
					return s.Providers(t.Context(), workspace, registry.ProviderQuery{Sort: order, After: after, Limit: limit})
				}, func(p registry.Provider) registry.Position {
					return position(order, p.NameKey, p.CreatedAt, p.ID)
				})
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatalf("limit %d (-want +got):\n%s", limit, diff)
				}
			}
		})
	}

	for _, typ := range []string{"", "openai", "azure_openai"} {
		for _, status := range []registry.Status{"", registry.Active, registry.Inactive, registry.Error} {
			for _, search := range []string{"", "azure", "a", "%", "_", `\`, "'", "ü", "京", "zurich", "Azure", "\x00", "\xff"} {
				q := registry.ProviderQuery{Type: typ, Status: status, Search: search}
				var want []string
				for _, p := range all {
					if (typ == "" || p.Type == typ) && (status == "" || p.Status() == status) && strings.Contains(p.NameKey, search) {
						want = append(want, p.Name)
					}
				}
				slices.SortFunc(want, func(a, b string) int { return strings.Compare(registry.Fold(a), registry.Fold(b)) })
				got, err := s.Providers(t.Context(), workspace, q)
				noError(t, fmt.Sprintf("list %+v", q), err)
				wantNames(t, fmt.Sprintf("list %+v", q), got, want...)
				n, err := s.CountProviders(t.Context(), workspace, registry.ProviderQuery{Type: typ, Status: status, Search: search, Limit: 1, Summary: true})
				if err != nil || n != len(want) {
					t.Errorf("counting the list %+v: %d (%v), want %d", q, n, err, len(want))
				}
			}
		}
	}

	t.Run("a name is found exactly", func(t *testing.T) {
		for _, name := range []string{"azure", "AZURE-1", "Azur", "zürich", "100% sure", "", "\x00"} {
			var want []string
			for _, p := range all {
				if name == "" || p.NameKey == registry.Fold(name) {
					want = append(want, p.Name)
				}
			}
			slices.SortFunc(want, func(a, b string) int { return strings.Compare(registry.Fold(a), registry.Fold(b)) })
			got, err := s.Providers(t.Context(), workspace, registry.ProviderQuery{Name: registry.Fold(name)})
			noError(t, "find "+name, err)
			wantNames(t, "find "+name, got, want...)
		}
	})
	t.Run("a summary counts models", func(t *testing.T) {
		whole, err := s.Providers(t.Context(), workspace, registry.ProviderQuery{})
		noError(t, "list", err)
		summary, err := s.Providers(t.Context(), workspace, registry.ProviderQuery{Summary: true})
		noError(t, "list summaries", err)
		for i := range whole {
			whole[i].Counts, whole[i].Models = pointer(whole[i].ModelCounts()), nil
		}
		if diff := cmp.Diff(whole, summary); diff != "" {
			t.Errorf("summaries (-want +got):\n%s", diff)
		}
	})
	t.Run("pages stay valid while rows come and go", func(t *testing.T) {
		q := registry.ProviderQuery{Limit: 4}
		first, err := s.Providers(t.Context(), workspace, q)
		noError(t, "first page", err)
		last := first[3]
		create(t, s, newProvider("0 before"), newProvider(last.Name+"!"))
		noError(t, "delete the last row of the page", s.DeleteProvider(t.Context(), last, start))
		q.After = pointer(position(q.Sort, last.NameKey, last.CreatedAt, last.ID))
		q.Limit = 1
		next, err := s.Providers(t.Context(), workspace, q)
		noError(t, "second page", err)
		wantNames(t, "second page", next, last.Name+"!")
	})
	t.Run("an unknown order is refused", func(t *testing.T) {
		if _, err := s.Providers(t.Context(), workspace, registry.ProviderQuery{Sort: "type"}); err == nil {
			t.Error("no error")
		}
	})
}

// testModelList compares lists with a straightforward filter over random
// models.
func testModelList(t *testing.T, s *store.Store) {
	random := rand.New(rand.NewPCG(1, 2))
	yes := func() bool { return random.IntN(2) == 0 }
	all := make([]registry.Model, 0, 48)
	for i := range 8 {
		p := newProvider(fmt.Sprintf("provider %d", i))
		p.Type = []string{"openai", "custom"}[i%2]
		p.Enabled = i%3 != 0
		if i%4 < 2 {
			p.Error = &registry.ProviderError{Kind: "unreachable", Since: start}
		}
		for j := range 6 {
			m := newModel(p.ID, fmt.Sprintf("Org/%d-%d", j, i), start.Add(time.Duration(j)*time.Millisecond))
			m.DisplayName = []string{"GPT", "Claude 100%", "gpt", "Ünï_x"}[random.IntN(4)] // not unique
			m.NameKey = registry.Fold(m.DisplayName)
			m.Enabled, m.Stages, m.StageChecks = yes(), nil, nil
			for _, stage := range registry.Stages() {
				if yes() {
					m.Stages = append(m.Stages, stage)
				}
			}
			for _, stage := range m.Stages {
				status := []registry.StageStatus{"", registry.StagePassed, registry.StageFailed, registry.StageError}[random.IntN(4)]
				if status != "" {
					m.StageChecks = withCheck(m.StageChecks, stage, status)
				}
			}
			p.Models = append(p.Models, m)
			all = append(all, withFacts(p, m))
		}
		create(t, s, p)
	}

	for i := range 200 {
		q := registry.ModelQuery{Sort: orders[random.IntN(len(orders))]}
		maybe := func() *bool { return []*bool{nil, nil, pointer(true), pointer(false)}[random.IntN(4)] }
		q.Enabled, q.Available = maybe(), maybe()
		stages := append(registry.Stages(), "", "", "")
		if q.Stage = stages[random.IntN(len(stages))]; q.Stage != "" {
			q.Verified = maybe()
		}
		q.ProviderType = []string{"", "", "openai", "custom", "nothing"}[random.IntN(5)]
		q.ProviderStatus = []registry.Status{"", "", registry.Active, registry.Inactive, registry.Error}[random.IntN(5)]
		q.Search = []string{"", "", "", "gpt", "%", "_", "org/1", "ï", "0-"}[random.IntN(9)]
		if random.IntN(5) == 0 {
			q.ProviderID = all[random.IntN(len(all))].ProviderID
		}
		limit := []int{0, 3, 10}[i%3]

		var want []registry.Model
		for _, m := range all {
			if matches(m, q) {
				want = append(want, m)
			}
		}
		sortRows(want, q.Sort, func(m registry.Model) (string, time.Time, string) { return m.NameKey, m.CreatedAt, m.ID })
		got := allPages(t, limit, func(after *registry.Position) ([]registry.Model, error) {
			page := q
			page.After, page.Limit = after, limit
			return s.Models(t.Context(), workspace, page)
		}, func(m registry.Model) registry.Position {
			return position(q.Sort, m.NameKey, m.CreatedAt, m.ID)
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("list %+v in pages of %d (-want +got):\n%s", q, limit, diff)
		}
		if n, err := s.CountModels(t.Context(), workspace, q); err != nil || n != len(want) {
			t.Fatalf("counting the list %+v: %d (%v), want %d", q, n, err, len(want))
		}
	}
}

func matches(m registry.Model, q registry.ModelQuery) bool {
	return (q.Stage == "" || slices.Contains(m.Stages, q.Stage)) &&
		(q.Verified == nil || *q.Verified == (m.StageChecks[q.Stage].Status == registry.StagePassed)) &&
		(q.Enabled == nil || *q.Enabled == m.Enabled) &&
		(q.Available == nil || *q.Available == (m.Enabled && m.Provider.Enabled)) &&
		(q.ProviderID == "" || q.ProviderID == m.ProviderID) &&
		(q.ProviderType == "" || q.ProviderType == m.Provider.Type) &&
		(q.ProviderStatus == "" || q.ProviderStatus == m.Provider.Status) &&
		(strings.Contains(m.NameKey, q.Search) || strings.Contains(registry.Fold(m.ModelID), q.Search))
}

// sortRows puts rows into the order of a list.
func sortRows[R any](rows []R, order registry.Sort, keys func(R) (name string, created time.Time, id string)) {
	slices.SortFunc(rows, func(a, b R) int {
		nameA, createdA, idA := keys(a)
		nameB, createdB, idB := keys(b)
		c := strings.Compare(nameA, nameB)
		if strings.HasSuffix(string(order), "created_at") {
			c = createdA.Compare(createdB)
		}
		if c == 0 {
			c = strings.Compare(idA, idB)
		}
		if strings.HasPrefix(string(order), "-") {
			c = -c
		}
		return c
	})
}

func position(order registry.Sort, nameKey string, created time.Time, id string) registry.Position {
	if strings.HasSuffix(string(order), "created_at") {
		return registry.Position{CreatedAt: created, ID: id}
	}
	return registry.Position{Name: nameKey, ID: id}
}

// allPages reads page after page; a limit of 0 is one page.
func allPages[R any](t *testing.T, limit int, fetch func(after *registry.Position) ([]R, error), at func(R) registry.Position) []R {
	t.Helper()
	var all []R
	var after *registry.Position
	for {
		page, err := fetch(after)
		noError(t, "read a page", err)
		if limit > 0 && len(page) > limit {
			t.Fatalf("a page has %d rows, its limit was %d", len(page), limit)
		}
		all = append(all, page...)
		if limit == 0 || len(page) < limit {
			return all
		}
		after = pointer(at(page[len(page)-1]))
	}
}
