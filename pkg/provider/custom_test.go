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
	"modelproviders/pkg/secret"
)

func secrets(plain ...string) []secret.Text {
	out := make([]secret.Text, 0, len(plain))
	for _, s := range plain {
		out = append(out, secret.NewText(s))
	}
	return out
}

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
	settings, faults := typ.Read(provider.Request{Config: encode(t, map[string]string{"base_url": baseURL}), Credentials: []byte(`{"api_key":"sk-custom-key"}`)}, provider.Stored{})
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

func TestAnswersOfManyServers(t *testing.T) {
	for name, body := range map[string]string{
		"least":              `{"choices":[{"message":{"content":"Hi!"}}]}`,
		"nulls":              `{"id":null,"object":null,"created":null,"model":null,"usage":null,"error":null,"choices":[{"index":null,"finish_reason":null,"logprobs":null,"message":{"role":null,"content":"Hi!","tool_calls":null}}]}`,
		"empty error":        `{"error":{},"choices":[{"message":{"content":"Hi!"}}]}`,
		"parts":              `{"choices":[{"message":{"content":[{"type":"text","text":"H"},{"type":"text","text":"i!"}]}}]}`,
		"refusal":            `{"choices":[{"message":{"content":null,"refusal":"Hi!"}}]}`,
		"reasoning":          `{"choices":[{"message":{"reasoning_content":"hm","content":"Hi!"}}]}`,
		"unknown fields":     `{"x":[{"y":1}],"choices":[{"message":{"content":"Hi!","z":{}},"stop_reason":5}],"timings":{"a":1.5}}`,
		"numbers as strings": `{"created":"1700000000","choices":[{"index":"0","message":{"content":"Hi!"}}],"usage":{"prompt_tokens":"3"}}`,
		"white space":        "\n\n  " + plainAnswer + "\n",
	} {
		for _, contentType := range []string{"application/json", "application/json; charset=utf-8", "text/plain", ""} {
			for _, stream := range []bool{false, true} {
				if stream && !strings.Contains(contentType, "json") {
					continue // then it is read as a stream
				}
				result := serve(t, 200, contentType, body).ask(t, stream)
				if result.Failure != nil || result.Response != "Hi!" {
					t.Errorf("%s as %q (streamed: %v): %q, %+v", name, contentType, stream, result.Response, result.Failure)
				}
			}
		}
	}
	for name, body := range map[string]string{
		"OpenAI's":              "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi!\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
		"returns":               "data: {\"choices\":[{\"delta\":{\"content\":\"Hi!\"}}]}\r\n\r\ndata: [DONE]\r\n\r\n",
		"no DONE":               "data: {\"choices\":[{\"delta\":{\"content\":\"Hi!\"},\"finish_reason\":\"stop\"}]}\n\n",
		"no reason":             "data: {\"choices\":[{\"delta\":{\"content\":\"Hi!\"}}]}\n\ndata: [DONE]\n\n",
		"comments":              ": OPENROUTER PROCESSING\n\n: ping\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hi!\"}}]}\n\ndata: [DONE]\n\n",
		"null error":            "data: {\"error\":null,\"usage\":null,\"choices\":[{\"delta\":{\"content\":\"Hi!\",\"role\":null},\"finish_reason\":null}]}\n\ndata: [DONE]\n\n",
		"no space":              "data:{\"choices\":[{\"delta\":{\"content\":\"H\"}}]}\n\ndata:{\"choices\":[{\"delta\":{\"content\":\"i!\"}}]}\n\ndata:[DONE]\n\n",
		"filter results first":  "data: {\"choices\":[],\"prompt_filter_results\":[{}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"Hi!\"}}]}\n\ndata: [DONE]\n\n",
		"parts":                 "data: {\"choices\":[{\"delta\":{\"content\":[{\"text\":\"Hi!\"}]}}]}\n\ndata: [DONE]\n\n",
		"another choice beside": "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"No\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi!\"}}]}\n\ndata: [DONE]\n\n",
	} {
		for _, contentType := range []string{"text/event-stream", "text/event-stream; charset=utf-8", "text/plain", ""} {
			if result := serve(t, 200, contentType, body).ask(t, true); result.Failure != nil || result.Response != "Hi!" {
				t.Errorf("%s as %q: %q, %+v", name, contentType, result.Response, result.Failure)
			}
		}
	}
}

