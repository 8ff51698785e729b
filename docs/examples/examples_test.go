// Package examples_test runs the examples against a service with fake upstreams.
package examples_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
	"modelproviders/pkg/provider/providertest"
)

const (
	oldKey     = "sk-proj-leaked-0123456789abcdef"
	unknownKey = "sk-proj-unknown-0123456789abcdef"
	headerKey  = "sk-header-leaked-0123456789abcdef"
)

// service is a service with fake upstreams, behind a proxy that is often busy.
type service struct {
	*apitest.Client
	openAI, custom *providertest.Server
	url            string // of the proxy
	proxy          *busyProxy
}

func startService(t *testing.T) service {
	openAI, custom := providertest.Start(t, providertest.OpenAI()), providertest.Start(t, providertest.Custom())
	unchecked := func(base http.RoundTripper, _ string) http.RoundTripper { return base }
	s := apitest.Start(t, unchecked, "SQLite", func(cfg *app.Config) {
		cfg.BasePath = "/api/v1"
		cfg.ProviderEndpoints = openAI.ProviderEndpoints()
		cfg.AllowUpstreams = []string{custom.Host()}
	})
	behind, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	behind.Path = ""
	proxy := &busyProxy{refused: map[string]bool{}, next: httputil.NewSingleHostReverseProxy(behind)}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return service{Client: s.Admin(t), openAI: openAI, custom: custom, url: server.URL + "/api/v1", proxy: proxy}
}

// busyProxy refuses the first request of each kind, and makes pages of two entries.
type busyProxy struct {
	next http.Handler

	mu      sync.Mutex
	refused map[string]bool
	keys    []string // Idempotency-Keys of requests that create
}

