package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"modelproviders/pkg/app"
)

func TestManifestFaults(t *testing.T) {
	const head = "providers:\n- name: P\n  type: openai\n  "
	for manifest, want := range map[string]string{
		"":                                       "0: providers is required; a file that lists no provider contains providers: []",
		"# nothing\n---\n":                       "0: providers is required",
		"providers: []\n---\n":                   "",
		"a: 1":                                   "1: a is unknown; the fields are providers\n1: providers is required",
		"{}":                                     "1: providers is required",
		"- x":                                    "1: must be a mapping with the fields providers",
		"providers: x":                           "1: providers must be a list",
		"providers:\n- x":                        "2: providers[0] must be a mapping with the fields name, type",
		"providers: []\nproviders: []":           "2: providers is there twice",
		"providers:\n\t- x":                      "line 2: ",
		"providers:\n- {type: openai}":           "2: providers[0].name is required",
		"providers:\n- {name: P}":                "2: providers[0].type is required",
		"providers:\n- {name: [], type: openai}": "2: providers[0].name must be a text",
		"providers:\n- {name: , type: openai}":   "2: providers[0].name must be a text",
		"providers:\n- {name: \"\", type: openai}":                                     "2: providers[0].name must not be empty",
		"providers:\n- {name: " + strings.Repeat("x", 101) + ", type: openai}":         "2: providers[0].name must have at most 100 characters",
		"providers:\n- {name: P, type: openai}\n- {name: p, type: openai}":             "3: providers[1].name is the same as in line 2",
		"providers:\n- {name: P, type: openai}\n---\nproviders:\n- {name: p, type: a}": "5: providers[0].name is the same as in line 2",
		head + "name: Q":                                                                    "4: providers[0].name is there twice",
		head + "enabled: true":                                                              "4: providers[0].enabled is unknown",
		head + "status: error":                                                              "4: providers[0].status must be one of active, inactive",
		head + "config: x":                                                                  "4: providers[0].config must be a mapping",
		head + "config:":                                                                    "4: providers[0].config must be a mapping; leave it out if it has no fields",
		head + "config: {base_url: {}}":                                                     "4: providers[0].config.base_url must be a text",
		head + "credentials: sk-secret":                                                     "4: providers[0].credentials must be a mapping",
		head + "credentials: {api_key: sk-secret}":                                          "4: providers[0].credentials.api_key must be {env: NAME}, {file: PATH} or {set: false}: the file must not contain the secret itself",
		head + "credentials: {api_key: {env: sk-secret}}":                                   "4: providers[0].credentials.api_key.env must be the name of an environment variable",
		head + "credentials: {api_key: {value: sk-secret}}":                                 "4: providers[0].credentials.api_key.value is unknown; the fields are env, file, set",
		head + "credentials: {api_key: {env: A, file: b}}":                                  "4: providers[0].credentials.api_key must have one of env, file and set",
		head + "credentials: {api_key: {}}":                                                 "4: providers[0].credentials.api_key must have one of env, file and set",
		head + "credentials: {api_key: {set: true}}":                                        "4: providers[0].credentials.api_key.set must be one of false",
		head + "credentials: {api_key: {env: A, set: false}}":                               "4: providers[0].credentials.api_key must have one of env, file and set",
		head + "credentials: {headers: {X-A: {env: sk-secret}}}":                            "4: providers[0].credentials.headers.X-A.env must be the name of an environment variable",
		head + "credentials: {headers: {X-A: sk-secret, X-B: {env: B}}}":                    "4: providers[0].credentials.headers.X-A must be {env: NAME}, {file: PATH} or {set: false}",
		head + "credentials: {headers: {X-A: {env: A}, x-a: {env: B}}}":                     "4: providers[0].credentials.headers.x-a is the same as in line 4",
		head + "models: {}":                                                                 "4: providers[0].models must be a list",
		head + "models:":                                                                    "4: providers[0].models must be a list",
		head + "models:\n  - gpt":                                                           "5: providers[0].models[0] must be a mapping",
		head + "models:\n  - {display_name: x}":                                             "5: providers[0].models[0].model_id is required",
		head + "models:\n  - {model_id: a}\n  - {model_id: a}":                              "6: providers[0].models[1].model_id is the same as in line 5",
		head + "models:\n  - {model_id: a, enabled: on}":                                    "5: providers[0].models[0].enabled must be one of true, false",
		head + "models:\n  - {model_id: a, supported_stages: planning}":                     "5: providers[0].models[0].supported_stages must be a list",
		head + "models:\n  - {model_id: a, supported_stages: []}":                           "5: providers[0].models[0].supported_stages must have at least one stage",
		head + "models:\n  - {model_id: a, supported_stages: [plan]}":                       "5: providers[0].models[0].supported_stages[0] must be one of planning, tool_call",
		head + "models:\n  - {model_id: a, supported_stages: [planning, planning]}":         "5: providers[0].models[0].supported_stages has planning twice",
		head + "models:\n  - {model_id: a, display_name: " + strings.Repeat("x", 101) + "}": "5: providers[0].models[0].display_name must have at most 100 characters",
		head + "models:" + strings.Repeat("\n  - {model_id: a}", 501):                       "5: providers[0].models has more than 500 models",
	} {
		_, faults, err := readManifest(strings.NewReader(manifest))
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, f := range faults {
			said = append(said, fmt.Sprintf("%d: %s", f.line, f.text))
		}
		text := strings.Join(said, "\n")
		if !strings.Contains(text, want) || want == "" && text != "" || len(faults) > 1+strings.Count(want, "\n") {
			t.Errorf("%.80q: want %q, got\n%s", manifest, want, text)
		}
		if strings.Contains(text, "sk-secret") {
			t.Errorf("the message contains the secret: %s", text)
		}
	}
}

