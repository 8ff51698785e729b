package provider_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"modelproviders/pkg/egress"
	"modelproviders/pkg/provider"
)

// site is a server of one fixed answer, and a client of type custom for it.
type site struct {
	*httptest.Server
	client provider.Client

	mu    sync.Mutex
	paths []string
}

func (s *site) called() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.paths)
}

func (s *site) count() int { return len(s.called()) }

// ask sends a prompt to model `my-model`.
func (s *site) ask(t testing.TB, stream bool) provider.Result {
	t.Helper()
	var emit func(string)
	if stream {
		emit = func(string) {}
	}
	return s.client.Generate(t.Context(), provider.Prompt{ModelID: "my-model", Text: "Hi."}, emit)
}

// serve answers every call in one way.
func serve(t testing.TB, status int, contentType, body string) *site {
	t.Helper()
	return serveAt(t, "/v1", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
}

// serveAt has a handler, and a client whose base URL ends with suffix.
func serveAt(t testing.TB, suffix string, handler http.HandlerFunc) *site {
	t.Helper()
	s := &site{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.paths = append(s.paths, r.URL.Path)
		s.mu.Unlock()
		handler(w, r)
	}))
	t.Cleanup(s.Close)
	s.client = customClient(t, s.URL+suffix, guarded(t, egress.Config{Allow: []string{"127.0.0.1"}}))
	return s
}

func guarded(t testing.TB, cfg egress.Config) http.RoundTripper {
	t.Helper()
	guard, err := egress.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return guard.Transport()
}

func customClient(t testing.TB, baseURL string, transport http.RoundTripper) provider.Client {
	t.Helper()
	typ := lookup(t, "custom")
	settings, faults := read(t, typ, []byte(`{"api_key":"sk-custom-key"}`), encode(t, map[string]string{"base_url": baseURL}), provider.Stored{})
	if len(faults) > 0 {
		t.Fatalf("%+v", faults)
	}
	client, err := typ.Open(settings.Credentials, settings.Config, provider.OpenOptions{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

const plainAnswer = `{"choices":[{"message":{"content":"Hi!"},"finish_reason":"stop"}]}`

func TestCustomAddresses(t *testing.T) {
	for suffix, want := range map[string]string{
		"": "/v1/chat/completions", "/": "/v1/chat/completions", "/v1": "/v1/chat/completions", "/v1/": "/v1/chat/completions",
		"/api/v1": "/api/v1/chat/completions", "/api": "/api/v1/chat/completions", "/a%20b/v1/": "/a b/v1/chat/completions",
	} {
		s := serveAt(t, suffix, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != want {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, plainAnswer)
		})
		result := s.ask(t, false)
		succeeded(t, result)
		if got := s.called(); !slices.Equal(got, []string{want}) {
			t.Errorf("%q: called %q", suffix, got)
		}
		if want := s.URL + strings.ReplaceAll(want, " ", "%20"); result.Endpoint != want {
			t.Errorf("%q: endpoint %s", suffix, result.Endpoint)
		}
	}
}

// Gateways may have the API right at the address, without /v1.
func TestCustomWithoutV1(t *testing.T) {
	const bare, v1 = "/gw/chat/completions", "/gw/v1/chat/completions"
	s := serveAt(t, "/gw", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case bare:
			_, _ = io.WriteString(w, plainAnswer)
		case "/gw/models":
			_, _ = io.WriteString(w, `{"data":[{"id":"m"}]}`)
		default:
			http.NotFound(w, r)
		}
	})
	for range 2 {
		result := s.ask(t, false)
		succeeded(t, result)
		if result.Endpoint != s.URL+bare {
			t.Errorf("endpoint %s", result.Endpoint)
		}
	}
	if d, err := s.client.Models(t.Context()); err != nil || len(d.Models) != 1 {
		t.Errorf("discovery %+v, %v", d, err)
	}
	if got := s.called(); !slices.Equal(got, []string{v1, bare, bare, "/gw/models"}) {
		t.Errorf("called %q", got)
	}
}

func TestCustomWhereNothingIs(t *testing.T) {
	for suffix, calls := range map[string]int{"": 2, "/v1": 1} {
		s := serveAt(t, suffix, http.NotFound)
		result := s.ask(t, false)
		f := failure(t, result, provider.Misconfigured)
		if result.Endpoint != s.URL+"/v1/chat/completions" || f.HTTPStatus != 404 || !strings.Contains(f.Hint, result.Endpoint) {
			t.Errorf("endpoint %s, failure %+v", result.Endpoint, f)
		}
		if n := s.count(); n != calls {
			t.Errorf("%q: %d calls", suffix, n)
		}
		if d, err := s.client.Models(t.Context()); err != nil || d.Supported {
			t.Errorf("discovery %+v, %v", d, err)
		}
	}
}

// A refusal at the second address tells more than the absence of the first.
func TestCustomRefusesWithoutV1(t *testing.T) {
	s := serveAt(t, "", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			http.NotFound(w, r)
			return
		}
		http.Error(w, "bad key", http.StatusUnauthorized)
	})
	result := s.ask(t, false)
	failed(t, result, provider.Authentication)
	if result.Endpoint != s.URL+"/chat/completions" {
		t.Errorf("endpoint %s", result.Endpoint)
	}
}

// The address as given is not called after an answer that is no reason to, nor
// after the first piece of one.
func TestCustomIsNotLookedForInVain(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
	}{
		{429, "404 page not found"}, {500, "no route to host"}, {503, ""}, {402, ""},
		{404, `{"error":{"message":"model 'my-model' not found"}}`}, {400, `{"error":{"message":"Bad prompt."}}`},
		{200, "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: {\"error\":\"404 page not found\"}\n\n"},
	} {
		s := serveAt(t, "", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		})
		if result := s.ask(t, true); result.Failure == nil || s.count() != 1 {
			t.Errorf("%d %s: called %q, %+v", c.status, c.body, s.called(), result.Failure)
		}
	}
}

