package provider_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/egress"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// TestVertexFamilies runs the scenarios for the two families of models that the
// table of all types has no row for.
func TestVertexFamilies(t *testing.T) {
	for name, fake := range map[string]providertest.Fake{"Claude": providertest.GCPVertexAIClaude(), "open": providertest.GCPVertexAIOpen()} {
		for _, s := range scenarios() {
			if s.mode != "" && !knows(fake, s.mode) || s.name == "discovery" {
				continue
			}
			t.Run(name+"/"+s.name, func(t *testing.T) { s.run(t, providertest.Start(t, withRequestID(fake))) })
		}
	}
}

// withRequestID puts an id into the headers of answers that have none: Google
// gives open models no id.
func withRequestID(fake providertest.Fake) providertest.Fake {
	answer := fake.Answer
	fake.Answer = func(r *providertest.Request, mode providertest.Mode) (providertest.Answer, bool) {
		a, ok := answer(r, mode)
		if ok && a.Header.Get("Request-Id") == "" {
			a.Header.Set("X-Request-Id", providertest.RequestID)
		}
		return a, ok
	}
	return fake
}

// TestVertexModelSpellingsReachTheirModel sends each spelling of a model's id.
func TestVertexModelSpellingsReachTheirModel(t *testing.T) {
	for _, test := range []struct {
		fake providertest.Fake
		ids  []string
	}{
		{providertest.GCPVertexAI(), []string{"gemini-2.5-flash", "google/gemini-2.5-flash", "publishers/google/models/gemini-2.5-flash"}},
		{providertest.GCPVertexAIClaude(), []string{"claude-sonnet-4@20250514", "anthropic/claude-sonnet-4@20250514"}},
		{providertest.GCPVertexAIOpen(), []string{"meta/llama-3.3-70b-instruct-maas", "publishers/meta/models/llama-3.3-70b-instruct-maas"}},
	} {
		client := open(t, providertest.Start(t, test.fake))
		for _, id := range test.ids {
			succeeded(t, client.Generate(t.Context(), provider.Prompt{ModelID: id, Text: "Hi"}, nil))
		}
	}
}

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
			o.Endpoint, o.TokenEndpoint = "", ""
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

