package main

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

// revealed returns a credential of a provider.
func (r *remote) revealed(provider, field string) string {
	r.t.Helper()
	revealed, err := r.RevealCredential(r.t.Context(), r.provider(provider).ID, field, "")
	if err != nil {
		r.t.Fatal(err)
	}
	return revealed.Value
}

// counted counts the writes to the service.
func (r *remote) counted() *atomic.Int64 {
	var writes atomic.Int64
	r.url = r.between(func(_ http.ResponseWriter, request *http.Request) bool {
		if request.Method != http.MethodGet {
			writes.Add(1)
		}
		return false
	})
	return &writes
}

// TestApplyHeaders: each header is set, kept and removed by itself.
func TestApplyHeaders(t *testing.T) {
	r := startRemote(t)
	manifest := func(url, headers string) string {
		return "providers:\n- {name: P, type: custom, config: {base_url: 'https://" + url + "'}, credentials: {headers: {" + headers + "}}}\n"
	}
	for name, value := range map[string]string{"TEAM": "sk-team-1", "KEY": "sk-key-1", "NEW": "sk-new-1"} {
		t.Setenv("TEST_"+name, value)
	}
	want := func(team, key, added string) {
		t.Helper()
		stored := map[string]string{}
		for name, state := range r.provider("P").Credentials {
			if state.Set {
				stored[name] = r.revealed("P", name)
			}
		}
		for name, value := range map[string]string{"headers.x-team": team, "headers.x-key": key, "headers.x-new": added} {
			if stored[name] != value {
				t.Errorf("%s is %q, not %q", name, stored[name], value)
			}
		}
	}
	const two = "X-Team: {env: TEST_TEAM}, x-KEY: {env: TEST_KEY}"
	got := r.apply(exitOK, manifest("a.example", two))
	if want := lines("create P  type  custom", "create P  config.base_url  https://a.example", "create P  credentials.headers.x-key  set", "create P  credentials.headers.x-team  set"); got.stdout != want {
		t.Errorf("printed is\n%swant\n%s", got.stdout, want)
	}
	want("sk-team-1", "sk-key-1", "")

	t.Setenv("TEST_TEAM", "sk-team-2")
	for _, unchanged := range []string{two, "X-Team: {env: NOT_SET_ANYWHERE}", "X-Absent: {set: false}"} {
		if got := r.apply(exitOK, manifest("a.example", unchanged), "--prune"); got.stdout != "" {
			t.Errorf("printed is %s", got.stdout)
		}
	}
	if got := r.apply(exitOK, manifest("a.example", "X-New: {env: TEST_NEW}"), "--credentials", "never"); got.stdout != "" {
		t.Errorf("printed is %s", got.stdout)
	}
	if got := r.apply(exitOK, manifest("a.example", two+", X-New: {env: TEST_NEW}")); got.stdout != lines("update P  credentials.headers.x-new  set") {
		t.Errorf("printed is %s", got.stdout)
	}
	want("sk-team-1", "sk-key-1", "sk-new-1")

	exported := r.run("export").stdout
	if !strings.Contains(exported, "x-new: {env: P_HEADERS_X_NEW}") || strings.Contains(exported, "api_key") {
		t.Errorf("exported is\n%s", exported)
	}
	if got := r.apply(exitOK, exported, "--prune"); got.stdout != "" {
		t.Errorf("applying an export changes\n%s", got.stdout)
	}

	got = r.apply(exitFailed, manifest("b.example", "X-Team: {env: TEST_TEAM}, X-New: {set: false}"))
	if !strings.Contains(got.stderr, "credentials.headers.x-key must be sent") || strings.Contains(got.stderr, "x-new") {
		t.Errorf("the errors are %s", got.stderr)
	}
	got = r.apply(exitOK, manifest("b.example", two+", X-New: {set: false}"))
	if want := lines("update P  config.base_url https://a.example https://b.example", "update P  credentials.headers.x-key  replaced",
		"update P  credentials.headers.x-new  removed", "update P  credentials.headers.x-team  replaced"); got.stdout != want {
		t.Errorf("printed is\n%swant\n%s", got.stdout, want)
	}
	want("sk-team-2", "sk-key-1", "")
	got = r.apply(exitFailed, manifest("b.example", "Host: {env: TEST_TEAM}"))
	if !strings.Contains(got.stderr, "providers.yaml:2: P: credentials.headers.host can't be set") {
		t.Errorf("the errors are %s", got.stderr)
	}
	r.apply(exitOK, manifest("b.example", "X-Team: {set: false}, X-Key: {set: false}"))
	want("", "", "")
}

// TestApplyChangesTheAuthMethod: with one request, which removes what is no longer used.
func TestApplyChangesTheAuthMethod(t *testing.T) {
	r := startRemote(t)
	t.Setenv("TEST_ID", "AKIAIOSFODNN7EXAMPLE")
	t.Setenv("TEST_SECRET", "sk-secret-of-the-access-key")
	t.Setenv("TEST_KEY", "sk-key-of-bedrock")
	const head = "providers:\n- name: P\n  type: aws_bedrock\n"
	const role = "arn:aws:iam::123456789012:role/models"
	const pair = head + "  config: {region: us-east-1, role_arn: '" + role + "'}\n  credentials: {access_key_id: {env: TEST_ID}, secret_access_key: {env: TEST_SECRET}}\n"
	const key = head + "  config: {region: us-east-1}\n  credentials: {api_key: {env: TEST_KEY}}\n"
	r.apply(exitOK, pair)
	writes := r.counted()

	got := r.apply(exitOK, key)
	if want := lines("update P  config.role_arn "+role+" ", "update P  credentials.access_key_id  removed",
		"update P  credentials.api_key  set", "update P  credentials.secret_access_key  removed"); got.stdout != want {
		t.Errorf("printed is\n%swant\n%s", got.stdout, want)
	}
	if p := r.provider("P"); p.Credentials["access_key_id"].Set || len(p.Config) != 1 || r.key(p) != "sk-key-of-bedrock" {
		t.Errorf("the provider is %+v", p)
	}
	if got := r.apply(exitOK, r.run("export").stdout); got.stdout != "" || writes.Load() != 1 {
		t.Errorf("after %d writes, applying an export changes\n%s", writes.Load(), got.stdout)
	}
	got = r.apply(exitOK, pair)
	if want := lines("update P  config.role_arn  "+role, "update P  credentials.access_key_id  set",
		"update P  credentials.api_key  removed", "update P  credentials.secret_access_key  set"); got.stdout != want || writes.Load() != 2 {
		t.Errorf("after %d writes, printed is\n%swant\n%s", writes.Load(), got.stdout, want)
	}
	both := strings.Replace(pair, "credentials: {", "credentials: {api_key: {env: TEST_KEY}, ", 1)
	got = r.apply(exitFailed, both, "--credentials", "always")
	if !strings.Contains(got.stderr, "credentials.api_key can't be combined with") {
		t.Errorf("the errors are %s", got.stderr)
	}
	// Only the key would be sent, because the pair is stored.
	got = r.apply(exitFailed, both)
	for _, field := range []string{"credentials.access_key_id", "credentials.secret_access_key", "config.role_arn"} {
		if !strings.Contains(got.stderr, field+" belongs to another authentication method") {
			t.Errorf("%s is not in the errors: %s", field, got.stderr)
		}
	}
	if writes.Load() != 2 {
		t.Errorf("there are %d writes", writes.Load())
	}
}