func TestBlocked(t *testing.T) {
	s := serve(t, 200, "application/json", plainAnswer)
	for address, want := range map[string]string{
		s.URL:                             "MODELPROVIDERS_ALLOW_UPSTREAMS",
		"http://169.254.169.254/latest":   "metadata",
		"http://[::ffff:169.254.169.254]": "metadata",
		"http://[fd00:ec2::254]/v1":       "metadata",
		"http://2852039166/":              "",
		"http://0x7f.1:" + s.URL[len("http://127.0.0.1:"):]: "",
	} {
		client := customClient(t, address, guarded(t, egress.Config{}))
		result := client.Generate(t.Context(), provider.Prompt{ModelID: "m", Text: "x"}, nil)
		f := failure(t, result, provider.Blocked)
		if !strings.Contains(f.Message, want) || f.Hint == "" || f.HTTPStatus != 0 || result.Endpoint == "" {
			t.Errorf("%s: %+v", address, f)
		}
	}
	if s.count() > 0 {
		t.Error("a request was sent")
	}
}

func TestUnreachable(t *testing.T) {
	s := serve(t, 200, "application/json", plainAnswer)
	for name, c := range map[string]struct {
		address   string
		transport http.RoundTripper
		want      string
	}{
		"no TLS":       {strings.Replace(s.URL, "http:", "https:", 1), guarded(t, egress.Config{Allow: []string{"127.0.0.1"}}), "does not speak TLS"},
		"no such name": {"https://nowhere.example", failing(&net.DNSError{Err: "no such host", Name: "nowhere.example", IsNotFound: true}), "There is no host nowhere.example."},
		"no DNS":       {"https://nowhere.example", failing(&net.DNSError{Err: "server misbehaving", Name: "nowhere.example", Server: "10.1.2.3:53"}), "could not be resolved"},
		"anything":     {"https://nowhere.example", failing(io.ErrNoProgress), "No connection to nowhere.example"},
	} {
		client := customClient(t, c.address, c.transport)
		f := failure(t, client.Generate(t.Context(), provider.Prompt{ModelID: "m", Text: "x"}, nil), provider.Unreachable)
		if !strings.Contains(f.Message, c.want) || f.Hint == "" || strings.Contains(f.Message, "10.1.2.3") || strings.Contains(f.Message, "Post \"") {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func failing(err error) http.RoundTripper {
	return roundTripper(func(*http.Request) (*http.Response, error) { return nil, err })
}

// A deadline that passes before there is a connection is no timeout of the
// server's.
func TestNoConnectionInTime(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	client := customClient(t, "https://slow.example", roundTripper(func(req *http.Request) (*http.Response, error) {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}))
	f := failure(t, client.Generate(ctx, provider.Prompt{ModelID: "m", Text: "x"}, nil), provider.Unreachable)
	if !strings.Contains(f.Message, "in time") {
		t.Errorf("failure %+v", f)
	}
}

// TestCustomWhoseListIsElsewhere: a server may have its list right at the
// address and the rest under /v1. Finding the one does not lose the other.
func TestCustomWhoseListIsElsewhere(t *testing.T) {
	s := serveAt(t, "", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/chat/completions":
			_, _ = io.WriteString(w, plainAnswer)
		case "/models":
			_, _ = io.WriteString(w, `{"data":[{"id":"m"}]}`)
		default:
			http.NotFound(w, r)
		}
	})
	for range 2 {
		if d, err := s.client.Models(t.Context()); err != nil || len(d.Models) != 1 {
			t.Errorf("discovery %+v, %v", d, err)
		}
		if result := s.ask(t, false); result.Failure != nil || len(result.Warnings) > 0 {
			t.Errorf("%+v, %+v", result.Failure, result.Warnings)
		}
	}
}

// TestCustomRemembersTheAddressAfterAnAPIError: an error of the API right at the
// address shows that it is there.
func TestCustomRemembersTheAddressAfterAnAPIError(t *testing.T) {
	s := serveAt(t, "/gw", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/gw/chat/completions" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"error":{"message":"The model does not exist.","code":"model_not_found"}}`)
	})
	for range 2 {
		failure(t, s.ask(t, false), provider.ModelNotFound)
	}
	if got := s.called(); !slices.Equal(got, []string{"/gw/v1/chat/completions", "/gw/chat/completions", "/gw/chat/completions"}) {
		t.Errorf("called %q", got)
	}
}

// TestCustomListThatIsInOnePlaceOnly: a list is absent only where no place has
// one.
func TestCustomListThatIsInOnePlaceOnly(t *testing.T) {
	page := func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>Welcome</title>")
	}
	for name, serve := range map[string]http.HandlerFunc{
		"then a page": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/models" {
				page(w)
				return
			}
			http.NotFound(w, r)
		},
		"first a page": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v1/models" {
				page(w)
				return
			}
			http.NotFound(w, r)
		},
	} {
		_, err := serveAt(t, "", serve).client.Models(t.Context())
		if f := asFailure(t, err); f.Kind != provider.Misconfigured {
			t.Errorf("%s: %+v", name, f)
		}
	}
	d, err := serveAt(t, "", http.NotFound).client.Models(t.Context())
	if err != nil || d.Supported {
		t.Errorf("nowhere: %+v, %v", d, err)
	}
}
