package app_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"modelproviders/pkg/app"
	"modelproviders/pkg/provider/providertest"
)

// patience bounds every wait. It is reached only if something is broken.
const patience = time.Minute

// service is a running service and a client with the token of its admin.
type service struct {
	*app.App
	dir   string
	token string
	log   *output
	http  *http.Client
}

// start starts a service on a new data directory; change may alter its configuration. The
// test must stop it.
func start(t testing.TB, change ...func(*app.Config)) *service {
	t.Helper()
	s := &service{log: &output{}}
	config := app.Config{
		Addr: "127.0.0.1:0", DataDir: filepath.Join(t.TempDir(), "data"), Reveal: true, TestTimeout: patience, DatabaseConnections: 10,
		AllowUpstreams: []string{"127.0.0.1/32"}, // where the fakes are
	}
	for _, f := range change {
		f(&config)
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	var err error
	if s.App, err = app.Start(t.Context(), config); err != nil {
		t.Fatal("start the service: ", err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: authority(t, config.TLSCert)}}
	t.Cleanup(transport.CloseIdleConnections)
	s.dir, s.http = config.DataDir, &http.Client{Transport: transport, Timeout: patience}
	if token, err := os.ReadFile(filepath.Join(s.dir, "admin.token")); err == nil {
		s.token = strings.TrimSpace(string(token))
	}
	return s
}

// running is [start] for a service that is stopped when the test ends.
func running(t testing.TB, change ...func(*app.Config)) *service {
	t.Helper()
	s := start(t, change...)
	t.Cleanup(func() {
		s.http.CloseIdleConnections() // the server waits 5 seconds for connections that were never used
		if err := s.Close(); err != nil {
			t.Error("stop the service:", err)
		}
	})
	return s
}

// onPostgres sets a database, and a keyset that services can share.
func onPostgres(url, keyset string) func(*app.Config) {
	return func(c *app.Config) { c.DatabaseURL, c.Keyset = url, keyset }
}

// object is a JSON object.
type object = map[string]any

// answer is the answer to a call.
type answer struct {
	version string // of HTTP
	status  int
	header  http.Header
	text    string
	body    object // nil where the text is no JSON object
}

// string returns a string of the body, or an empty one.
func (a answer) string(name string) string {
	s, _ := a.body[name].(string)
	return s
}

// modelID returns the id of the first model of a provider.
func (a answer) modelID() string {
	return a.body["models"].([]any)[0].(object)["id"].(string)
}

// try makes one call. A body that is a string is sent as it is, nil not at all, and
// others as JSON; headers are pairs of name and value. The error is the
// connection's.
func (s *service) try(ctx context.Context, method, path string, body any, headers ...string) (answer, error) {
	var reader io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(body)
	default:
		text, err := json.Marshal(body)
		if err != nil {
			return answer{}, err
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, s.URL()+path, reader)
	if err != nil {
		return answer{}, err
	}
	if s.token != "" {
		request.Header.Set("Authorization", "Bearer "+s.token)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for pair := range slices.Chunk(headers, 2) {
		request.Header.Set(pair[0], pair[1])
	}
	response, err := s.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	got := answer{version: response.Proto, status: response.StatusCode, header: response.Header, text: string(text)}
	_ = json.Unmarshal(text, &got.body) // a stream of events is not JSON
	return got, err
}

// call is [service.try] that fails the test on an error of the connection.
func (s *service) call(t testing.TB, method, path string, body any, headers ...string) answer {
	t.Helper()
	got, err := s.try(t.Context(), method, path, body, headers...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return got
}

// must is [service.call] that fails the test on any other status.
func (s *service) must(t testing.TB, status int, method, path string, body any, headers ...string) answer {
	t.Helper()
	got := s.call(t, method, path, body, headers...)
	if got.status != status {
		t.Fatalf("%s %s answered %d, not %d: %s\n%s", method, path, got.status, status, got.text, s.log)
	}
	return got
}

// connect creates a provider for the upstream with a model that it serves, and returns
// their ids.
func (s *service) connect(t testing.TB, upstream *providertest.Server) (providerID, modelID string) {
	t.Helper()
	made := s.must(t, http.StatusCreated, "POST", "/providers", object{
		"name": "A " + upstream.Type, "type": upstream.Type, "credentials": upstream.Credentials, "config": settingsOf(upstream),
		"models": []object{{"model_id": upstream.ModelID, "supported_stages": []string{"planning"}}},
	})
	return made.string("id"), made.modelID()
}

// settingsOf is the config of an upstream as an object, an empty one too.
func settingsOf(upstream *providertest.Server) object {
	if upstream.Config == nil {
		return object{}
	}
	return upstream.Config
}

// aPrompt is the body of a test.
func aPrompt() object { return object{"prompt": "Say hello."} }

// eventually waits until a condition is true.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("this never happened: ", what)
		}
	}
}

// output collects what is written.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
