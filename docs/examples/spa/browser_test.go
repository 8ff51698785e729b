// Package spa_test drives the console in a real browser, against a service with fake
// providers.
package spa_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"modelproviders/docs"
	"modelproviders/pkg/app"
	"modelproviders/pkg/auth/authtest"
	"modelproviders/pkg/provider/providertest"
)

// setup is what test/drive.js needs to know.
type setup struct {
	Console   string            `json:"console"` // URL of the page of the service
	Elsewhere string            `json:"elsewhere"`
	Token     string            `json:"token"`
	OpenAIKey string            `json:"openai_key"`
	Custom    map[string]string `json:"custom"`
	Broken    string            `json:"broken"` // a base URL with an address that is no API
	Issuer    string            `json:"issuer"`
	Shots     string            `json:"shots"`
	Chromium  string            `json:"chromium"`
}

// TestConsole runs test/drive.js if MODELPROVIDERS_BROWSER_SHOTS names a folder for
// its screenshots. With MODELPROVIDERS_BROWSER_HOLD it serves until it is interrupted
// instead, so that a person can look.
func TestConsole(t *testing.T) {
	hold := os.Getenv("MODELPROVIDERS_BROWSER_HOLD") != ""
	shots := os.Getenv("MODELPROVIDERS_BROWSER_SHOTS")
	if shots == "" && !hold {
		t.Skip("MODELPROVIDERS_BROWSER_SHOTS names no folder for screenshots")
	}
	chromium, err := exec.LookPath("chromium")
	if err != nil && !hold {
		t.Fatal(err)
	}
	openAI, custom := providertest.Start(t, providertest.OpenAI()), providertest.Start(t, providertest.Custom())
	paced := httptest.NewServer(upstream{openAI})
	t.Cleanup(paced.Close)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, "<!doctype html><title>Welcome</title><p>Please sign in.")
	}))
	t.Cleanup(page.Close)

	issuer := authtest.Start(t)
	issuer.SetUserClaims(authtest.Claims{"role": "admin"})

	elsewhere := httptest.NewUnstartedServer(nil)
	dir := filepath.Join(t.TempDir(), "data")
	service, err := app.Start(t.Context(), app.Config{
		Addr: "127.0.0.1:0", DataDir: dir, DatabaseConnections: 1, Reveal: true, RevealReason: true, TestTimeout: 30 * time.Second,
		AllowUpstreams: []string{"127.0.0.1/32"}, ProviderEndpoints: openAI.Endpoints(paced.URL),
		CORSOrigins: []string{"http://" + elsewhere.Listener.Addr().String()}, BasePath: "/api/v1",
		OIDC:    app.OIDC{Issuer: issuer.URL, Audience: authtest.Audience, RoleClaim: "role"},
		Console: app.Console{Enabled: true, ClientID: authtest.ClientID}, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := service.Close(); err != nil {
			t.Error(err)
		}
	})
	issuer.AllowRedirect(service.URL() + "/console/")
	elsewhere.Config.Handler = copyOfConsole(service.URL())
	elsewhere.Start()
	t.Cleanup(elsewhere.Close)
	token, err := os.ReadFile(filepath.Join(dir, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}

	input, err := json.Marshal(setup{
		Console: service.URL() + "/console/", Elsewhere: elsewhere.URL + "/", Token: strings.TrimSpace(string(token)),
		OpenAIKey: openAI.Credentials["api_key"].(string),
		Custom:    map[string]string{"api_key": custom.Credentials["api_key"].(string), "base_url": custom.Config["base_url"].(string), "model": custom.ModelID},
		Broken:    page.URL, Issuer: issuer.URL, Shots: shots, Chromium: chromium,
	})
	if err != nil {
		t.Fatal(err)
	}
	if hold {
		t.Logf("serving: %s", input)
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, os.Interrupt)
		<-stop
		return
	}
	drive := exec.CommandContext(t.Context(), "node", "test/drive.js")
	drive.Env = append(os.Environ(), "SETUP="+string(input))
	output, err := drive.CombinedOutput()
	t.Logf("%s", output)
	if err != nil {
		t.Error(err)
	}
}

// upstream is the fake of OpenAI, which answers as slowly as a model does and
// offers as many models as the service does.
type upstream struct{ fake *providertest.Server }

// ServeHTTP implements [http.Handler].
func (u upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/models") && r.Header.Get("Authorization") == "Bearer "+u.fake.Credentials["api_key"].(string) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(map[string]any{"object": "list", "data": offered()})
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	mode := providertest.Success
	if strings.Contains(string(body), "Stop at the limit.") {
		mode = providertest.EmptyAnswer
	}
	u.fake.Use(mode)
	r.Body = io.NopCloser(bytes.NewReader(body))
	time.Sleep(150 * time.Millisecond)
	u.fake.ServeHTTP(slow{w}, r)
}

func offered() []map[string]any {
	var models []map[string]any
	for _, family := range []string{"gpt-4-turbo", "gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-5", "gpt-5-mini", "o3", "o4-mini", "text-embedding-3-small"} {
		for _, suffix := range []string{"", "-2024-08-06", "-2025-01-01", "-latest"} {
			models = append(models, map[string]any{"id": family + suffix, "object": "model", "created": 1712361441, "owned_by": "system"})
		}
	}
	return models
}

// slow pauses after each piece of a stream.
type slow struct{ http.ResponseWriter }

// FlushError implements the interface of [http.ResponseController].
func (s slow) FlushError() error {
	time.Sleep(40 * time.Millisecond)
	return http.NewResponseController(s.ResponseWriter).Flush()
}

// copyOfConsole serves the console from another origin than the API's.
func copyOfConsole(api string) http.Handler {
	files := http.FileServerFS(docs.Console())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; connect-src 'self' "+api+"/; img-src 'self' "+api+"/; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		if r.URL.Path == "/config.json" {
			json.NewEncoder(w).Encode(map[string]any{"api_url": api, "authentication": true, "issuer": "", "client_id": "", "scopes": "", "audience": ""})
			return
		}
		files.ServeHTTP(w, r)
	})
}
