package provider_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// The parameters of both APIs as OpenAI's reference has them.
const (
	weatherFunction = `"name":"get_weather","description":"Tells the weather in a city.","strict":true,"parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}`
	planFormat      = `"name":"plan","strict":true,"schema":{"type":"object","properties":{"steps":{"type":"array","items":{"type":"string"}}},"required":["steps"],"additionalProperties":false}`

	chatTools      = `{"tools":[{"type":"function","function":{` + weatherFunction + `}}],"tool_choice":{"type":"function","function":{"name":"get_weather"}}}`
	chatFormat     = `{"response_format":{"type":"json_schema","json_schema":{` + planFormat + `}}}`
	responsesTools = `{"tools":[{"type":"function",` + weatherFunction + `}],"tool_choice":{"type":"function","name":"get_weather"}}`
	responsesText  = `{"text":{"format":{"type":"json_schema",` + planFormat + `}}}`
)

// toolParameters are the parameters of a request for tools and schemas.
func toolParameters(t *testing.T, body []byte) map[string]any {
	t.Helper()
	all := decode(t, body)
	params := map[string]any{}
	for _, name := range []string{"tools", "tool_choice", "response_format", "text", "parallel_tool_calls"} {
		if value, ok := all[name]; ok {
			params[name] = value
		}
	}
	return params
}

func decode(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var value map[string]any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// TestToolsOnTheWire checks path, header and body of a prompt with a tool and with a schema.
func TestToolsOnTheWire(t *testing.T) {
	azure := map[string]any{"api_version": "v1"}
	for name, c := range map[string]struct {
		fake           providertest.Fake
		config         map[string]any
		chat, response string // paths
		header         string
	}{
		"openai":         {providertest.OpenAI(), nil, "/v1/chat/completions", "/v1/responses", "Authorization"},
		"azure, classic": {providertest.AzureOpenAI(), nil, "/openai/deployments/gpt-4o%20prod%2Feu/chat/completions", "/openai/responses", "Api-Key"},
		"azure, v1":      {providertest.AzureOpenAI(), azure, "/openai/v1/chat/completions", "/openai/v1/responses", "Api-Key"},
		"custom":         {providertest.Custom(), nil, "/v1/chat/completions", "/v1/responses", "Authorization"},
	} {
		for _, stream := range []bool{false, true} {
			server := providertest.Start(t, c.fake)
			server.Use(providertest.OnlyResponses)
			client := open(t, server, c.config)
			result, _ := client.callTool(t, stream)
			succeeded(t, result)
			checkToolCalls(t, result, rightCall)
			server.Say(plan)
			result, _ = client.ask(t, nil, planSchema(), stream)
			succeeded(t, result)
			if result.Response != plan || !cmp.Equal(warned(result), []provider.WarningCode{provider.ResponsesAPI}) {
				t.Errorf("%s: response %q, warnings %v", name, result.Response, result.Warnings)
			}
			requests := server.Requests()
			if len(requests) != 4 {
				t.Fatalf("%s: %d requests", name, len(requests))
			}
			for i, want := range []string{chatTools, responsesTools, chatFormat, responsesText} {
				r, path := requests[i], []string{c.chat, c.response}[i%2]
				if r.Path != path || r.Header.Get(c.header) == "" || r.Header.Get("Content-Type") != "application/json" {
					t.Errorf("%s: %s with header %v", name, r.Path, r.Header)
				}
				if diff := cmp.Diff(decode(t, []byte(want)), toolParameters(t, r.Body)); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
		}
	}
}

// TestToolsAreReported checks that a result tells which parameters were sent.
func TestToolsAreReported(t *testing.T) {
	server := providertest.Start(t, providertest.OpenAI())
	client := open(t, server)
	for mode, want := range map[providertest.Mode][]string{
		providertest.Success:      {"max_completion_tokens", "tool_choice", "tools"},
		providertest.NoToolChoice: {"max_completion_tokens", "tools"},
	} {
		server.Use(mode)
		result, _ := client.callTool(t, false)
		if got := slices.Sorted(maps.Keys(result.Sent)); !cmp.Equal(got, want) {
			t.Errorf("%s: sent %q, want %q", mode, got, want)
		}
	}
}

// refusing is a server of OpenAI's API that refuses requests whose body contains a text. It
// answers others with a call, or with a plan if there is no tool.
func refusing(t *testing.T, part string, status int, refusal string) *site {
	t.Helper()
	return serveAt(t, "/v1", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case strings.Contains(string(body), part):
			w.WriteHeader(status)
			_, _ = io.WriteString(w, refusal)
		case strings.Contains(string(body), `"tools"`):
			_, _ = io.WriteString(w, `{"choices":[{"message":{"tool_calls":[{"function":{"name":"get_weather","arguments":"{\"city\":\"Paris\"}"}}]},"finish_reason":"stop"}]}`)
		default:
			_, _ = io.WriteString(w, `{"choices":[{"message":{"content":"{\"steps\":[\"Ask.\",\"Wait.\"]}"},"finish_reason":"stop"}]}`)
		}
	})
}

