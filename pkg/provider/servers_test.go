package provider_test

import (
	"strings"
	"testing"

	"modelproviders/pkg/provider"
)

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
