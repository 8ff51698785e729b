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
