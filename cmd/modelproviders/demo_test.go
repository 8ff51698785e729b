package main

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"modelproviders/pkg/provider/providertest"
)

// A demo tests a model without any key, reaches no other upstream than its own, and
// leaves nothing behind.
func TestDemo(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("TMPDIR", t.TempDir())
	s := start(t, nil, "--demo")
	named := regexp.MustCompile(`path=(\S+)/admin\.token`).FindStringSubmatch(s.stderr.String())
	if named == nil {
		t.Fatalf("the log does not say where the token is:\n%s", s.stderr)
	}
	s.signIn(t, named[1])
	models, _ := s.must(t, http.StatusOK, "GET", "/models", "").body["data"].([]any)
	if len(models) != 1 {
		t.Fatalf("the demo has the models %v", models)
	}
	model := models[0].(map[string]any)
	if name, _ := model["provider_name"].(string); !strings.Contains(name, "not a real model") {
		t.Errorf("the demo's provider is called %q", name)
	}
	tested := s.must(t, http.StatusOK, "POST", "/models/"+model["id"].(string)+"/test", `{"prompt":"Hello"}`)
	if tested.text("status") != "success" || !strings.HasSuffix(tested.text("response"), "Hello") {
		t.Errorf("the test of the model answers %v", tested.body)
	}
	verified := s.must(t, http.StatusOK, "POST", "/models/"+model["id"].(string)+"/verify", "")
	results, _ := verified.body["results"].([]any)
	statuses := map[any]any{}
	for _, result := range results {
		result, _ := result.(map[string]any)
		statuses[result["stage"]] = result["status"]
	}
	if want := (map[any]any{"planning": "passed", "tool_call": "passed", "summarization": "failed", "guardrail": "failed"}); !maps.Equal(statuses, want) {
		t.Errorf("the checks of the model are %v, want %v", statuses, want)
	}
	got := s.try(t, providertest.Start(t, providertest.Custom()))
	if failure, _ := got.body["error"].(map[string]any); failure["kind"] != "blocked" {
		t.Errorf("another server on this machine answers %d %v", got.status, got.body)
	}
	found := s.must(t, http.StatusOK, "GET", "/providers/"+model["provider_id"].(string)+"/available-models", "")
	if list, _ := found.body["data"].([]any); len(list) != 1 {
		t.Errorf("the stand-in lists %v", found.body)
	}
	if err := s.stop(); err != nil {
		t.Fatal("stopped with", err)
	}
	for _, dir := range []string{".", os.Getenv("TMPDIR")} {
		if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
			t.Errorf("the demo left %v (%v)", left, err)
		}
	}
}

func TestDemoUsesNoOtherData(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for name, value := range map[string]string{
		"DATA_DIR": "./data", "DATABASE_URL": "postgres://127.0.0.1:1/settings", "KEYSET": "keyset.json", "ADDR": "0.0.0.0:0", "EGRESS_PROXY": "http://127.0.0.1:1",
	} {
		words := environmentPrefix + name
		if name == "ADDR" {
			words = "loopback"
		}
		variables := map[string]string{environmentPrefix + "ADDR": "127.0.0.1:0", environmentPrefix + name: value}
		refused(t, variables, []string{"serve", "--demo"}, "--demo", words)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("the refused starts left %v (%v)", left, err)
	}
}
