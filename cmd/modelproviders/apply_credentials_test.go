package main

import (
	"strings"
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
