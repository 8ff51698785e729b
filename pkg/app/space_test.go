package app_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"modelproviders/pkg/app"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/store/storetest"
)

// TestFullDisk: while the disk of the database is full, the service says so, reads, and
// calls no upstream. It continues by itself when there is space.
func TestFullDisk(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		disk := storetest.NewDisk(t, 8)
		fullDisk(t, disk, func(c *app.Config) { c.DataDir = disk.Dir })
	})
	t.Run("Postgres", func(t *testing.T) {
		t.Parallel()
		disk := storetest.NewDisk(t, 8)
		url := storetest.StartCluster(t).DatabaseOn(t, disk)
		fullDisk(t, disk, onPostgres(url, filepath.Join(t.TempDir(), "keyset.json")))
	})
}

func fullDisk(t *testing.T, disk *storetest.Disk, change func(*app.Config)) {
	s := running(t, change)
	upstream := providertest.Start(t, providertest.Custom())
	provider, model := s.connect(t, upstream)
	test := func() answer { return s.call(t, "POST", "/models/"+model+"/test", aPrompt()) }

	disk.Fill(t)
	var first answer
	eventually(t, "a test can't be stored", func() bool {
		first = test()
		return first.status == http.StatusServiceUnavailable
	})
	wantNoSpace(t, "a test", first)
	sent := len(upstream.Requests())
	for path, body := range map[string]object{
		"/models/" + model + "/test":                   aPrompt(),
		"/models/" + model + "/verify":                 {},
		"/providers/" + provider + "/test":             {"prompt": "Say hello.", "model_id": upstream.ModelID},
		"/providers/" + provider + "/test-models":      aPrompt(),
		"/providers/" + provider + "/check":            {},
		"/providers/" + provider + "/available-models": {},
		"/provider-types/" + upstream.Type + "/test":   draftOf(upstream, object{"prompt": "Say hello.", "model_id": upstream.ModelID}),
		"/provider-types/" + upstream.Type + "/check":  draftOf(upstream, object{}),
	} {
		wantNoSpace(t, path, s.call(t, "POST", path, body))
	}
	wantNoSpace(t, "readiness", s.call(t, "GET", "/readyz", nil))
	if now := len(upstream.Requests()); now != sent {
		t.Errorf("%d requests were sent while the disk was full", now-sent)
	}
	s.must(t, 200, "GET", "/providers/"+provider, nil)
	s.must(t, 200, "GET", "/healthz", nil)

	disk.Free(t)
	eventually(t, "the service is ready again", func() bool { return s.call(t, "GET", "/readyz", nil).status == 200 })
	if got := test(); got.status != 200 || got.string("status") != "success" {
		t.Errorf("a test when there is space again: %d %s", got.status, got.text)
	}
	log := s.log.String()
	for _, line := range []string{"level=ERROR msg=\"the database has no space left", "msg=\"the database has space again"} {
		if !strings.Contains(log, line) {
			t.Errorf("the log has no line %s", line)
		}
	}
}

// draftOf adds the settings of an upstream to a body.
func draftOf(upstream *providertest.Server, body object) object {
	body["credentials"], body["config"] = upstream.Credentials, settingsOf(upstream)
	return body
}

func wantNoSpace(t *testing.T, what string, got answer) {
	t.Helper()
	if got.status != http.StatusServiceUnavailable || got.string("code") != "unavailable" || got.header.Get("Retry-After") == "" ||
		!strings.Contains(got.string("detail"), "no space left") || strings.Contains(got.string("detail"), "reached") {
		t.Errorf("%s while the disk is full: %d %s", what, got.status, got.text)
	}
}
