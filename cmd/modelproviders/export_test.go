package main

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"modelproviders/pkg/client"
)

// TestExportAndApply: what is exported is what there is, and creates the same elsewhere.
func TestExportAndApply(t *testing.T) {
	r, _ := applied(t)
	for i, name := range []string{"yes", "null", "a: b # c", "- x", "'quoted' \"twice\"", "Ünïcode 模型", "Production-OpenAI", "PRODUCTION_OPENAI", "1st", "*anchor", "{flow}", "2024-10-21"} {
		_, err := r.CreateProvider(t.Context(), client.ProviderCreate{Name: name, Type: client.ProviderTypeNameCustom,
			Credentials: client.CustomCredentials{APIKey: "sk-x"}, Config: client.CustomConfig{BaseURL: fmt.Sprint("https://host/", i, "/v1/")},
			Models: []client.ModelCreate{{ModelID: name, DisplayName: name + "!", SupportedStages: []client.StageName{client.StageNamePlanning}}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	exported := r.run("export")
	if exported.status != exitOK || exported.stdout != r.run("export").stdout {
		t.Fatalf("exports differ, or failed:\n%s", exported.stderr)
	}
	if got := r.apply(exitOK, exported.stdout, "--prune"); got.stdout != "" || !strings.Contains(got.stderr, "14 unchanged") {
		t.Errorf("applying an export to the same service changes\n%s%s", got.stdout, got.stderr)
	}

	other := startRemote(t)
	variables := map[string]bool{}
	for line := range strings.Lines(exported.stdout) {
		if _, name, ok := strings.Cut(line, "{env: "); ok {
			name, _, _ = strings.Cut(name, "}")
			variables[name] = true
			t.Setenv(name, "sk-"+name)
		}
	}
	if len(variables) != 14 || !variables["PRODUCTION_OPENAI_API_KEY"] || !variables["PRODUCTION_OPENAI_API_KEY_2"] || !variables["_1ST_API_KEY"] {
		t.Errorf("the variables are %v", variables)
	}
	other.apply(exitOK, exported.stdout)
	if again := other.run("export"); again.stdout != exported.stdout {
		t.Errorf("the other service exports\n%s\nand not\n%s", again.stdout, exported.stdout)
	}
	if p := other.provider("Production OpenAI"); other.key(p) != "sk-PRODUCTION_OPENAI_API_KEY" {
		t.Errorf("the key is %s", other.key(p))
	}
}

func TestExportOfSome(t *testing.T) {
	r, _ := applied(t)
	got := r.run("export", "--provider", "AZURE")
	if !strings.Contains(got.stdout, "- name: Azure\n") || strings.Contains(got.stdout, "Production") {
		t.Errorf("exported is\n%s", got.stdout)
	}
	if got := r.run("export", "--provider", "Nobody"); got.status != exitFailed || !strings.Contains(got.stderr, `no provider named "Nobody"`) {
		t.Errorf("the export of an unknown provider: %+v", got)
	}
	if got := startRemote(t).run("export"); !strings.HasSuffix(got.stdout, "providers: []\n") {
		t.Errorf("the export of nothing is %s", got.stdout)
	}
}

// TestExportOfManyPages also reads stdin.
func TestExportOfManyPages(t *testing.T) {
	r := startRemote(t)
	t.Setenv("TEST_KEY", "sk-x")
	var manifest strings.Builder
	manifest.WriteString("providers:\n")
	for i := range 250 {
		fmt.Fprintf(&manifest, "- {name: Provider %03d, type: openai, status: active, credentials: {api_key: {env: TEST_KEY}}, models: [{model_id: gpt-4o, supported_stages: [planning]}]}\n", i)
	}
	if got := r.apply(exitOK, manifest.String()); !strings.Contains(got.stderr, "250 created") {
		t.Error(got.stderr)
	}
	exported := r.run("export").stdout
	stdin := os.Stdin
	defer func() { os.Stdin = stdin }()
	var err error
	if os.Stdin, err = os.Open(r.write("exported.yaml", exported)); err != nil {
		t.Fatal(err)
	}
	if got := r.run("apply", "-f", "-"); got.status != exitOK || !strings.Contains(got.stderr, "stdin: 0 created, 0 updated, 0 deleted, 250 unchanged") {
		t.Errorf("%d: %s", got.status, got.stderr)
	}
	// If a page can't be read, nothing is printed: --prune would delete what a part lacks.
	r.url = r.between(func(w http.ResponseWriter, request *http.Request) bool {
		broken := request.FormValue("cursor") != ""
		if broken {
			w.WriteHeader(http.StatusInternalServerError)
		}
		return broken
	})
	if got := r.run("export"); got.status != exitFailed || got.stdout != "" {
		t.Errorf("the export of a part has the status %d and prints\n%s", got.status, got.stdout)
	}
}