// TestVertexTokenEndpointMisbehaves: whatever answers in the place of Google's
// token endpoint is told as it is, in bounded time.
func TestVertexTokenEndpointMisbehaves(t *testing.T) {
	for name, test := range map[string]struct {
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
		t.Run(name, func(t *testing.T) {
			endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_ = r.ParseForm() // with the body read, a client that leaves is noticed
				test.answer(w, r)
			}))
			defer endpoint.Close()
			server := providertest.Start(t, providertest.GCPVertexAI())
			client := openWith(t, server, func(o *provider.OpenOptions) {
				o.TokenEndpoint, o.Transport = endpoint.URL+"/token", http.DefaultTransport
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
			if !strings.HasPrefix(result.Endpoint, endpoint.URL) {
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

func TestVertexFaults(t *testing.T) {
	for name, test := range map[string]struct {
		status  int
		rpc     string
		message string
		reason  string
		want    provider.FailureKind
		account bool
		hint    string
	}{
		"API off":          {403, "PERMISSION_DENIED", "Vertex AI API has not been used in project 123 before or it is disabled.", "SERVICE_DISABLED", provider.Permission, true, "Enable the Vertex AI API"},
		"billing off":      {403, "PERMISSION_DENIED", "This API method requires billing to be enabled.", "BILLING_DISABLED", provider.Permission, true, "billing account"},
		"no project":       {403, "PERMISSION_DENIED", "Permission denied on resource project my-project.", "CONSUMER_INVALID", provider.Permission, true, "Check the project"},
		"no role":          {403, "PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied on resource '//aiplatform.googleapis.com/…' (or it may not exist).", "IAM_PERMISSION_DENIED", provider.Permission, true, "roles/aiplatform.user"},
		"not this model":   {403, "PERMISSION_DENIED", "Access to the model is not allowed.", "", provider.Permission, false, "Model Garden"},
		"other region":     {400, "FAILED_PRECONDITION", "Publisher Model `x` is not servable in region us-central1.", "", provider.ModelNotFound, false, "us-central1"},
		"temperature":      {400, "INVALID_ARGUMENT", "Unable to submit request because it has a temperature value of 3.0 but the supported range is from 0 (inclusive) to 2.0 (inclusive).", "", provider.InvalidRequest, false, "temperature"},
		"too long":         {400, "INVALID_ARGUMENT", "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).", "", provider.InvalidRequest, false, "Shorten"},
		"quota":            {429, "RESOURCE_EXHAUSTED", "Quota exceeded for aiplatform.googleapis.com/online_prediction_requests_per_base_model with base model: gemini.", "RATE_LIMIT_EXCEEDED", provider.RateLimited, false, "Quotas"},
		"too slow":         {504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete.", "", provider.Timeout, false, "max_output_tokens"},
		"broken":           {500, "INTERNAL", "Internal error encountered.", "", provider.UpstreamError, false, "try again"},
		"no status":        {404, "", "Not found.", "", provider.ModelNotFound, false, "us-central1"},
		"of the future":    {418, "NEW_STATUS", "Something new.", "", provider.InvalidRequest, false, ""},
		"not a chat model": {501, "UNIMPLEMENTED", "Operation is not implemented.", "", provider.InvalidRequest, false, "chat model"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, fake := range []providertest.Fake{providertest.GCPVertexAI(), providertest.GCPVertexAIClaude(), providertest.GCPVertexAIOpen()} {
				server := providertest.Start(t, answering(fake, func(*providertest.Request) providertest.Answer {
					return providertest.GoogleError(test.status, test.rpc, test.message, test.reason)
				}))
				client := open(t, server)
				for _, stream := range []bool{false, true} {
					result, _ := client.generate(t, stream)
					f := failure(t, result, test.want)
					if f.Account != test.account || !strings.Contains(f.Hint, test.hint) || f.Message != test.message || f.HTTPStatus != test.status {
						t.Errorf("%s: got %+v", fake.ModelID, f)
					}
				}
			}
		})
	}
}

// TestVertexHintsAtAnotherProject: a service account of another project is
// allowed, and the first thing to look at when it is refused.
func TestVertexHintsAtAnotherProject(t *testing.T) {
	for project, want := range map[string]bool{"my-project": false, "their-project": true} {
		server := providertest.Start(t, answering(providertest.GCPVertexAI(), func(*providertest.Request) providertest.Answer {
			return providertest.GoogleError(403, "PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied.", "IAM_PERMISSION_DENIED")
		}))
		file := server.Credentials["service_account_json"].(string)
		server.Credentials["service_account_json"] = strings.Replace(file, `"project_id": "my-project"`, `"project_id": "`+project+`"`, 1)
		result, _ := open(t, server).generate(t, false)
		f := failure(t, result, provider.Permission)
		if got := strings.Contains(f.Hint, "belongs to project `their-project`"); got != want || !strings.Contains(f.Hint, "caller@my-project.iam.gserviceaccount.com") {
			t.Errorf("account of %s: hint %q", project, f.Hint)
		}
	}
}

func TestVertexDiscovery(t *testing.T) {
	server := providertest.Start(t, providertest.GCPVertexAI())
	client := open(t, server)
	d, err := client.Models(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := provider.Discovery{Supported: true, Models: []provider.DiscoveredModel{
		{ModelID: "claude-sonnet-4@20250514", DisplayName: "claude-sonnet-4@20250514"},
		{ModelID: "gemini-2.5-flash", DisplayName: "gemini-2.5-flash"},
		{ModelID: "meta/llama-3.3-70b-instruct-maas", DisplayName: "meta/llama-3.3-70b-instruct-maas"},
	}}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("models (-want +got):\n%s", diff)
	}
	server.Use(providertest.AccountPermission)
	_, err = client.Models(t.Context())
	if f := asFailure(t, err); f.Kind != provider.Permission || f.OfProvider() {
		t.Errorf("without permission: %+v", f)
	}
}

// TestGeminiReadsAStream checks what is and is not text in a stream, and that
// it ends only with a reason.
func TestGeminiReadsAStream(t *testing.T) {
	for name, test := range map[string]struct {
		events []string
		want   string
		kind   provider.FailureKind // empty: success
	}{
		"thoughts are not said": {[]string{
			`{"candidates":[{"content":{"parts":[{"text":"Hm.","thought":true}]}}]}`,
			`{"candidates":[{"content":{"parts":[{"text":"Hel"},{"text":"lo"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1}}`}, "Hello", ""},
		"usage comes last":   {[]string{`{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}]}`, `{"usageMetadata":{"promptTokenCount":1}}`}, "Hi", ""},
		"it never ends":      {[]string{`{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]}`}, "Hi", provider.UpstreamError},
		"blocked at the end": {[]string{`{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]}`, `{"candidates":[{"finishReason":"SAFETY"}]}`}, "Hi", provider.ContentFiltered},
		"blocked":            {[]string{`{"promptFeedback":{"blockReason":"SAFETY"}}`}, "", provider.ContentFiltered},
		"nothing was said":   {[]string{`{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"It called print."}]}`}, "", provider.UpstreamError},
		"a broken event":     {[]string{`{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]}`, `{"cand`}, "Hi", provider.UpstreamError},
		"an error":           {[]string{`{"error":{"code":429,"message":"Resource exhausted.","status":"RESOURCE_EXHAUSTED"}}`}, "", provider.RateLimited},
		"an odd error":       {[]string{`{"error":"no"}`}, "", provider.UpstreamError},
		"nothing":            {nil, "", provider.UpstreamError},
	} {
		t.Run(name, func(t *testing.T) {
			server := providertest.Start(t, answering(providertest.GCPVertexAI(), func(*providertest.Request) providertest.Answer {
				var events []string
				for _, event := range test.events {
					events = append(events, "data: "+event)
				}
				return eventsAnswer(events...)
			}))
			result, deltas := open(t, server).generate(t, true)
			if said := strings.Join(deltas, ""); said != test.want {
				t.Errorf("said %q, want %q", said, test.want)
			}
			if test.kind == "" {
				succeeded(t, result)
				if result.Usage == nil {
					t.Error("the usage is lost")
				}
				return
			}
			failure(t, result, test.kind)
		})
	}
}

// TestVertexSettings: what could lead a call elsewhere, or could not be used, is
// refused when it is entered.
func TestVertexSettings(t *testing.T) {
	server := providertest.Start(t, providertest.GCPVertexAI())
	file := server.Credentials["service_account_json"].(string)
	typ, _ := provider.Lookup("gcp_vertex_ai")
	with := func(old, new string) string { return string(encode(t, strings.Replace(file, old, new, 1))) }
	good := `{"project":"my-project","region":"global"}`
	for name, test := range map[string]struct {
		account string // JSON of service_account_json
		config  string
		field   string // the broken one; empty: none
		code    fault.Code
	}{
		"a string":           {string(encode(t, file)), good, "", ""},
		"the object itself":  {file, good, "", ""},
		"with white space":   {string(encode(t, "\n "+file+"\n")), good, "", ""},
		"a project number":   {file, `{"project":"123456789012","region":"us"}`, "", ""},
		"a domain's project": {file, `{"project":"example.com:my-project","region":"europe-west4"}`, "", ""},
		"external_account":   {with("service_account", "external_account"), good, "credentials.service_account_json", fault.Invalid},
		"foreign token_uri":  {with("https://oauth2.googleapis.com/token", "https://evil.example/token"), good, "credentials.service_account_json", fault.Invalid},
		"another universe":   {with(`"googleapis.com"`, `"evil.example"`), good, "credentials.service_account_json", fault.Invalid},
		"not JSON":           {`"hello"`, good, "credentials.service_account_json", fault.Invalid},
		"a broken key":       {with("-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY----"), good, "credentials.service_account_json", fault.Invalid},
		"too long":           {string(encode(t, strings.Replace(file, "{", `{"padding":"`+strings.Repeat("x", 16<<10)+`",`, 1))), good, "credentials.service_account_json", fault.TooLong},
		"nothing":            {`""`, good, "credentials.service_account_json", fault.Required},
		"a host as region":   {file, `{"project":"my-project","region":"evil.example/"}`, "config.region", fault.Invalid},
		"a region and more":  {file, `{"project":"my-project","region":"us-central1.evil.example#"}`, "config.region", fault.Invalid},
		"lines in a region":  {file, `{"project":"my-project","region":"us-\ncentral1"}`, "config.region", fault.Invalid},
		"a path as project":  {file, `{"project":"../../x","region":"global"}`, "config.project", fault.Invalid},
		"no project":         {file, `{"region":"global"}`, "config.project", fault.Required},
		"capitals":           {file, `{"project":"My-Project","region":"global"}`, "config.project", fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			request := provider.Request{
				Credentials: json.RawMessage(`{"service_account_json":` + test.account + `}`), Config: json.RawMessage(test.config),
			}
			if faults := typ.CheckShape(request.Credentials, request.Config); len(faults) > 0 {
				t.Fatalf("malformed: %+v", faults)
			}
			settings, faults := typ.Read(request, provider.Stored{})
			if test.field == "" {
				if len(faults) > 0 {
					t.Fatalf("refused: %+v", faults)
				}
				if _, err := typ.Open(settings.Credentials, settings.Config, provider.OpenOptions{Transport: noNetwork{t}}); err != nil {
					t.Errorf("accepted, but: %v", err)
				}
				return
			}
			if len(faults) != 1 || faults[0].Name != test.field || faults[0].Code != test.code {
				t.Fatalf("got %+v, want %s of %s", faults, test.code, test.field)
			}
			if strings.Contains(fmt.Sprint(faults), "evil") {
				t.Errorf("the message holds the value: %+v", faults)
			}
		})
	}
}