var ids = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`)

func (p *busyProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	kind := r.Method + " " + ids.ReplaceAllString(r.URL.Path, "ID")
	again := p.refused[kind]
	p.refused[kind] = true
	if kind == "POST /api/v1/providers" {
		p.keys = append(p.keys, r.Header.Get("Idempotency-Key"))
	}
	p.mu.Unlock()
	if !again {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	if query := r.URL.Query(); query.Has("limit") {
		query.Set("limit", "2")
		r.URL.RawQuery = query.Encode()
	}
	p.next.ServeHTTP(w, r)
}

// language runs an example written in it.
type language func(example string, args ...string) *exec.Cmd

func TestShell(t *testing.T) {
	needs(t, "curl", "jq")
	printed := testExamples(t, func(example string, args ...string) *exec.Cmd {
		return exec.Command("sh", append([]string{"shell/" + example + ".sh"}, args...)...)
	})
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, output := range printed {
		if !strings.Contains(withoutTimes(string(readme)), withoutTimes(output)) {
			t.Errorf("the README does not contain\n%s", output)
		}
	}
}

var milliseconds = regexp.MustCompile(`(success|failed) +\d+`)

// withoutTimes takes out of a table what differs every time.
func withoutTimes(table string) string { return milliseconds.ReplaceAllString(table, "$1 ms") }

func TestGo(t *testing.T) {
	dir := t.TempDir()
	if output, err := exec.Command("go", "build", "-o", dir, "./go/...").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	testExamples(t, func(example string, args ...string) *exec.Cmd {
		return exec.Command(filepath.Join(dir, example), args...)
	})
}

func TestTypeScript(t *testing.T) {
	if _, err := os.Stat("typescript/dist"); err != nil {
		t.Skip("the examples are not built: run npm ci && npm run build in docs/clients/typescript and in docs/examples/typescript")
	}
	needs(t, "node")
	testExamples(t, func(example string, args ...string) *exec.Cmd {
		return exec.Command("node", append([]string{"typescript/dist/" + example + ".js"}, args...)...)
	})
}

func needs(t *testing.T, programs ...string) {
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}

// testExamples runs the examples one after the other, as a person would after a key
// leaked, and looks at the service. It returns the output for the README.
func testExamples(t *testing.T, run language) (printed []string) {
	t.Helper()
	t.Parallel()
	s := startService(t)
	newKey := s.openAI.Credentials["api_key"].(string)
	customKey := s.custom.Credentials["api_key"].(string)
	secrets := []string{s.Token, oldKey, unknownKey, headerKey, newKey, customKey}
	programs := watched(t, secrets)

	// example runs an example and returns what it printed, with the exit status last.
	example := func(name string, env []string, args ...string) string {
		t.Helper()
		cmd := run(name, args...)
		cmd.Env = append(os.Environ(), "MODELPROVIDERS_URL="+s.url, "MODELPROVIDERS_TOKEN="+s.Token, "PATH="+programs)
		cmd.Env = append(cmd.Env, env...)
		output, err := cmd.CombinedOutput()
		for _, secret := range secrets {
			if bytes.Contains(output, []byte(secret)) {
				t.Errorf("%s prints a secret:\n%s", name, output)
			}
		}
		if err != nil {
			return string(output) + err.Error()
		}
		return string(output) + "exit status 0"
	}

	csv := filepath.Join(t.TempDir(), "providers.csv")
	rows := "name,type,credentials.api_key,config.base_url,models,stages\r\n" +
		"Production OpenAI,openai," + oldKey + ",,gpt-4-turbo,planning tool_call\r\n" +
		"\"OpenAI, \"\"Europe\"\"\",openai," + oldKey + ",,gpt-4-turbo,\r\n" +
		"LiteLLM,custom," + customKey + "," + s.custom.URL + ",team/my-model team/retired,summarization\r\n" +
		"Incomplete,openai,,,gpt-4-turbo,\r\n"
	if err := os.WriteFile(csv, []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	imported := example("import-providers", nil, csv)
	table(t, "import", imported,
		"NAME TYPE RESULT DETAIL",
		"Production OpenAI openai created models: 1",
		`OpenAI, "Europe" openai created models: 1`,
		"LiteLLM custom created models: 2",
		"Incomplete openai failed .*credentials.api_key is required.*",
		"exit status 1")
	s.imported(t)
	s.proxy.sentOnce(t)
	table(t, "import again", example("import-providers", nil, csv),
		"NAME TYPE RESULT DETAIL",
		"Production OpenAI openai exists",
		`OpenAI, "Europe" openai exists`,
		"LiteLLM custom exists",
		"Incomplete openai failed .*credentials.api_key is required.*",
		"exit status 1")

	refused := `failed \d+ authentication: Incorrect API key provided: sk-proj-.*`
	tested := example("test-models", nil)
	table(t, "test with the old key", tested,
		"PROVIDER MODEL RESULT MS DETAIL",
		"Production OpenAI gpt-4-turbo "+refused,
		`OpenAI, "Europe" gpt-4-turbo `+refused,
		`LiteLLM team/my-model success \d+`,
		`LiteLLM team/retired failed \d+ model_not_found: .*`,
		"exit status 1")

	table(t, "rotate to an unknown key", example("rotate-key", []string{"OLD_KEY=" + oldKey, "NEW_KEY=" + unknownKey}),
		"PROVIDER FIELD RESULT DETAIL",
		"Production OpenAI api_key kept the new key: .*",
		`OpenAI, "Europe" api_key kept the new key: .*`,
		"exit status 1")
	rotated := example("rotate-key", []string{"OLD_KEY=" + oldKey, "NEW_KEY=" + newKey})
	table(t, "rotate", rotated,
		"PROVIDER FIELD RESULT DETAIL",
		"Production OpenAI api_key replaced 1 of 1 models answer",
		`OpenAI, "Europe" api_key replaced 1 of 1 models answer`,
		"exit status 0")
	table(t, "rotate again", example("rotate-key", []string{"OLD_KEY=" + oldKey, "NEW_KEY=" + newKey}),
		"no provider has the old key",
		"PROVIDER FIELD RESULT DETAIL",
		"exit status 0")
	// A key in a header is replaced too, and the other headers are kept.
	gateway := s.In(t).CreateProvider(apitest.Object{"name": "Gateway", "type": "custom", "config": apitest.Object{"base_url": s.custom.URL},
		"credentials": apitest.Object{"headers": apitest.Object{"Authorization": "Bearer " + headerKey, "X-Team": "research"}}})
	table(t, "rotate a header", example("rotate-key", []string{"OLD_KEY=" + headerKey, "NEW_KEY=Bearer " + customKey}),
		"PROVIDER FIELD RESULT DETAIL",
		"Gateway headers.authorization replaced 0 of 0 models answer",
		"exit status 0")
	for field, value := range map[string]string{"authorization": "Bearer " + customKey, "x-team": "research"} {
		answer := s.In(t).Post(gateway.Path()+"/credentials/headers."+field+"/reveal", nil).Is(http.StatusOK)
		if got := answer.Object()["value"]; got != value {
			t.Errorf("after the rotation, %s is %v", field, got)
		}
	}
	s.In(t).Delete(gateway.Path()).Is(http.StatusNoContent)
	// Only models that are available are tested.
	retired := s.imported(t).Models[1]
	s.In(t).Patch(retired.Path(), apitest.Object{"enabled": false}).Is(http.StatusOK)
	table(t, "test with the new key", example("test-models", nil),
		"PROVIDER MODEL RESULT MS DETAIL",
		`Production OpenAI gpt-4-turbo success \d+`,
		`OpenAI, "Europe" gpt-4-turbo success \d+`,
		`LiteLLM team/my-model success \d+`,
		"exit status 0")
	for _, output := range []string{imported, tested, rotated} {
		table, _, _ := strings.Cut(output, "exit status")
		printed = append(printed, table)
	}
	return printed
}

// imported checks the imported providers, and returns the last one.
func (s service) imported(t *testing.T) apitest.Provider {
	t.Helper()
	var list struct {
		Data       []apitest.Provider `json:"data"`
		NextCursor *string            `json:"next_cursor"`
	}
	s.In(t).Get("/providers?sort=created_at").Is(http.StatusOK).Into(&list)
	if len(list.Data) != 3 {
		t.Fatalf("%d providers were created", len(list.Data))
	}
	first, last := list.Data[0], list.Data[2]
	if stages, _ := json.Marshal(first.Models[0].SupportedStages); string(stages) != `["planning","tool_call"]` {
		t.Errorf("the first model's stages are %s", stages)
	}
	if last.Config["base_url"] == "" || !last.Credentials["api_key"].Set || last.Models[0].ModelID != "team/my-model" {
		t.Errorf("the last provider is %+v", last)
	}
	return last
}

// sentOnce checks the Idempotency-Keys of four rows, of which the first one was refused
// and sent again.
func (p *busyProxy) sentOnce(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if keys := p.keys; len(keys) != 5 || keys[0] != keys[1] || keys[1] == keys[2] || keys[0] == "" {
		t.Errorf("the Idempotency-Keys are %q", keys)
	}
}

// table compares what an example printed with patterns of lines, without regard to the
// width of columns.
func table(t *testing.T, name, printed string, patterns ...string) {
	t.Helper()
	lines := strings.Split(printed, "\n")
	matches := len(lines) == len(patterns)
	for i := 0; matches && i < len(lines); i++ {
		line := strings.Join(strings.Fields(lines[i]), " ")
		matches = regexp.MustCompile("^(" + patterns[i] + ")$").MatchString(line)
	}
	if !matches {
		t.Errorf("%s prints\n%s\nwant\n%s", name, printed, strings.Join(patterns, "\n"))
	}
}

// watched returns a PATH on which no program may be started with a secret on its command
// line, because other users can see it.
func watched(t *testing.T, secrets []string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"curl", "jq", "cat", "tr"} {
		program, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		script := "#!/bin/sh\ncase \"$*\" in\n"
		for _, secret := range secrets {
			script += "*'" + secret + "'*) echo a secret is on the command line of " + name + " >&2; exit 99;;\n"
		}
		script += "esac\nexec " + program + " \"$@\"\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir + string(os.PathListSeparator) + os.Getenv("PATH")
}
