package app_test

import (
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"modelproviders/pkg/app"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/store/storetest"
)

// onEachDatabase runs a test with a configuration for each database.
func onEachDatabase(t *testing.T, test func(t *testing.T, database func(*app.Config))) {
	t.Run("SQLite", func(t *testing.T) { test(t, func(*app.Config) {}) })
	t.Run("PostgreSQL", func(t *testing.T) {
		url := storetest.Postgres(t)
		test(t, func(c *app.Config) { c.DatabaseURL = url })
	})
}

// scrape reads the metrics at their own address, without a token.
func (s *service) scrape(t testing.TB) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.MetricsURL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := s.http.Do(r)
	if err != nil {
		t.Fatal("scrape:", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("a scrape is answered %d %s, %v", response.StatusCode, text, err)
	}
	return string(text)
}

// wantMetrics waits until the metrics have all of the lines, which are patterns.
func (s *service) wantMetrics(t testing.TB, lines ...string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		metrics := s.scrape(t)
		missing := slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
			return regexp.MustCompile("(?m)^" + line + "$").MatchString(metrics)
		})
		if len(missing) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the metrics lack %q:\n%s", missing, metrics)
		}
	}
}

// withMetrics gives metrics an address of their own.
func withMetrics(c *app.Config) { c.MetricsAddr = "127.0.0.1:0" }

// use makes a service do most of what it counts.
func (s *service) use(t testing.TB, upstream *providertest.Server) {
	t.Helper()
	provider, model := s.connect(t, upstream)
	s.must(t, http.StatusOK, http.MethodPost, "/models/"+model+"/test", aPrompt())
	upstream.Use(providertest.Authentication)
	s.must(t, http.StatusOK, http.MethodPost, "/models/"+model+"/test", aPrompt())
	s.must(t, http.StatusOK, http.MethodPost, "/providers/"+provider+"/check", object{})
	s.must(t, http.StatusBadGateway, http.MethodGet, "/providers/"+provider+"/available-models", nil)
	s.must(t, http.StatusTooManyRequests, http.MethodGet, "/providers/"+provider+"/available-models", nil)
}

func fourTests(c *app.Config) { c.Limits.TestsPerMinute = 4 }

func TestMetrics(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, database func(*app.Config)) {
		t.Parallel()
		upstream := providertest.Start(t, providertest.Custom())
		s := running(t, database, withMetrics, fourTests)
		s.use(t, upstream)
		s.wantMetrics(t,
			`modelproviders_http_requests_total\{method="POST",route="/providers",status="201"\} 1`,
			`modelproviders_upstream_calls_total\{kind="",operation="test",outcome="success",type="custom"\} 1`,
			`modelproviders_upstream_calls_total\{kind="authentication",operation="test",outcome="failure",type="custom"\} 1`,
			`modelproviders_upstream_calls_total\{kind="authentication",operation="check",outcome="failure",type="custom"\} 1`,
			`modelproviders_upstream_calls_total\{kind="authentication",operation="discovery",outcome="failure",type="custom"\} 1`,
			`modelproviders_upstream_call_duration_seconds_count\{operation="test",type="custom"\} 2`,
			`modelproviders_provider_status_changes_total\{status="error"\} 1`,
			`modelproviders_provider_status_changes_total\{status="active"\} 0`,
			`modelproviders_refused_by_limit_total\{limit="tests"\} 1`,
			`modelproviders_refused_by_limit_total\{limit="sign_ins"\} 0`,
			`modelproviders_tests_in_flight 0`,
			`modelproviders_clients 1`,
			`modelproviders_client_cache_hits_total 4`,
			`modelproviders_client_cache_misses_total 1`,
			`modelproviders_audit_unlinked_events [0-9]+`,
			`modelproviders_database_up 1`,
			`modelproviders_database_has_space 1`,
			`modelproviders_database_damaged 0`,
			`modelproviders_reload_failures 0`,
			`modelproviders_trace_export_failures_total 0`,
			`modelproviders_processes 1`,
			`modelproviders_keyset_keys 1`,
			`modelproviders_keyset_primary_key_id [1-9].*`,
			`modelproviders_build_info\{commit=".*",goversion="go.*",version=".+"\} 1`,
			`modelproviders_job_failures_total\{name="link_audit_events"\} [0-9]+`,
			`go_sql_open_connections\{db_name=".*"\} [1-9].*`,
			`go_goroutines [0-9]+`,
			`process_resident_memory_bytes .*`,
		)
		metrics := s.scrape(t)
		for _, private := range append(slices.Collect(maps.Values(upstream.Credentials)), s.token, upstream.ModelID, aPrompt()["prompt"]) {
			if strings.Contains(metrics, private.(string)) {
				t.Errorf("the metrics have %q", private)
			}
		}
	})
}

// TestMetricsWithoutDatabase: metrics are answered at once while the database is away,
// and say so.
func TestMetricsWithoutDatabase(t *testing.T) {
	cluster := storetest.StartCluster(t)
	url := cluster.Database(t)
	s := running(t, withMetrics, onPostgres(url, filepath.Join(t.TempDir(), "keyset.json")), func(c *app.Config) { c.Checks.Every = time.Hour })
	s.wantMetrics(t, `modelproviders_database_up 1`)
	cluster.Stop(t)
	s.wantMetrics(t, `modelproviders_database_up 0`, `modelproviders_job_failures_total\{name="heartbeat"\} [1-9].*`,
		`modelproviders_job_failures_total\{name="check_providers"\} [1-9].*`)
	began := time.Now()
	s.scrape(t)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("a scrape took %s", took)
	}
	cluster.Start(t)
	s.wantMetrics(t, `modelproviders_database_up 1`)
}

// TestOwnAddressOfMetrics: it serves metrics only, and the service still does with a
// token.
func TestOwnAddressOfMetrics(t *testing.T) {
	s := running(t, withMetrics)
	own := strings.TrimSuffix(s.MetricsURL(), "/metrics")
	for path, status := range map[string]int{"/": 404, "/healthz": 404, "/providers": 404, "/metrics/": 404} {
		if got := s.statusOf(t, http.MethodGet, own+path); got != status {
			t.Errorf("%s is answered %d, not %d", path, got, status)
		}
	}
	if got := s.statusOf(t, http.MethodPost, own+"/metrics"); got != http.StatusMethodNotAllowed {
		t.Errorf("POST is answered %d", got)
	}
	if got := s.statusOf(t, http.MethodGet, s.URL()+"/metrics"); got != http.StatusUnauthorized {
		t.Errorf("the service answers without a token with %d", got)
	}
	s.must(t, http.StatusOK, http.MethodGet, "/metrics", nil)
}

func (s *service) statusOf(t testing.TB, method, url string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := s.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}
