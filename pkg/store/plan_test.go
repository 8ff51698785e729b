package store_test

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"modernc.org/sqlite"

	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// TestCosts checks what pages of a large workspace, beside others, cost: where at
// least one row in twenty meets a filter, little more is read than they hold.
func TestCosts(t *testing.T) {
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
			now := scheduleAll(t, s)
			d.execute(t, s, d.optimise...)
			cost := d.costs(t, s)
			cost("looking for new providers", 2, 10, func() error {
				_, err := s.ScheduleChecks(t.Context(), 1000, func(string) time.Time { return now })
				return err
			})
			cost("looking for a check that is due", 5, 10, func() error {
				_, _, err := s.NextCheck(t.Context())
				return err
			})
			cost("leasing checks that are due", 250, 0, func() error { // on SQLite, another connection does so
				claimed, err := s.ClaimChecks(t.Context(), registry.CheckClaim{
					Now: now.Add(time.Hour), Lease: "0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10", Until: now.Add(2 * time.Hour), Limit: 16, TestsPerDay: 24,
				})
				if err == nil && len(claimed) != 16 {
					err = fmt.Errorf("leased %d checks", len(claimed))
				}
				return err
			})
			yes, no := true, false
			for _, q := range []registry.ModelQuery{
				{}, {Enabled: &yes}, {Available: &yes}, {Available: &no}, {ProviderType: "openai"}, {ProviderStatus: registry.Error},
				{Stage: registry.Planning}, {Stage: registry.ToolCall, ProviderType: "openai"}, {Search: "gpt"},
			} {
				cost(fmt.Sprintf("counting models %+v", q), 4*providers*models, providers*models, func() error {
					_, err := s.CountModels(t.Context(), workspace, q)
					return err
				})
			}
			cost("the provider with a name", 10, 30, func() error {
				_, err := s.Providers(t.Context(), workspace, registry.ProviderQuery{Name: at("provider", 1).Name, Sort: registry.SortCreated})
				return err
			})
			cost("a lookup of a credential", 2*providers, 2*providers, func() error {
				return s.ProvidersByHash(t.Context(), workspace, []byte("hash"), func(registry.Provider) error { return nil })
			})
			cost("a page of providers to reseal", 250, 250, func() error {
				_, err := s.SealedProviders(t.Context(), workspace, at("provider", providers/2).ID, 100)
				return err
			})
			for _, sort := range []registry.Sort{registry.SortName, registry.SortNameDesc, registry.SortCreated, registry.SortCreatedDesc} {
				for _, after := range []*registry.Position{nil, at("provider", providers/2)} {
					for _, q := range []registry.ProviderQuery{{}, {Type: "openai"}, {Status: registry.Active}} {
						q.Sort, q.After, q.Limit = sort, after, 21
						cost(fmt.Sprintf("providers %+v", q), 150, 150, func() error { _, err := s.Providers(t.Context(), workspace, q); return err })
					}
				}
				for _, after := range []*registry.Position{nil, at("gpt", providers/2)} {
					for _, q := range []registry.ModelQuery{
						{}, {Enabled: &yes}, {Available: &yes}, {ProviderType: "openai"}, {ProviderStatus: registry.Active},
						{Stage: registry.Planning}, {Stage: registry.ToolCall, Available: &yes},
						{ProviderID: at("provider", providers/2).ID},
					} {
						q.Sort, q.After, q.Limit = sort, after, 21
						cost(fmt.Sprintf("models %+v", q), 200, 250, func() error { _, err := s.Models(t.Context(), workspace, q); return err })
					}
				}
			}
		})
	}
}