func TestManifestTakesAnyYAML(t *testing.T) {
	const manifest = `
providers:
- &first
  name: 2024
  type: gcp_vertex_ai
  config: {project: 012345678901, region: global}
  models: &models
  - model_id: 4
    supported_stages: &stages [planning]
  - {model_id: b, supported_stages: *stages, enabled: false}
---
# another document
providers:
- {name: Second, type: openai, models: *models2}
`
	_, faults, err := readManifest(strings.NewReader(manifest))
	if err != nil || len(faults) != 1 || !strings.Contains(faults[0].text, "models2") {
		t.Errorf("an unknown alias: %v, %v", faults, err)
	}
	providers, faults, err := readManifest(strings.NewReader(strings.Replace(manifest, "*models2", "[]", 1)))
	if err != nil || len(faults) > 0 || len(providers) != 2 {
		t.Fatalf("%+v, %v, %v", providers, faults, err)
	}
	p := providers[0]
	if p.Name != "2024" || p.Config["project"] != "012345678901" || p.Models[0].ModelID != "4" || p.Models[1].SupportedStages[0] != "planning" || *p.Models[1].Enabled {
		t.Errorf("the provider is %+v", p)
	}
	if providers[1].Models == nil || p.Credentials == nil {
		t.Error("an empty list counts as none")
	}
}

// TestManifestIsBounded: a small file can't become a large one.
func TestManifestIsBounded(t *testing.T) {
	if _, _, err := readManifest(endless{}); err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") {
		t.Errorf("an endless file: %v", err)
	}
	bomb := "a: &m [" + strings.Repeat("{model_id: a, supported_stages: [planning]},", 1) + "]\nproviders:\n" + strings.Repeat("- {type: openai, models: *m}\n", 200_000)
	_, faults, err := readManifest(strings.NewReader(bomb))
	if err != nil || len(faults) == 0 || len(faults) > maxManifestFaults {
		t.Errorf("%d faults, %v", len(faults), err)
	}
}

// endless is a comment without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '#'
	}
	return len(p), nil
}

// TestManifestSchema: apply.schema.json accepts what export writes and the example of the
// documentation, refuses what apply refuses, and knows all stages.
func TestManifestSchema(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "apply.schema.json")
	schema, err := jsonschema.NewCompiler().Compile(path)
	if err != nil {
		t.Fatal(err)
	}
	valid := func(manifest string) bool {
		var document any
		if err := yaml.Unmarshal([]byte(manifest), &document); err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		err = schema.Validate(parsed)
		_, faults, _ := readManifest(strings.NewReader(manifest))
		if (err == nil) != (len(faults) == 0) {
			t.Errorf("the schema says %v, apply %v, of\n%s", err, faults, manifest)
		}
		return err == nil
	}
	r, _ := applied(t)
	_, example, _ := strings.Cut(readFile(t, filepath.Join("..", "..", "docs", "apply.md")), "```yaml\n")
	example, _, _ = strings.Cut(example, "```")
	all := "providers: [{name: P, type: t, models: [{model_id: 4, supported_stages: [" + strings.Join(app.StageNames(), ", ") + "]}]}]"
	removed := "providers: [{name: P, type: t, credentials: {api_key: {set: false}, headers: {env: {env: A}, file: {set: false}}}}]"
	for _, manifest := range []string{r.run("export").stdout, example, all, removed} {
		if !valid(manifest) {
			t.Errorf("refused is\n%s", manifest)
		}
	}
	for _, wrong := range []string{"{}", "providers: [{name: P}]", "providers: [{name: P, type: t, x: 1}]",
		"providers: [{name: P, type: t, status: error}]", "providers: [{name: P, type: t, credentials: {api_key: sk-x}}]",
		"providers: [{name: P, type: t, credentials: {api_key: {env: A, file: b}}}]",
		"providers: [{name: P, type: t, credentials: {api_key: {env: A, set: false}}}]", "providers: [{name: P, type: t, credentials: {api_key: {set: true}}}]",
		"providers: [{name: P, type: t, credentials: {headers: {X-A: {env: A}, X-B: sk-x}}}]", "providers: [{name: P, type: t, credentials: {headers: {}}}]",
		"providers: [{name: P, type: t, models: [{model_id: m, supported_stages: [x]}]}]"} {
		if valid(wrong) {
			t.Errorf("accepted is %s", wrong)
		}
	}
}
