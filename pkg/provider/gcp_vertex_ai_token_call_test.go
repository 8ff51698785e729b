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

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/egress"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// TestVertexCallsGoogle checks whom a client calls that no operator leads
// elsewhere, and that the key file doesn't either.
func TestVertexCallsGoogle(t *testing.T) {
	for region, want := range map[string]string{
		"us-central1": "us-central1-aiplatform.googleapis.com", "global": "aiplatform.googleapis.com",
		"us": "aiplatform.us.rep.googleapis.com", "eu": "aiplatform.eu.rep.googleapis.com",
	} {
		server := providertest.Start(t, providertest.GCPVertexAI())
		file := server.Credentials["service_account_json"].(string)
		server.Credentials["service_account_json"] = strings.Replace(file, "https://oauth2.googleapis.com/token", "https://accounts.google.com/o/oauth2/token", 1)
		var called []string
		client := openWith(t, server, func(o *provider.OpenOptions) {
			o.Endpoints = provider.Endpoints{}
			o.Transport = leading{o.Transport, server.URL, &called}
		}, map[string]any{"region": region})
		_, _ = client.generate(t, false)
		if diff := cmp.Diff([]string{"https://oauth2.googleapis.com/token", "https://" + want}, called); diff != "" {
			t.Errorf("region %s (-want +got):\n%s", region, diff)
		}
	}
}

// leading takes note of whom calls go to: the token endpoint's to the fake, the
// others nowhere.
type leading struct {
	http.RoundTripper
	url    string
	called *[]string
}

func (l leading) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path != "/token" {
		*l.called = append(*l.called, req.URL.Scheme+"://"+req.URL.Host)
		return nil, io.ErrUnexpectedEOF
	}
	*l.called = append(*l.called, req.URL.String())
	again := req.Clone(req.Context())
	again.URL.Scheme, again.URL.Host, again.Host = "http", strings.TrimPrefix(l.url, "http://"), ""
	return l.RoundTripper.RoundTrip(again)
}

// TestVertexTokenCallIsGuarded: the token endpoint is trusted only where the
// operator named it.
func TestVertexTokenCallIsGuarded(t *testing.T) {
	server := providertest.Start(t, providertest.GCPVertexAI())
	guard, err := egress.New(egress.Config{})
	if err != nil {
		t.Fatal(err)
	}
	client := openWith(t, server, func(o *provider.OpenOptions) { o.Transport = guard.Transport() })
	result, _ := client.generate(t, false)
	if f := failure(t, result, provider.Blocked); !strings.Contains(f.Message, "MODELPROVIDERS_ALLOW_UPSTREAMS") || !strings.HasSuffix(result.Endpoint, "/token") {
		t.Errorf("got %+v, endpoint %s", f, result.Endpoint)
	}
}

// TestVertexWrongKey: a key that is not the account's is refused where tokens
// are made.
func TestVertexWrongKey(t *testing.T) {
	server := providertest.Start(t, providertest.GCPVertexAI())
	other := providertest.Start(t, providertest.GCPVertexAI())
	server.Credentials = other.Credentials
	client := open(t, server)
	result, _ := client.generate(t, true)
	f := failure(t, result, provider.Authentication)
	if f.Code != "invalid_grant" || f.Message != "Invalid JWT Signature." || f.HTTPStatus != 400 || !strings.Contains(f.Hint, "new key") || !f.OfProvider() {
		t.Errorf("got %+v", f)
	}
	if _, err := client.Models(t.Context()); asFailure(t, err).Kind != provider.Authentication {
		t.Errorf("discovery: %v", err)
	}
}

// TestVertexSecondEndpointMisbehaves: whatever answers in the place of Google's
// token endpoint is told as it is, in bounded time.
func TestVertexSecondEndpointMisbehaves(t *testing.T) {
	secondEndpointMisbehaves(t, providertest.GCPVertexAI(), "google_token", "/token")
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
			client := openWith(t, server, func(o *provider.OpenOptions) {
				o.Transport = http.DefaultTransport
				o.Endpoints = parseEndpoints(t, fake.Type+"="+server.URL+","+name+"="+endpoint.URL+path)
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
			if result.Endpoint != endpoint.URL+path {
				t.Errorf("endpoint %s", result.Endpoint)
			}
			if n := len(server.Requests()); n > 0 {
				t.Errorf("the model was asked %d times without a token", n)
			}
		})
	}
}

// TestVertexLatencyIsTheModels: fetching a token is not part of it.
func TestVertexLatencyIsTheModels(t *testing.T) {
	const slow = 300 * time.Millisecond
	fake := providertest.GCPVertexAI()
	token, fetched := fake.Auxiliary, 0
	fake.Auxiliary = func(r *providertest.Request) (providertest.Answer, bool) {
		if r.Path == "/token" {
			fetched++
			time.Sleep(slow)
		}
		return token(r)
	}
	client := open(t, providertest.Start(t, fake))
	for _, stream := range []bool{false, true} {
		began := time.Now()
		result, _ := client.generate(t, stream)
		took := time.Since(began)
		succeeded(t, result)
		if !stream && result.Latency > took-slow {
			t.Errorf("latency %v of %v, of which %v went to the token", result.Latency, took, slow)
		}
	}
	if fetched != 1 {
		t.Errorf("%d tokens were fetched for two calls", fetched)
	}
}

// TestVertexTokenIsDroppedWhenRefused: the call after a 401 comes with a new
// token.
func TestVertexTokenIsDroppedWhenRefused(t *testing.T) {
	for _, fake := range []providertest.Fake{providertest.GCPVertexAI(), providertest.GCPVertexAIClaude(), providertest.GCPVertexAIOpen()} {
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