// TestCostOfDroppingChanges: of each workspace one old change stays, and to find that out,
// its other changes are not read.
func TestCostOfDroppingChanges(t *testing.T) {
	t.Parallel()
	const workspaces, recent = 50, 100
	s := databases()[0].open(t)
	_, err := s.Writer().ExecContext(t.Context(), `WITH RECURSIVE w(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM w WHERE i < $1),
		n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < $2)
		INSERT INTO changes (workspace, id, provider_id, provider_change, at, resource, resource_id, action, version, provider_version, status, kind, reference_count, number)
		SELECT 'ws ' || w.i, 'id ' || n.i, 'provider', n.i, n.i, 'provider', 'provider', 'updated', 1, 1, '', '', 0, n.i FROM n, w ORDER BY n.i, w.i`, workspaces, recent)
	if err != nil {
		t.Fatal(err)
	}
	before := pagesRead(t, s.Writer())
	if err := s.DropChanges(t.Context(), time.UnixMilli(1)); err != nil {
		t.Fatal(err)
	}
	if read := pagesRead(t, s.Writer()) - before; read > 10*workspaces {
		t.Errorf("it reads %d pages", read)
	}
}

// scheduleAll schedules the checks of all providers within an hour from the time that it
// returns.
func scheduleAll(t *testing.T, s *store.Store) (now time.Time) {
	t.Helper()
	now, _, err := s.NextCheck(t.Context())
	for n, found := 0, 1; err == nil && found > 0; n++ {
		found, err = s.ScheduleChecks(t.Context(), 1000, func(string) time.Time {
			n++
			return now.Add(time.Duration(n%3600) * time.Second)
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return now
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

// costs returns a function that checks what the queries of a call read at most: on
// PostgreSQL rows, in all steps of a plan, on SQLite pages of the file.
func (d database) costs(t *testing.T, s *store.Store) func(what string, rows, pages int, call func() error) {
	noted := s.Record()
	s.Reader().SetMaxOpenConns(1) // whose pages are counted
	return func(what string, rows, pages int, call func() error) {
		t.Helper()
		if err := call(); err != nil { // prepares the statements
			t.Fatal(err)
		}
		*noted = nil
		before := 0
		if d.name == "SQLite" {
			before = pagesRead(t, s.Reader())
		}
		if err := call(); err != nil {
			t.Fatal(err)
		}
		if d.name == "SQLite" {
			if read := pagesRead(t, s.Reader()) - before; read > pages {
				t.Errorf("%s reads %d pages, want at most %d", what, read, pages)
			}
			return
		}
		read, plans := 0, ""
		for _, q := range *noted {
			plan := explained(t, s, q)
			read, plans = read+rowsOf(plan), plans+plan
		}
		if read > rows {
			t.Errorf("%s reads %d rows, want at most %d:\n%s", what, read, rows, plans)
		}
	}
}

// pagesRead is how many pages the connection of a pool to SQLite has looked at so far.
func pagesRead(t *testing.T, pool *sql.DB) (pages int) {
	t.Helper()
	conn, err := pool.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	err = conn.Raw(func(conn any) error {
		status := conn.(interface{ Unwrap() driver.Conn }).Unwrap().(sqlite.DBStatus)
		hits, _, err := status.Status(sqlite.DBStatusCacheHit, false)
		if err != nil {
			return err
		}
		misses, _, err := status.Status(sqlite.DBStatusCacheMiss, false)
		pages = hits + misses
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// explained is the plan of a query on PostgreSQL, with what each step read.
func explained(t *testing.T, s *store.Store, q store.Recorded) string {
	t.Helper()
	rows, err := s.Reader().QueryContext(t.Context(), "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) "+q.SQL, q.Args...)
	if err != nil {
		t.Fatalf("%s: %v", q.SQL, err)
	}
	defer func() { _ = rows.Close() }()
	var plan strings.Builder
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&plan, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan.String()
}

var (
	rowsRead   = regexp.MustCompile(`rows=(\d+)(?:\.\d+)? loops=(\d+)`)
	passedOver = regexp.MustCompile(`Rows Removed by (?:Filter|Index Recheck): (\d+)`)
)

// rowsOf is how many rows a plan read in all its steps.
func rowsOf(plan string) (read int) {
	for _, found := range rowsRead.FindAllStringSubmatch(plan, -1) {
		rows, _ := strconv.Atoi(found[1])
		loops, _ := strconv.Atoi(found[2])
		read += rows * loops
	}
	for _, found := range passedOver.FindAllStringSubmatch(plan, -1) {
		rows, _ := strconv.Atoi(found[1])
		read += rows
	}
	return read
}
