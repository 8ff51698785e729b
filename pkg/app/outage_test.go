package app_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/store/storetest"
)

// TestDatabaseOutage: the service reports the outage, keeps running, and recovers by
// itself.
func TestDatabaseOutage(t *testing.T) {
	t.Parallel()
	cluster := storetest.StartCluster(t)
	s := running(t, onPostgres(cluster.Database(t), filepath.Join(t.TempDir(), "keyset.json")))
	upstream := providertest.Start(t, providertest.Custom())
	provider, model := s.connect(t, upstream)
	s.must(t, 200, "GET", "/readyz", nil)

	cluster.Stop(t)
	calls := map[string]struct {
		method, path string
		body         any
	}{
		"list":   {"GET", "/providers", nil},
		"read":   {"GET", "/providers/" + provider, nil},
		"edit":   {"PATCH", "/providers/" + provider, object{"name": "Renamed"}},
		"delete": {"DELETE", "/providers/" + provider, nil},
		"reveal": {"POST", "/providers/" + provider + "/credentials/api_key/reveal", nil},
		"test":   {"POST", "/models/" + model + "/test", aPrompt()},
		"ready":  {"GET", "/readyz", nil},
	}
	for name, call := range calls {
		got := s.call(t, call.method, call.path, call.body)
		if got.status != http.StatusServiceUnavailable || got.string("code") != "unavailable" || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: answered %d, Retry-After %q: %s", name, got.status, got.header.Get("Retry-After"), got.text)
		}
		if !strings.Contains(got.string("detail"), "database") {
			t.Errorf("%s: does not say that it is the database: %s", name, got.text)
		}
	}
	if sent := upstream.Requests(); len(sent) > 0 {
		t.Errorf("%d requests were sent upstream", len(sent))
	}
	s.must(t, 200, "GET", "/healthz", nil)

	cluster.Start(t)
	eventually(t, "the service is ready again", func() bool { return s.call(t, "GET", "/readyz", nil).status == 200 })
	s.must(t, 200, "GET", "/providers/"+provider, nil)
	s.must(t, 200, "PATCH", "/providers/"+provider, object{"name": "Renamed"})
	if got := s.must(t, 200, "POST", "/models/"+model+"/test", aPrompt()); got.string("status") != "success" {
		t.Error(got.text)
	}
}

func TestReadinessNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ statement, part string }{
		"older schema":   {"UPDATE goose_db_version SET version_id = -version_id", "schema"},
		"other keyset":   {"UPDATE claims SET value = x'00' WHERE name = 'keyset'", "keys"},
		"no claim":       {"DELETE FROM claims WHERE name = 'keyset'", "keys"},
		"database empty": {"DROP TABLE goose_db_version", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := running(t)
			inSQLite(t, s.dir, test.statement)
			got := s.must(t, 503, "GET", "/readyz", nil)
			if !strings.Contains(got.string("detail"), test.part) || got.header.Get("Retry-After") == "" {
				t.Errorf("answered %s", got.text)
			}
		})
	}
}