// TestStrictIsLeftOutWhereItIsRefused: older servers know functions and formats without it.
func TestStrictIsLeftOutWhereItIsRefused(t *testing.T) {
	for refusal, status := range map[string]int{
		`{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","tools",0,"function","strict"],"msg":"Extra inputs are not permitted","input":true}]},"type":"invalid_request_error","param":null,"code":null}`: 422,
		`{"error":{"message":"Unrecognized request argument supplied: 'strict'","type":"invalid_request_error","param":null,"code":null}}`:                                                                                              400,
	} {
		s := refusing(t, `"strict"`, status, refusal)
		result := s.client.Generate(t.Context(), provider.Prompt{ModelID: "m", Text: "x", Tool: weatherTool()}, nil)
		succeeded(t, result)
		checkToolCalls(t, result, rightCall)
		result = s.client.Generate(t.Context(), provider.Prompt{ModelID: "m", Text: "x", Output: planSchema()}, nil)
		succeeded(t, result)
		if n := s.count(); result.Response != plan || result.Sent["response_format"] == nil || n != 4 {
			t.Errorf("response %q, sent %v, %d requests", result.Response, result.Sent, n)
		}
	}
}

// TestRefusalsThatSayNothingOfTheParameter: a limit of the account is no reason to send a
// prompt again, even if its message names a parameter.
func TestRefusalsThatSayNothingOfTheParameter(t *testing.T) {
	for status, kind := range map[int]provider.FailureKind{
		401: provider.Authentication, 403: provider.Permission, 429: provider.RateLimited,
	} {
		s := refusing(t, ``, status, `{"error":{"message":"No more calls with tool_choice, strict: 'strict', or response_format.","param":"tool_choice"}}`)
		prompt := provider.Prompt{ModelID: "m", Text: "x", Tool: weatherTool(), Output: planSchema()}
		f := failure(t, s.client.Generate(t.Context(), prompt, nil), kind)
		if f.Unsupported || s.count() != 1 {
			t.Errorf("%d: %+v, %d requests", status, f, s.count())
		}
	}
}

// TestEachParameterIsLeftOutOnce: a server that repeats its refusal is not asked for ever.
func TestEachParameterIsLeftOutOnce(t *testing.T) {
	s := refusing(t, ``, 400, `{"error":{"message":"Do not send tool_choice, 'strict', response_format or stream_options: they are not supported."}}`)
	prompt := provider.Prompt{ModelID: "m", Text: "x", Tool: weatherTool(), Output: planSchema()}
	failed(t, s.client.Generate(t.Context(), prompt, func(string) {}), provider.InvalidRequest)
	if n := s.count(); n != 5 {
		t.Errorf("%d requests, want one with all four and four with fewer", n)
	}
}

// TestRefusalsOfTheResponsesAPI: what a model refuses there is left out, too.
func TestRefusalsOfTheResponsesAPI(t *testing.T) {
	const (
		elsewhere = `{"error":{"message":"This model is only supported in v1/responses and not in v1/chat/completions.","type":"invalid_request_error","param":"model","code":null}}`
		output    = `{"id":"resp_1","object":"response","status":"completed","model":"m","output":[%]}`
		said      = `{"type":"message","role":"assistant","content":[{"type":"output_text","text":"{\"steps\":[\"Ask.\",\"Wait.\"]}"}]}`
		called    = `{"type":"reasoning","summary":[]},{"type":"function_call","call_id":"c","name":"get_weather","arguments":"{\"city\":\"Paris\"}"}`
	)
	for param, c := range map[string]struct{ message, answer string }{
		`"text"`:        {"Invalid parameter: 'text.format' of type 'json_schema' is not supported with model version `o1-pro`.", said},
		`"tool_choice"`: {"Unsupported parameter: 'tool_choice' is not supported with this model.", called},
		`"tools"`:       {"Unsupported parameter: 'tools' is not supported with this model.", ""},
	} {
		s := serveAt(t, "/v1", func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			switch {
			case strings.HasSuffix(r.URL.Path, "/chat/completions"):
				w.WriteHeader(http.StatusNotFound)
				_, _ = io.WriteString(w, elsewhere)
			case strings.Contains(string(body), param+":"):
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write(encode(t, map[string]any{"error": map[string]any{"message": c.message, "type": "invalid_request_error"}}))
			default:
				_, _ = io.WriteString(w, strings.Replace(output, "%", c.answer, 1))
			}
		})
		prompt := provider.Prompt{ModelID: "m", Text: "x", Tool: weatherTool(), Output: planSchema()}
		result := s.client.Generate(t.Context(), prompt, nil)
		if c.answer == "" {
			if f := failure(t, result, provider.InvalidRequest); !f.Unsupported || f.Message != c.message {
				t.Errorf("%s: %+v", param, f)
			}
			continue
		}
		succeeded(t, result)
		if n := s.count(); n != 3 || result.Response == "" && len(result.ToolCalls) == 0 || result.Sent[strings.Trim(param, `"`)] != nil {
			t.Errorf("%s: %d requests, %+v", param, n, result)
		}
	}
}
