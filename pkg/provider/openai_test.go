package provider_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/secret"
)

// openAIFamily are the fakes of the types that speak OpenAI's API.
func openAIFamily() []providertest.Fake {
	return []providertest.Fake{providertest.OpenAI(), providertest.AzureOpenAI(), providertest.Custom()}
}

// forFamily runs a test for each type of the family, streamed and not.
func forFamily(t *testing.T, mode providertest.Mode, run func(t *testing.T, client opened, stream bool)) {
	for _, fake := range openAIFamily() {
		for name, stream := range map[string]bool{"whole": false, "stream": true} {
			t.Run(fake.Type+"/"+name, func(t *testing.T) {
				server := providertest.Start(t, fake)
				server.Use(mode)
				run(t, open(t, server), stream)
			})
		}
	}
}

// Which name of the output limit a server knows shows in its answer.
func TestOutputLimitIsNamedAsTheServerWants(t *testing.T) {
	forFamily(t, providertest.OnlyMaxTokens, func(t *testing.T, client opened, stream bool) {
		result, deltas := client.generate(t, stream)
		succeeded(t, result)
		if result.Response != providertest.Text || (stream && strings.Join(deltas, "") != result.Response) {
			t.Errorf("response %q", result.Response)
		}
		want, warnings := 2, []provider.WarningCode{provider.LimitRenamed}
		if client.server.Type == "custom" { // begins with it
			want, warnings = 1, nil
		}
		if n := len(client.server.Requests()); n != want {
			t.Errorf("%d requests", n)
		}
		if diff := cmp.Diff(warnings, warned(result)); diff != "" {
			t.Error(diff)
		}
		if result.Sent["max_tokens"] != 1024 || result.Sent["max_completion_tokens"] != nil {
			t.Errorf("sent %v", result.Sent)
		}
	})
}

// warned are the codes of the warnings.
func warned(result provider.Result) (codes []provider.WarningCode) {
	for _, w := range result.Warnings {
		codes = append(codes, w.Code)
	}
	return codes
}

// OpenAI's newer models refuse max_tokens, in words or in another language.
func TestMaxTokensIsRenamedWhereItIsRefused(t *testing.T) {
	for _, refusal := range []string{
		`{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}`,
		`{"error":{"message":"不支持的参数","type":"invalid_request_error","param":"max_tokens"}}`,
	} {
		s := serveAt(t, "/v1", func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if strings.Contains(string(body), `"max_tokens"`) {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = io.WriteString(w, refusal)
				return
			}
			_, _ = io.WriteString(w, plainAnswer)
		})
		result := s.ask(t, false)
		succeeded(t, result)
		if diff := cmp.Diff([]provider.WarningCode{provider.LimitRenamed}, warned(result)); diff != "" || result.Sent["max_completion_tokens"] != 1024 {
			t.Errorf("%s, sent %v", diff, result.Sent)
		}
	}
}

