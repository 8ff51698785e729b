package provider_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"modelproviders/pkg/egress"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// tokenFakes are fakes with a token endpoint.
func tokenFakes() []providertest.Fake {
	return []providertest.Fake{
		providertest.AzureOpenAIEntra(), providertest.GCPVertexAI(), providertest.GCPVertexAIClaude(), providertest.GCPVertexAIOpen(),
	}
}

// TestTokenCallIsGuarded: the token endpoint is trusted only where the operator named
// it.
func TestTokenCallIsGuarded(t *testing.T) {
	for _, fake := range tokenFakes() {
		server := providertest.Start(t, fake)
		guard, err := egress.New(egress.Config{})
		if err != nil {
			t.Fatal(err)
		}
		client := openWith(t, server, func(o *provider.OpenOptions) { o.Transport = guard.Transport() })
		result, _ := client.generate(t, false)
		if f := failure(t, result, provider.Blocked); !strings.Contains(f.Message, "MODELPROVIDERS_ALLOW_UPSTREAMS") || !strings.HasSuffix(result.Endpoint, "/token") {
			t.Errorf("%s: got %+v, endpoint %s", fake.Type, f, result.Endpoint)
		}
	}
}

// TestTokenEndpointMisbehaves: whatever answers in the place of a token endpoint is told
// as it is, in bounded time.
func TestTokenEndpointMisbehaves(t *testing.T) {
	t.Run("Google", func(t *testing.T) { secondEndpointMisbehaves(t, providertest.GCPVertexAI(), "google_token", "/token") })
	t.Run("Entra ID", func(t *testing.T) { secondEndpointMisbehaves(t, providertest.AzureOpenAIEntra(), "entra", "/entra") })
}

// secondEndpointMisbehaves tests a type with something else at the endpoint that issues
// what its calls are authenticated with.
func secondEndpointMisbehaves(t *testing.T, fake providertest.Fake, name, path string) {
	t.Helper()
	for title, test := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		want   provider.FailureKind
	}{
		"a page": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html><title>Sign in</title></html>")
		}, provider.Misconfigured},
		"a redirect": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://elsewhere.example/token")
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, provider.Misconfigured},
		"a broken proxy": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "bad gateway", http.StatusBadGateway) }, provider.UpstreamError},
		"no JSON":        {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "nothing") }, provider.UpstreamError},
		"no token":       {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") }, provider.UpstreamError},
		"silence":        {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, provider.Timeout},
		"a stall": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `{"access_`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, provider.Timeout},
		"a gigabyte": {func(w http.ResponseWriter, _ *http.Request) {
			for range 1 << 14 {
				if _, err := io.WriteString(w, strings.Repeat(" ", 1<<16)); err != nil {
					return
				}
			}
		}, provider.UpstreamError},
	} {
		t.Run(title, func(t *testing.T) {
			endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = r.ParseForm() // with the body read, a client that leaves is noticed
				test.answer(w, r)
			}))
			defer endpoint.Close()
			server := providertest.Start(t, fake)
			endpoints := name + "=" + endpoint.URL + path
			if server.Config["base_url"] == nil {
				endpoints += "," + fake.Type + "=" + server.URL
			}
			client := openWith(t, server, func(o *provider.OpenOptions) {
				o.Transport = http.DefaultTransport
				o.Endpoints = parseEndpoints(t, endpoints)
			})
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if test.want == provider.Timeout {
				var stop context.CancelFunc
				ctx, stop = context.WithTimeout(ctx, time.Second)
				defer stop()
			}
			result, _ := client.generateIn(ctx, false)
			failure(t, result, test.want)
			if !strings.HasPrefix(result.Endpoint, endpoint.URL+path) {
				t.Errorf("endpoint %s", result.Endpoint)
			}
			if n := len(server.Requests()); n > 0 {
				t.Errorf("the model was asked %d times without a token", n)
			}
		})
	}
}

// TestLatencyIsTheModels: fetching a token is not part of it.
func TestLatencyIsTheModels(t *testing.T) {
	const slow = 300 * time.Millisecond
	for _, fake := range []providertest.Fake{providertest.AzureOpenAIEntra(), providertest.GCPVertexAI()} {
		token, fetched := fake.Auxiliary, 0
		fake.Auxiliary = func(r *providertest.Request) (providertest.Answer, bool) {
			a, ok := token(r)
			if ok {
				fetched++
				time.Sleep(slow)
			}
			return a, ok
		}
		client := open(t, providertest.Start(t, fake))
		for _, stream := range []bool{false, true} {
			began := time.Now()
			result, _ := client.generate(t, stream)
			took := time.Since(began)
			succeeded(t, result)
			if !stream && result.Latency > took-slow {
				t.Errorf("%s: latency %v of %v, of which %v went to the token", fake.Type, result.Latency, took, slow)
			}
		}
		if fetched != 1 {
			t.Errorf("%s: %d tokens were fetched for two calls", fake.Type, fetched)
		}
	}
}

// TestTokenIsDroppedWhenRefused: the call after a 401 comes with a new
// token.
func TestTokenIsDroppedWhenRefused(t *testing.T) {
	for _, fake := range tokenFakes() {
		var fetched atomic.Int32
		token := fake.Auxiliary
		fake.Auxiliary = func(r *providertest.Request) (providertest.Answer, bool) {
			a, ok := token(r)
			if ok {
				fetched.Add(1)
			}
			return a, ok
		}
		server := providertest.Start(t, fake)
		client := open(t, server)
		for i, mode := range []providertest.Mode{providertest.Success, providertest.Authentication, providertest.Success} {
			server.Use(mode)
			result, _ := client.generate(t, false)
			if (mode == providertest.Success) != (result.Failure == nil) {
				t.Errorf("%s, call %d: %+v", fake.ModelID, i, result)
			}
		}
		if n := fetched.Load(); n != 2 {
			t.Errorf("%s: %d tokens were fetched", fake.ModelID, n)
		}
	}
}
