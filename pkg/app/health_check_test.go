package app_test

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"modelproviders/pkg/app"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/store/storetest"
)

// TestHealthChecks: a service checks its providers, marks and clears them, and a stop does
// not wait for a check.
func TestHealthChecks(t *testing.T) {
	for name, on := range map[string]struct {
		driver, past string
		url          func(t *testing.T) string
	}{
		"SQLite":     {"sqlite", "0", func(*testing.T) string { return "" }},
		"PostgreSQL": {"pgx", "to_timestamp(0)", func(t *testing.T) string { return storetest.Postgres(t) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upstream, url := providertest.Start(t, providertest.OpenAI()), on.url(t)
			s := start(t, withMetrics, func(c *app.Config) {
				c.DatabaseURL, c.ProviderEndpoints = url, upstream.ProviderEndpoints()
				c.Checks = app.Checks{Every: time.Hour, TestsPerDay: 24}
			})
			if url == "" {
				url = "file:" + filepath.Join(s.dir, "modelproviders.db") + "?_pragma=busy_timeout(10000)"
			}
			db, err := sql.Open(on.driver, url)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			provider, _ := s.connect(t, upstream)
			due := func(set string) {
				t.Helper()
				eventually(t, "the provider is scheduled", func() bool {
					done, err := db.ExecContext(t.Context(), "UPDATE health_checks SET due_at = "+on.past+set) //nolint:gosec // the texts are in this test
					if err != nil {
						t.Fatal(err)
					}
					n, _ := done.RowsAffected()
					return n == 1
				})
			}
			get := func() object { return s.must(t, 200, "GET", "/providers/"+provider, nil).body }
			due("")
			eventually(t, "the provider is checked", func() bool { return get()["last_check"] != nil })
			if last := get()["last_check"].(object); last["status"] != "success" || last["by"] != "discovery" {
				t.Errorf("the last check is %v", last)
			}
			s.wantMetrics(t, `modelproviders_health_checks_total\{by="discovery",outcome="success"\} 1`, `modelproviders_health_check_lag_seconds 0`,
				`modelproviders_upstream_calls_total\{kind="",operation="health_check",outcome="success",type="openai"\} 1`)

			upstream.Use(providertest.Authentication)
			due(", connection = 1, failures = 1, failed_at = " + on.past)
			eventually(t, "the provider is marked", func() bool { return get()["status"] == "error" })
			upstream.Use(providertest.Success)
			due("")
			eventually(t, "the provider is cleared", func() bool { return get()["status"] == "active" })
			events := s.must(t, 200, "GET", "/audit-events?action=provider.check", nil).body["data"].([]any)
			if len(events) != 2 {
				t.Errorf("%d events, want one for each change of the status", len(events))
			}
			for i, want := range []string{"success", "failure"} {
				event := events[i].(object)
				if actor := event["actor"].(object); event["outcome"] != want || actor["kind"] != "service" {
					t.Errorf("event %d is %v", i, event)
				}
			}

			before := len(upstream.Requests())
			upstream.Use(providertest.Silent)
			due("")
			eventually(t, "a check runs", func() bool { return len(upstream.Requests()) > before })
			s.http.CloseIdleConnections()
			began := time.Now()
			if err := s.Close(); err != nil {
				t.Error("stop:", err)
			}
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("the stop took %s", took)
			}
			var free int
			if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM health_checks WHERE lease IS NULL AND failures = 0").Scan(&free); err != nil || free != 1 {
				t.Errorf("after the stop the lease still stands: %v", err)
			}
		})
	}
}