func TestOutputLimitThatIsTooHighIsNotTriedAgain(t *testing.T) {
	server := serve(t, http.StatusBadRequest, "application/json", `{"error":{"message":"max_completion_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas you provided 100000.","type":"invalid_request_error","param":"max_completion_tokens","code":"invalid_value"}}`)
	f := failure(t, server.ask(t, false), provider.InvalidRequest)
	if !strings.Contains(f.Hint, "Lower max_output_tokens") || f.Code != "invalid_value" {
		t.Errorf("failure %+v", f)
	}
	if n := server.count(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestStreamWithoutStreamOptions(t *testing.T) {
	forFamily(t, providertest.NoStreamOptions, func(t *testing.T, client opened, stream bool) {
		result, _ := client.generate(t, stream)
		succeeded(t, result)
		if stream && (result.Usage != nil || result.Sent["stream_options"] != nil || result.Sent["stream"] != true) {
			t.Errorf("usage %v, sent %v", result.Usage, result.Sent)
		}
	})
}

// Some models answer only on the Responses API.
func TestResponsesAPI(t *testing.T) {
	forFamily(t, providertest.OnlyResponses, func(t *testing.T, client opened, stream bool) {
		temperature := 0.5
		prompt := client.prompt()
		prompt.System, prompt.Temperature = "Be brief.", &temperature
		var deltas strings.Builder
		var emit func(string)
		if stream {
			emit = func(text string) { deltas.WriteString(text) }
		}
		result := client.Generate(t.Context(), prompt, emit)
		succeeded(t, result)
		if diff := cmp.Diff([]provider.WarningCode{provider.ResponsesAPI}, warned(result)); diff != "" {
			t.Error(diff)
		}
		if !strings.HasSuffix(result.Endpoint, "/responses") {
			t.Errorf("endpoint %s", result.Endpoint)
		}
		if result.Response != providertest.Text || (stream && deltas.String() != result.Response) {
			t.Errorf("response %q, deltas %q", result.Response, deltas.String())
		}
		want := map[string]any{"max_output_tokens": 1024, "temperature": 0.5, "store": false}
		if stream {
			want["stream"] = true
		}
		if diff := cmp.Diff(want, result.Sent); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(&provider.Usage{InputTokens: 9, OutputTokens: 7}, result.Usage); diff != "" {
			t.Error(diff)
		}
		requests := client.server.Requests()
		if n := len(requests); n != 2 || !strings.Contains(string(requests[1].Body), "Be brief.") {
			t.Errorf("%d requests", n)
		}
	})
}

// A temperature is the caller's own wish: it is not dropped behind his back.
func TestTemperatureThatIsRefused(t *testing.T) {
	forFamily(t, providertest.NoTemperature, func(t *testing.T, client opened, stream bool) {
		temperature := 0.2
		prompt := client.prompt()
		prompt.Temperature = &temperature
		f := failure(t, client.Generate(t.Context(), prompt, nil), provider.InvalidRequest)
		if f.Code != "unsupported_value" || !strings.Contains(f.Hint, "Leave temperature out") || !strings.Contains(f.Hint, prompt.ModelID) {
			t.Errorf("failure %+v", f)
		}
		if n := len(client.server.Requests()); n != 1 {
			t.Errorf("%d requests", n)
		}
		result, _ := client.generate(t, stream)
		succeeded(t, result)
	})
}

func TestRefusalsOfTheFamily(t *testing.T) {
	for _, fake := range openAIFamily() {
		t.Run(fake.Type, func(t *testing.T) {
			server := providertest.Start(t, fake)
			server.Credentials = map[string]any{"api_key": "wrong-key-0123456789"}
			f := failure(t, first(open(t, server).generate(t, false)), provider.Authentication)
			if f.HTTPStatus != 401 || !strings.HasPrefix(f.Hint, "Replace the API key") {
				t.Errorf("failure %+v", f)
			}

			server = providertest.Start(t, fake)
			server.ModelID = "no-such-model"
			f = failure(t, first(open(t, server).generate(t, false)), provider.ModelNotFound)
			if !strings.Contains(f.Hint, "`no-such-model`") {
				t.Errorf("hint %q", f.Hint)
			}
			if fake.Type == "azure_openai" && f.Hint != "Deployment `no-such-model` does not exist on this resource. Azure needs the name of the deployment, not of the model. A new deployment takes a few minutes to appear." {
				t.Errorf("hint %q", f.Hint)
			}
		})
	}
}

func first(result provider.Result, _ []string) provider.Result { return result }

// The latency is that of the request that was answered.
func TestLatencyIsOfTheAnsweredRequest(t *testing.T) {
	const pause = 300 * time.Millisecond
	server := providertest.Start(t, providertest.OpenAI())
	server.Use(providertest.OnlyMaxTokens)
	paused := false
	client := openWith(t, server, func(o *provider.OpenOptions) {
		next := o.Transport
		o.Transport = roundTripper(func(req *http.Request) (*http.Response, error) {
			if !paused {
				paused = true
				time.Sleep(pause)
			}
			return next.RoundTrip(req)
		})
	})
	started := time.Now()
	result, _ := client.generate(t, false)
	total := time.Since(started)
	succeeded(t, result)
	if result.Latency > total-pause {
		t.Errorf("latency is %v of %v, of which the first try took %v", result.Latency, total, pause)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return r(req) }

func TestAbsentModelList(t *testing.T) {
	forFamily(t, providertest.NoModelList, func(t *testing.T, client opened, _ bool) {
		d, err := client.Models(t.Context())
		if err != nil || d.Supported || len(d.Models) > 0 {
			t.Errorf("%+v, %v", d, err)
		}
	})
}

func TestAzureListsWhatCanChat(t *testing.T) {
	d, err := open(t, providertest.Start(t, providertest.AzureOpenAI())).Models(t.Context())
	want := []provider.DiscoveredModel{{ModelID: "gpt-35-turbo-0125", DisplayName: "gpt-35-turbo-0125"}, {ModelID: "gpt-4o-2024-08-06", DisplayName: "gpt-4o-2024-08-06"}}
	if diff := cmp.Diff(want, d.Models); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

func TestAzureAddresses(t *testing.T) {
	const classic = "/openai/deployments/gpt-4o%20prod%2Feu/chat/completions"
	for _, c := range []struct{ path, version, want, query string }{
		{"", "2024-10-21", classic, "api-version=2024-10-21"},
		{"/", "2024-10-21", classic, "api-version=2024-10-21"},
		{"/openai/", "2024-10-21", classic, "api-version=2024-10-21"},
		{"/openai/v1", "2024-10-21", classic, "api-version=2024-10-21"},
		{"/openai/deployments/other/chat/completions?api-version=2023-05-15", "2024-10-21", classic, "api-version=2024-10-21"},
		{"", "v1", "/openai/v1/chat/completions", ""},
		{"/openai/v1/", "preview", "/openai/v1/chat/completions", ""},
		{"", "latest", "/openai/v1/chat/completions", ""},
	} {
		server := providertest.Start(t, providertest.AzureOpenAI())
		client := open(t, server, map[string]any{"base_url": server.URL + c.path, "api_version": c.version})
		result, _ := client.generate(t, false)
		checkSuccess(t, server, result)
		if r := server.Requests()[0]; r.Path != c.want || r.Query != c.query || result.Endpoint != server.URL+c.want {
			t.Errorf("%s, %s: %s?%s was called, %s is told", c.path, c.version, r.Path, r.Query, result.Endpoint)
		}
		if d, err := client.Models(t.Context()); err != nil || !d.Supported {
			t.Errorf("%s, %s: discovery %+v, %v", c.path, c.version, d, err)
		}
	}
}

// A deployment's name stays what it is, and in its place.
func TestAzureDeploymentNames(t *testing.T) {
	for id, want := range map[string]string{
		"gpt-4.1":    "gpt-4.1",
		"..":         "%2E%2E",
		"a/../b":     "a%2F..%2Fb",
		"a?b#c":      "a%3Fb%23c",
		"größe":      "gr%C3%B6%C3%9Fe",
		"%2e%2e":     "%252e%252e",
		"a b;c=d":    "a%20b%3Bc=d",
		"with\\back": "with%5Cback",
	} {
		server := providertest.Start(t, providertest.AzureOpenAI())
		client := open(t, server)
		prompt := client.prompt()
		prompt.ModelID = id
		failed(t, client.Generate(t.Context(), prompt, nil), provider.ModelNotFound)
		if got := server.Requests()[0].Path; got != "/openai/deployments/"+want+"/chat/completions" {
			t.Errorf("%q: %s was called", id, got)
		}
	}
}

func TestAzureIsCalledOverTLSOnly(t *testing.T) {
	_, faults := read(t, lookup(t, "azure_openai"), nil, []byte(`{"base_url":"http://r.example","api_version":"v1"}`), provider.Stored{Credentials: []string{"api_key"}})
	if len(faults) != 1 || !strings.Contains(faults[0].Message, "https://") {
		t.Errorf("faults %+v", faults)
	}
	server := providertest.Start(t, providertest.AzureOpenAI())
	server.RootCAs = nil
	f := failure(t, first(open(t, server).generate(t, false)), provider.Unreachable)
	if !strings.Contains(f.Message, "not trusted") || !strings.Contains(f.Hint, "certificate") {
		t.Errorf("failure %+v", f)
	}
}

// What a draft replaces must not leave either.
func TestStoredSecretsOfADraftAreCutOut(t *testing.T) {
	server := providertest.Start(t, providertest.Custom())
	server.Say("the old key is sk-stored-0123456789")
	client := openWith(t, server, func(o *provider.OpenOptions) {
		o.Redact = map[string]secret.Text{"api_key": secret.NewText("sk-stored-0123456789")}
	})
	result, _ := client.generate(t, false)
	if result.Response != "the old key is ••••" {
		t.Errorf("response %q", result.Response)
	}
}

func TestDeadlineBeforeTheRequest(t *testing.T) {
	server := providertest.Start(t, providertest.OpenAI())
	client := open(t, server)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	result, _ := client.generateIn(ctx, false)
	failed(t, result, provider.Unreachable)
	if len(server.Requests()) > 0 {
		t.Error("a request was sent")
	}
}