func TestRefusalsOfManyServers(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		kind   provider.FailureKind
		code   string
		hint   string // a part of it
	}{
		{"Ollama, no model", 404, `{"error":{"message":"model \"x\" not found, try pulling it first","type":"api_error","param":null,"code":null}}`, provider.ModelNotFound, "api_error", "`my-model`"},
		{"Ollama, text", 404, `{"error":"model 'x' not found"}`, provider.ModelNotFound, "", "`my-model`"},
		{"vLLM, no model", 404, `{"object":"error","message":"The model my-model does not exist.","type":"NotFoundError","param":null,"code":404}`, provider.ModelNotFound, "NotFoundError", "`my-model`"},
		{"vLLM, key", 401, `{"error":"Unauthorized"}`, provider.Authentication, "", "Replace the API key"},
		{"llama.cpp, loading", 503, `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, provider.UpstreamError, "unavailable_error", "again"},
		{"FastAPI, no route", 404, `{"detail":"Not Found"}`, provider.Misconfigured, "", "base_url"},
		{"FastAPI, method", 405, `{"detail":"Method Not Allowed"}`, provider.Misconfigured, "", "base_url"},
		{"FastAPI, fields", 422, `{"detail":[{"type":"missing","loc":["body","prompt"],"msg":"Field required"}]}`, provider.InvalidRequest, "missing", ""},
		{"Kong, no route", 404, `{"message":"no Route matched with those values"}`, provider.Misconfigured, "", "base_url"},
		{"Go, no route", 404, "404 page not found\n", provider.Misconfigured, "", "base_url"},
		{"Express, no route", 404, "Cannot POST /v1/chat/completions", provider.Misconfigured, "", "base_url"},
		{"nothing", 404, "", provider.Misconfigured, "", "base_url"},
		{"OpenRouter, credit", 402, `{"error":{"message":"Insufficient credits. Add more using https://openrouter.ai/settings/credits","code":402}}`, provider.QuotaExceeded, "", "credit"},
		{"OpenRouter, model", 400, `{"error":{"message":"x is not a valid model ID","code":400},"user_id":"u"}`, provider.ModelNotFound, "", "`my-model`"},
		{"OpenRouter, in a success", 200, `{"error":{"message":"Rate limit exceeded: free-models-per-day","code":429}}`, provider.RateLimited, "", "again"},
		{"vLLM, in a success", 200, `{"object":"error","message":"boom","type":"InternalServerError","code":500}`, provider.UpstreamError, "InternalServerError", "again"},
		{"LiteLLM, its own key", 401, `{"error":{"message":"litellm.AuthenticationError: AuthenticationError: OpenAIException - Incorrect API key provided","type":"None","param":"None","code":"401"}}`, provider.Authentication, "", "gateway"},
		{"LiteLLM, timeout", 408, `{"error":{"message":"litellm.Timeout: APITimeoutError","type":"None","param":"None","code":"408"}}`, provider.Timeout, "", "again"},
		{"API Management, key", 401, `{ "statusCode": 401, "message": "Access denied due to missing subscription key." }`, provider.Authentication, "", "Replace the API key"},
		{"DeepSeek, balance", 402, `{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}`, provider.QuotaExceeded, "invalid_request_error", "credit"},
		{"a wall of text", 500, strings.Repeat("boom ", 10_000), provider.UpstreamError, "", "again"},
		{"TLS on this port", 400, "Client sent an HTTP request to an HTTPS server.\n", provider.Misconfigured, "", "https://"},
	} {
		s := serve(t, c.status, "application/json", c.body)
		for _, stream := range []bool{false, true} {
			f := failure(t, s.ask(t, stream), c.kind)
			if f.HTTPStatus != c.status || f.Code != c.code || !strings.Contains(f.Hint, c.hint) || len(f.Message) > 2100 {
				t.Errorf("%s (streamed: %v): %+v", c.name, stream, f)
			}
		}
	}
}

func TestModelListsOfManyServers(t *testing.T) {
	for name, c := range map[string]struct{ body, want string }{
		"OpenAI":       {`{"object":"list","data":[{"id":"b"},{"id":"a"},{"id":"b"}]}`, "a=a b=b"},
		"Ollama":       {`{"models":[{"name":"llama3:8b","model":"llama3:8b"}]}`, "llama3:8b=llama3:8b"},
		"OpenRouter":   {`{"data":[{"id":"openai/gpt-4o","name":"OpenAI: GPT-4o","context_length":1}]}`, "openai/gpt-4o=OpenAI: GPT-4o"},
		"Together":     {`[{"id":"x","display_name":"The X"}]`, "x=The X"},
		"empty":        {`{"data":[]}`, ""},
		"odd entries":  {`{"data":[null,5,"x",{},{"id":null},{"id":""},{"id":"a\nb"},{"id":"ok"}]}`, "ok=ok"},
		"hostile name": {`{"data":[{"id":"m","name":"a\u0000b"}]}`, "m=a b"},
	} {
		d, err := serve(t, 200, "application/json", c.body).client.Models(t.Context())
		got := make([]string, 0, len(d.Models))
		for _, m := range d.Models {
			got = append(got, m.ModelID+"="+m.DisplayName)
		}
		if err != nil || !d.Supported || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, body := range []string{`{}`, `"x"`, `null`, `{"data":{}}`, `[`, ``} {
		_, err := serve(t, 200, "application/json", body).client.Models(t.Context())
		if asFailure(t, err).Kind != provider.UpstreamError {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestDiscoveryIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"data":[{"id":"x"}`)
	for i := range 2000 {
		b.WriteString(`,{"id":"m` + strings.Repeat("0", i%7) + strings.Repeat("1", i/7%200) + string(rune('a'+i/1400)) + `"}`)
	}
	d, err := serve(t, 200, "application/json", b.String()+"]}").client.Models(t.Context())
	if err != nil || !d.Truncated || len(d.Models) != provider.MaxDiscovered {
		t.Errorf("%d models, truncated: %v, %v", len(d.Models), d.Truncated, err)
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

// A page is known by its type or by its looks; an answer is one whatever its
// type says.
func TestHTMLPages(t *testing.T) {
	const page = "\n<!-- moved -->\n<p>Please sign in.</p>"
	for contentType, body := range map[string]string{
		"text/html": page, "application/xhtml+xml": page, "application/json": "  <HTML><body>x", "": "<!doctype html><p>",
	} {
		for _, stream := range []bool{false, true} {
			f := failure(t, serve(t, 200, contentType, body).ask(t, stream), provider.Misconfigured)
			if !strings.Contains(f.Hint, "/v1/chat/completions was called") {
				t.Errorf("%q: %+v", contentType, f)
			}
		}
	}
	succeeded(t, serve(t, 200, "text/html", plainAnswer).ask(t, false))
}
