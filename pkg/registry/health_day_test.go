package registry_test

import (
	"crypto/tls"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/store/storetest"
)

var update = flag.Bool("update", false, "write the table in docs/operations.md from the run")

// dayCase is a provider that is checked for a day, and what must come of it.
type dayCase struct {
	name     string
	fake     providertest.Fake
	mode     providertest.Mode
	schedule registry.CheckSchedule
	inactive bool // or else its model
	disabled bool

	checks, tests int // of them
	status        registry.Status
}

func dayCases(t *testing.T) (cases []dayCase) {
	working := dayCase{mode: providertest.Success, schedule: everyQuarter, checks: 96, status: registry.Active}
	for _, fake := range providertest.Fakes(t) {
		typ, _ := provider.Lookup(fake.Type)
		one := working
		one.name, one.fake = typ.Form().Label, fake
		refused := one
		refused.name += ", credentials refused"
		refused.mode, refused.checks, refused.status = providertest.Authentication, 25, registry.Error
		cases = append(cases, one, refused)
	}
	add := func(name string, change func(*dayCase)) {
		one := working
		one.name, one.fake, one.tests = name, withoutList(providertest.Custom()), 24
		one.checks = one.tests + 1 // the first finds that there is no list
		change(&one)
		cases = append(cases, one)
	}
	add("Server without a list of models", func(*dayCase) {})
	add("… checked every 5 minutes, with 6 tests per day", func(one *dayCase) {
		one.schedule = registry.CheckSchedule{Every: 5 * time.Minute, TestsPerDay: 6}
		one.checks, one.tests = 7, 6
	})
	add("… with 0 tests per day", func(one *dayCase) {
		one.schedule.TestsPerDay = 0
		one.checks, one.tests = 96, 0
	})
	add("… quota used up", func(one *dayCase) { one.mode, one.status = providertest.QuotaExceeded, registry.Error })
	add("… limits its callers", func(one *dayCase) { one.mode = providertest.RateLimited })
	add("… no model is enabled", func(one *dayCase) { one.disabled, one.checks, one.tests = true, 25, 0 })
	add("… switched off", func(one *dayCase) { one.inactive, one.checks, one.tests, one.status = true, 0, 0, registry.Inactive })
	return cases
}

// TestDayOfChecks runs a day of health checks, with a restart at noon, counts the calls,
// and compares them with the table in docs/operations.md.
func TestDayOfChecks(t *testing.T) {
	storetest.Long(t)
	cases := dayCases(t)
	rows := make([]string, len(cases))
	t.Run("day", func(t *testing.T) {
		for i, one := range cases {
			t.Run(one.name, func(t *testing.T) {
				t.Parallel()
				rows[i] = one.run(t)
			})
		}
	})
	if !t.Failed() {
		checkDayTable(t, rows)
	}
}

// run returns the row of the table.
func (one dayCase) run(t *testing.T) string {
	server := providertest.Start(t, one.fake)
	server.Use(one.mode)
	c := newChecked(t, one.schedule, func(config *registry.Config) {
		var err error
		if config.Endpoints, err = provider.ParseEndpoints(server.ProviderEndpoints()); err != nil {
			t.Fatal(err)
		}
		transport := &http.Transport{DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: server.RootCAs}}
		t.Cleanup(transport.CloseIdleConnections)
		config.Transport = func(...string) http.RoundTripper { return transport }
	})
	c.upstream = server
	midnight := c.now(t).Truncate(24 * time.Hour).Add(24 * time.Hour)
	c.run(t, midnight)
	p := c.create(t, "one")
	if one.inactive {
		c.update(t, p.ID, registry.ProviderEdit{Status: pointer("inactive")})
	}
	if one.disabled {
		edit := registry.ModelEdit{ModelInput: registry.ModelInput{Enabled: pointer(false)}}
		if _, err := c.UpdateModel(t.Context(), workspace, p.ID, p.Models[0].ID, edit); err != nil {
			t.Fatal(err)
		}
	}
	c.run(t, midnight.Add(12*time.Hour))
	c.checker = c.newChecker(t, c.Registry) // as after a restart: nothing is kept in memory
	c.run(t, midnight.Add(24*time.Hour-time.Millisecond))

	checks := len(c.calls)
	// Whether the first check is before or after the first time of a test depends on the id.
	if checks < one.checks-1 || checks > one.checks+1 || tests(server) != one.tests {
		t.Errorf("%d checks and %d tests, want %d and %d", checks, tests(server), one.checks, one.tests)
	}
	if got := c.read(t, p.ID).Status(); got != one.status {
		t.Errorf("the status is %s, want %s", got, one.status)
	}
	return fmt.Sprintf("| %s | %d | %d | `%s` |", one.name, one.checks, one.tests, one.status)
}

const operations = "../../docs/operations.md"

// checkDayTable checks that docs/operations.md has the table, or writes it.
func checkDayTable(t *testing.T, rows []string) {
	t.Helper()
	const head = "| provider | checks | of these with a test | status at the end |\n|---|---|---|---|\n"
	content, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(content), head)
	end := strings.Index(rest, "\n\n")
	if !found || end < 0 {
		t.Fatal(operations, "does not have the table")
	}
	want := strings.Join(rows, "\n")
	switch {
	case rest[:end] == want:
	case *update:
		if err := os.WriteFile(operations, []byte(before+head+want+rest[end:]), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the table in %s is out of date; write it with: go test ./pkg/registry -run DayOfChecks -update. It must be\n%s", operations, want)
	}
}
