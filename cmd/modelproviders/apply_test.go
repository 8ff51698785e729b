package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/client"
)

// remote is a service that export and apply call, and a directory with manifests.
type remote struct {
	*client.Client
	t     *testing.T
	url   string
	token string
	dir   string
}

func startRemote(t *testing.T) *remote {
	t.Helper()
	s := apitest.Start(t, func(base http.RoundTripper, _ string) http.RoundTripper { return base }, "SQLite")
	r := &remote{t: t, url: s.URL, token: s.Admin(t).Token, dir: t.TempDir()}
	r.Client = r.to(s.URL)
	return r
}

func (r *remote) to(url string) *client.Client {
	r.t.Helper()
	c, err := client.New(url, r.token)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// write writes a file and returns its path.
func (r *remote) write(name, content string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// result is what a command printed, and its exit status.
type result struct {
	stdout, stderr string
	status         int
}

// run runs a command that calls the service.
func (r *remote) run(args ...string) result {
	r.t.Helper()
	var stdout, stderr bytes.Buffer
	environ := environmentOf(map[string]string{"MODELPROVIDERS_URL": r.url, "MODELPROVIDERS_TOKEN": r.token})
	err := run(r.t.Context(), args, environ, &stdout, &stderr)
	status := conclude(err, &stderr)
	for _, text := range []string{stdout.String(), stderr.String()} {
		if strings.Contains(text, "sk-") || strings.Contains(text, r.token) {
			r.t.Errorf("%v printed a secret:\n%s", args, text)
		}
	}
	return result{stdout.String(), stderr.String(), status}
}

// apply applies a manifest and expects an exit status.
func (r *remote) apply(status int, manifest string, args ...string) result {
	r.t.Helper()
	got := r.run(append([]string{"apply", "-f", r.write("providers.yaml", manifest)}, args...)...)
	if got.status != status {
		r.t.Fatalf("the exit status is %d, not %d:\n%s%s", got.status, status, got.stdout, got.stderr)
	}
	return got
}

// provider reads a provider by its name.
func (r *remote) provider(name string) client.Provider {
	r.t.Helper()
	page, err := r.ListProvidersPage(r.t.Context(), client.ListProvidersParams{Name: name})
	if err != nil || len(page.Data) != 1 {
		r.t.Fatalf("there are %d providers named %q: %v", len(page.Data), name, err)
	}
	return page.Data[0]
}

func (r *remote) names() (names []string) {
	r.t.Helper()
	for p, err := range r.ListProviders(r.t.Context(), client.ListProvidersParams{}) {
		if err != nil {
			r.t.Fatal(err)
		}
		names = append(names, p.Name)
	}
	return names
}

func (r *remote) key(p client.Provider) string {
	r.t.Helper()
	revealed, err := r.RevealCredential(r.t.Context(), p.ID, "api_key", "")
	if err != nil {
		r.t.Fatal(err)
	}
	return revealed.Value
}

const twoProviders = `
providers:
- name: Production OpenAI
  type: openai
  credentials: {api_key: {env: TEST_OPENAI_KEY}}
  models:
  - {model_id: gpt-4o, display_name: GPT-4o, supported_stages: [tool_call, planning]}
  - {model_id: o1, supported_stages: [planning], enabled: false}
- name: Azure
  type: azure_openai
  status: inactive
  config: {base_url: "https://My-Resource.openai.azure.com:443/", api_version: 2024-10-21}
  credentials: {api_key: {file: keys/azure.txt}}
`

// applied returns a service on which twoProviders were applied.
func applied(t *testing.T) (*remote, result) {
	t.Helper()
	r := startRemote(t)
	t.Setenv("TEST_OPENAI_KEY", "sk-openai")
	if err := os.Mkdir(filepath.Join(r.dir, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	r.write("keys/azure.txt", "sk-azure\n")
	return r, r.apply(exitOK, twoProviders)
}

// lines joins expected lines; a space stands for a tab, and ~ for a space.
func lines(text ...string) string {
	var all strings.Builder
	for _, line := range text {
		all.WriteString(strings.NewReplacer(" ", "\t", "~", " ").Replace(line) + "\n")
	}
	return all.String()
}

func TestApplyCreates(t *testing.T) {
	r, got := applied(t)
	if want := lines("create Production~OpenAI  type  openai", "create Production~OpenAI  credentials.api_key  set",
		"create Production~OpenAI gpt-4o   tool_call~planning", "create Production~OpenAI o1   planning",
		"create Azure  type  azure_openai", "create Azure  status  inactive", "create Azure  config.api_version  2024-10-21",
		"create Azure  config.base_url  https://my-resource.openai.azure.com", "create Azure  credentials.api_key  set"); got.stdout != want {
		t.Errorf("printed is\n%swant\n%s", got.stdout, want)
	}
	if !strings.Contains(got.stderr, "providers.yaml: 2 created, 0 updated, 0 deleted, 0 unchanged, 0 failed") {
		t.Errorf("the summary is %s", got.stderr)
	}
	openai, azure := r.provider("Production OpenAI"), r.provider("Azure")
	if r.key(openai) != "sk-openai" || r.key(azure) != "sk-azure" {
		t.Error("the credentials are wrong")
	}
	if azure.Enabled || azure.Config["api_version"] != "2024-10-21" || !openai.Enabled || len(openai.Models) != 2 || openai.Models[1].Enabled {
		t.Errorf("created are %+v and %+v", openai, azure)
	}
}

// TestApplyIsIdempotent: nothing is asked for that is as the file says, not even the
// variables.
func TestApplyIsIdempotent(t *testing.T) {
	r, _ := applied(t)
	before := []int64{r.provider("Production OpenAI").Version, r.provider("Azure").Version}
	t.Setenv("TEST_OPENAI_KEY", "")
	for _, args := range [][]string{nil, {"--dry-run"}, {"--prune"}, {"--credentials", "never"}} {
		got := r.apply(exitOK, twoProviders, args...)
		if got.stdout != "" || !strings.Contains(got.stderr, "2 unchanged") {
			t.Errorf("%v: %s%s", args, got.stdout, got.stderr)
		}
	}
	if after := []int64{r.provider("Production OpenAI").Version, r.provider("Azure").Version}; after[0] != before[0] || after[1] != before[1] {
		t.Errorf("the versions are %d, not %d", after, before)
	}
}

func TestApplyUpdates(t *testing.T) {
	r, _ := applied(t)
	version := r.provider("Production OpenAI").Version
	const changed = `
providers:
- name: production openai
  type: openai
  status: inactive
  models:
  - {model_id: gpt-4o, display_name: Omni, supported_stages: [planning], enabled: false}
  - {model_id: gpt-5, supported_stages: [summarization]}
`
	want := lines("update production~openai  name Production~OpenAI production~openai", "update production~openai  status active inactive",
		"update production~openai gpt-4o display_name GPT-4o Omni", "update production~openai gpt-4o supported_stages planning~tool_call planning",
		"update production~openai gpt-4o enabled true false", "create production~openai gpt-5   summarization")
	if got := r.apply(exitDifferent, changed, "--dry-run"); got.stdout != want {
		t.Errorf("a dry run prints\n%swant\n%s", got.stdout, want)
	}
	if p := r.provider("Production OpenAI"); p.Version != version || p.Name != "Production OpenAI" {
		t.Fatalf("the dry run changed the provider to %+v", p)
	}
	if got := r.apply(exitOK, changed); got.stdout != want {
		t.Errorf("printed is\n%swant\n%s", got.stdout, want)
	}
	p := r.provider("production openai")
	if p.Name != "production openai" || p.Enabled || len(p.Models) != 3 || p.Models[0].DisplayName != "Omni" || p.Models[1].ModelID != "o1" || p.Version != version+1 {
		t.Errorf("the provider is now %+v", p)
	}
	got := r.apply(exitOK, changed, "--prune", "--json")
	if want := `{"action":"delete","provider":"production openai","model":"o1","before":"planning"}` + "\n" +
		`{"action":"delete","provider":"Azure","before":"azure_openai"}` + "\n"; got.stdout != want {
		t.Errorf("--prune --json prints\n%swant\n%s", got.stdout, want)
	}
	if p := r.provider("production openai"); len(p.Models) != 2 || len(r.names()) != 1 {
		t.Errorf("after --prune there are %v, and the models %+v", r.names(), p.Models)
	}
	const none = "providers:\n- {name: Production OpenAI, type: openai, models: []}\n"
	r.apply(exitOK, none, "--prune")
	if p := r.provider("Production OpenAI"); len(p.Models) != 0 {
		t.Errorf("after --prune of all models there are %+v", p.Models)
	}
}

func TestApplySendsCredentials(t *testing.T) {
	r := startRemote(t)
	manifest := func(url string) string {
		return "providers:\n- {name: P, type: custom, config: {base_url: '" + url + "'}, credentials: {api_key: {env: TEST_KEY}}}\n"
	}
	for i, row := range []struct {
		url, mode string
		status    int
		key       string // stored afterwards
		says      string
	}{
		{"https://a.example", "missing", exitOK, "sk-0-0", "credentials.api_key\t\tset"},
		{"https://a.example", "missing", exitOK, "sk-0-0", ""},
		{"https://a.example/v1", "missing", exitOK, "sk-0-0", "config.base_url"}, // the same address
		{"https://b.example", "never", exitFailed, "sk-0-0", "credentials.api_key must be sent, because base_url changes"},
		{"https://b.example", "missing", exitOK, "sk-0-4", "credentials.api_key\t\treplaced"},
		{"https://b.example", "always", exitOK, "sk-0-5", "credentials.api_key\t\treplaced"},
	} {
		t.Setenv("TEST_KEY", fmt.Sprint("sk-0-", i))
		got := r.apply(row.status, manifest(row.url), "--credentials", row.mode)
		if !strings.Contains(got.stdout+got.stderr, row.says) || row.says == "" && got.stdout != "" {
			t.Errorf("step %d prints %s%s", i, got.stdout, got.stderr)
		}
		if row.key != "" && r.key(r.provider("P")) != row.key {
			t.Errorf("after step %d the key is %s", i, r.key(r.provider("P")))
		}
	}
	got := r.apply(exitFailed, "providers:\n- {name: New, type: openai, credentials: {api_key: {env: TEST_KEY}}}\n", "--credentials", "never")
	if !strings.Contains(got.stderr, "credentials.api_key is required") {
		t.Errorf("without its credential, a new provider prints %s", got.stderr)
	}
}

func TestApplyPrunes(t *testing.T) {
	r, _ := applied(t)
	// Models of a provider without a list are not removed.
	if got := r.apply(exitOK, "providers:\n- {name: Production OpenAI, type: openai}\n", "--prune"); got.stdout != lines("delete Azure   azure_openai ") {
		t.Errorf("printed is %s", got.stdout)
	}
	if p := r.provider("Production OpenAI"); len(p.Models) != 2 {
		t.Errorf("the models are %+v", p.Models)
	}
	// An empty file, which an export that failed may leave, is not an empty list.
	for _, empty := range []string{"", manifestHead} {
		if got := r.apply(exitFailed, empty, "--prune"); !strings.Contains(got.stderr, "providers is required") {
			t.Errorf("an empty file: %s", got.stderr)
		}
	}
	if got := r.apply(exitOK, "providers: []\n", "--prune"); got.stdout != lines("delete Production~OpenAI   openai ") || len(r.names()) != 0 {
		t.Errorf("an empty list: printed is %s, there are %v", got.stdout, r.names())
	}
}

// between returns the URL of a proxy that calls before for each request.
func (r *remote) between(before func(w http.ResponseWriter, request *http.Request) (answered bool)) string {
	r.t.Helper()
	target, err := url.Parse(r.url)
	if err != nil {
		r.t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if !before(w, request) {
			forward.ServeHTTP(w, request)
		}
	}))
	r.t.Cleanup(proxy.Close)
	return proxy.URL
}

// TestApplyKeepsOthersEdits: somebody edits each provider after it was read.
func TestApplyKeepsOthersEdits(t *testing.T) {
	r, _ := applied(t)
	var edits, deletions atomic.Int64
	direct := r.url
	edit := func(atMost int64) string {
		r.url = direct
		edits.Store(0)
		return r.between(func(_ http.ResponseWriter, request *http.Request) bool {
			if request.Method == http.MethodDelete {
				deletions.Add(1)
			}
			if n := edits.Add(1); request.Method == http.MethodGet || n > atMost {
				edits.Add(-1)
				return false
			}
			p, err := r.GetProvider(context.Background(), strings.TrimPrefix(request.URL.Path, "/providers/"))
			if err == nil {
				_, err = r.CreateModel(context.Background(), p.ID, client.ModelCreate{ModelID: fmt.Sprint("theirs-", len(p.Models)), SupportedStages: []client.StageName{client.StageNamePlanning}})
			}
			if err != nil {
				t.Error(err)
			}
			return false
		})
	}
	manifest := func(name string) string {
		return "providers:\n- {name: Production OpenAI, type: openai, models: [{model_id: " + name + ", supported_stages: [planning]}]}\n"
	}
	r.url = edit(1)
	r.apply(exitOK, manifest("mine"))
	if p := r.provider("Production OpenAI"); len(p.Models) != 4 || edits.Load() != 1 {
		t.Errorf("after an edit meanwhile the models are %+v", p.Models)
	}
	r.url = edit(9)
	if got := r.apply(exitFailed, manifest("more")); !strings.Contains(got.stderr, "version_mismatch") || !strings.Contains(got.stderr, "1 failed") {
		t.Errorf("edits all the time: %s", got.stderr)
	}
	r.url = edit(1)
	r.apply(exitOK, "providers:\n- {name: Production OpenAI, type: openai}\n", "--prune")
	r.url = direct
	if names := r.names(); len(names) != 1 || deletions.Load() != 2 {
		t.Errorf("after %d deletions there are %v", deletions.Load(), names)
	}
}

// TestApplyAtTheSameTime: somebody else does what the file says, just before.
func TestApplyAtTheSameTime(t *testing.T) {
	r, _ := applied(t)
	direct := r.url
	var others sync.Map // what was done already
	r.url = r.between(func(_ http.ResponseWriter, request *http.Request) bool {
		if _, done := others.LoadOrStore(request.Method, true); done {
			return false
		}
		var err error
		switch request.Method {
		case http.MethodPost:
			_, err = r.CreateProvider(context.Background(), client.ProviderCreate{Name: "NEW", Type: client.ProviderTypeNameOpenAI, Credentials: client.OpenAICredentials{APIKey: "sk-theirs"}})
		case http.MethodDelete:
			err = r.DeleteProvider(context.Background(), strings.TrimPrefix(request.URL.Path, "/providers/"))
		}
		if err != nil {
			t.Error(err)
		}
		return false
	})
	got := r.apply(exitOK, "providers:\n- {name: New, type: openai, credentials: {api_key: {env: TEST_OPENAI_KEY}}}\n- {name: Azure, type: azure_openai}\n", "--prune")
	if !strings.Contains(got.stdout, lines("update New  name NEW New")) || !strings.Contains(got.stderr, "0 created, 1 updated, 1 deleted, 1 unchanged, 0 failed") {
		t.Errorf("printed is\n%s%s", got.stdout, got.stderr)
	}
	r.url = direct
	if names := r.names(); len(names) != 2 || r.key(r.provider("New")) != "sk-theirs" {
		t.Errorf("there are %v", names)
	}
}

// TestApplyGoesOn: one provider fails, the others are applied, and nothing is deleted.
func TestApplyGoesOn(t *testing.T) {
	r, _ := applied(t)
	r.url = r.between(func(w http.ResponseWriter, request *http.Request) bool {
		if request.Method == http.MethodPatch {
			w.WriteHeader(http.StatusInternalServerError)
		}
		return request.Method == http.MethodPatch
	})
	got := r.apply(exitFailed, `
providers:
- {name: Azure, type: azure_openai, status: active}
- {name: New, type: openai, credentials: {api_key: {env: TEST_OPENAI_KEY}}}
`, "--prune")
	if got.stdout != lines("create New  type  openai", "create New  credentials.api_key  set") {
		t.Errorf("printed is %s", got.stdout)
	}
	for _, part := range []string{"Azure: ", "1 not deleted, because something else failed", "1 created, 0 updated, 0 deleted, 0 unchanged, 1 failed"} {
		if !strings.Contains(got.stderr, part) {
			t.Errorf("%q is not in %s", part, got.stderr)
		}
	}
	if len(r.names()) != 3 {
		t.Errorf("there are %v", r.names())
	}
}

// TestApplyTellsAllFaults: before anything is changed.
func TestApplyTellsAllFaults(t *testing.T) {
	r, _ := applied(t)
	got := r.apply(exitFailed, `providers:
- name: Fine
  type: openai
  credentials: {api_key: {env: TEST_OPENAI_KEY}}
- name: Production OpenAI
  type: anthropic
- name: Third
  type: openai
  config: {region: x}
  credentials: {api_key: sk-value}
  models: [{model_id: a, supported_stages: []}]
- name: Fourth
  type: custom
  config: {base_url: "ftp://host", region: x}
  credentials: {api_key: {env: NOT_SET_ANYWHERE}}
  models:
  - {model_id: gpt-4o}
- name: Fifth
  type: azure_openai
  credentials: {api_key: {file: missing.txt}, other: {file: keys/azure.txt}}
`)
	want := []string{
		"nothing was changed",
		"providers.yaml:6: Production OpenAI: type is anthropic, but the provider is of type openai",
		"providers.yaml:9: Third: config.region is not a field of the type openai",
		"providers.yaml:10: providers[2].credentials.api_key must be {env: NAME}, {file: PATH} or {set: false}",
		"providers.yaml:11: providers[2].models[0].supported_stages must have at least one stage",
		"providers.yaml:14: Fourth: config.base_url must begin with https:// or http://",
		"providers.yaml:14: Fourth: config.region is not a field of the type custom",
		"providers.yaml:15: Fourth: credentials.api_key can't be read: the environment variable NOT_SET_ANYWHERE is not set",
		"providers.yaml:17: the model gpt-4o needs supported_stages",
		"providers.yaml:18: Fifth: config.api_version is required",
		"providers.yaml:20: Fifth: credentials.other is not a field of the type azure_openai",
		"missing.txt: no such file",
	}
	for _, part := range want {
		if !strings.Contains(got.stderr, part) {
			t.Errorf("%q is not in\n%s", part, got.stderr)
		}
	}
	if n := strings.Count(got.stderr, "\n"); n != 13 {
		t.Errorf("there are %d lines:\n%s", n, got.stderr)
	}
	if len(r.names()) != 2 {
		t.Errorf("there are %v", r.names())
	}
}

func TestApplyIsInterrupted(t *testing.T) {
	r, _ := applied(t)
	ctx, cancel := context.WithCancel(t.Context())
	r.url = r.between(func(_ http.ResponseWriter, request *http.Request) bool {
		if request.Method == http.MethodPost {
			_, _ = io.Copy(io.Discard, request.Body) // or the server would not notice that the client has gone
			cancel()
			<-request.Context().Done()
		}
		return false
	})
	var manifest strings.Builder
	manifest.WriteString("providers:\n")
	for i := range 2 * applyWorkers {
		fmt.Fprintf(&manifest, "- {name: New %d, type: openai, credentials: {api_key: {env: TEST_OPENAI_KEY}}}\n", i)
	}
	path := r.write("providers.yaml", manifest.String())
	var stdout, stderr bytes.Buffer
	err := run(ctx, []string{"apply", "-f", path, "--url", r.url, "--token", r.token}, nil, &stdout, &stderr)
	var exit exitError
	if !errors.As(err, &exit) || exit.status != exitFailed || stdout.String() != "" {
		t.Errorf("interrupted: %v\n%s%s", err, stdout.String(), stderr.String())
	}
	if n := strings.Count(stderr.String(), "\n"); n > applyWorkers+2 || !strings.Contains(stderr.String(), " not sent, because the command was interrupted\n") {
		t.Errorf("what was not sent is not summarised:\n%s", stderr.String())
	}
}

// TestRemote: how the service and its token are found.
func TestRemote(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := start(t, nil, "--data-dir", dir)
	address := strings.TrimPrefix(s.url, "http://")
	local := map[string]string{"MODELPROVIDERS_DATA_DIR": dir, "MODELPROVIDERS_ADDR": address}
	for name, row := range map[string]struct {
		environ map[string]string
		says    string
	}{
		"this machine":     {local, ""},
		"no service":       {map[string]string{"MODELPROVIDERS_DATA_DIR": t.TempDir(), "MODELPROVIDERS_ADDR": address}, "set MODELPROVIDERS_URL and MODELPROVIDERS_TOKEN"},
		"a wrong token":    {map[string]string{"MODELPROVIDERS_URL": s.url, "MODELPROVIDERS_TOKEN": "mp_wrong"}, "401 unauthenticated"},
		"a wrong URL":      {map[string]string{"MODELPROVIDERS_URL": "example.com"}, "must begin with http:// or https://"},
		"a token by name":  {map[string]string{"MODELPROVIDERS_URL": s.url, "MODELPROVIDERS_TOKEN": readFile(t, filepath.Join(dir, "admin.token"))}, ""},
		"nobody listening": {map[string]string{"MODELPROVIDERS_URL": "http://127.0.0.1:1"}, "connection refused"},
	} {
		var stdout, stderr bytes.Buffer
		err := run(t.Context(), []string{"export"}, environmentOf(row.environ), &stdout, &stderr)
		if (err == nil) != (row.says == "") || err != nil && !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
