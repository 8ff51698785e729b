package provider_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// TestWhatAnAnswerIs: a success has text, reasoning or a tool call in it, or was
// ended by the output limit.
func TestWhatAnAnswerIs(t *testing.T) {
	const (
		claude  = `{"type":"message","role":"assistant","model":"m","content":[%],"stop_reason":"$","usage":{"input_tokens":1,"output_tokens":1}}`
		gemini  = `{"candidates":[{"content":{"role":"model","parts":[%]},"finishReason":"$"}],"usageMetadata":{"promptTokenCount":1}}`
		bedrock = `{"output":{"message":{"role":"assistant","content":[%]}},"stopReason":"$","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2},"metrics":{"latencyMs":1}}`
		chat    = `{"choices":[{"index":0,"message":{"role":"assistant",%},"finish_reason":"$"}]}`
	)
	for _, c := range []struct {
		name     string
		fake     providertest.Fake
		form     string
		content  string
		finish   string
		warnings []provider.WarningCode // nil: a failure
	}{
		{"Claude, nothing", providertest.Anthropic(), claude, ``, "end_turn", nil},
		{"Claude, thoughts", providertest.Anthropic(), claude, `{"type":"thinking","thinking":"hm"}`, "end_turn", []provider.WarningCode{provider.ReasoningOnly}},
		{"Claude, a tool", providertest.Anthropic(), claude, `{"type":"tool_use","id":"t","name":"n","input":{}}`, "tool_use", []provider.WarningCode{}},
		{"Claude, cut off", providertest.Anthropic(), claude, ``, "max_tokens", []provider.WarningCode{provider.TokenLimit}},
		{"Gemini, nothing", providertest.GCPVertexAI(), gemini, ``, "STOP", nil},
		{"Gemini, thoughts", providertest.GCPVertexAI(), gemini, `{"text":"hm","thought":true}`, "STOP", []provider.WarningCode{provider.ReasoningOnly}},
		{"Gemini, a tool", providertest.GCPVertexAI(), gemini, `{"functionCall":{"name":"n","args":{}}}`, "STOP", []provider.WarningCode{}},
		{"Gemini, cut off", providertest.GCPVertexAI(), gemini, ``, "MAX_TOKENS", []provider.WarningCode{provider.TokenLimit}},
		{"Bedrock, nothing", providertest.AWSBedrock(), bedrock, ``, "end_turn", nil},
		{"Bedrock, thoughts", providertest.AWSBedrock(), bedrock, `{"reasoningContent":{"reasoningText":{"text":"hm"}}}`, "end_turn", []provider.WarningCode{provider.ReasoningOnly}},
		{"Bedrock, a tool", providertest.AWSBedrock(), bedrock, `{"toolUse":{"toolUseId":"t","name":"n","input":{}}}`, "tool_use", []provider.WarningCode{}},
		{"chat, nothing", providertest.OpenAI(), chat, `"content":""`, "stop", nil},
		{"chat, thoughts", providertest.OpenAI(), chat, `"content":null,"reasoning":"hm"`, "stop", []provider.WarningCode{provider.ReasoningOnly}},
		{"chat, a tool", providertest.OpenAI(), chat, `"content":null,"tool_calls":[{"id":"t","type":"function","function":{"name":"n","arguments":"{}"}}]`, "tool_calls", []provider.WarningCode{}},
		{"chat, cut off", providertest.OpenAI(), chat, `"content":"He"`, "length", []provider.WarningCode{provider.TokenLimit}},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := strings.NewReplacer("%", c.content, "$", c.finish).Replace(c.form)
			server := providertest.Start(t, answering(c.fake, func(*providertest.Request) providertest.Answer { return jsonAnswer(body) }))
			result, _ := open(t, server).generate(t, false)
			if c.warnings == nil {
				if f := failure(t, result, provider.UpstreamError); f.HTTPStatus != http.StatusOK || !strings.Contains(f.Message, "without an answer") {
					t.Errorf("failure %+v", f)
				}
				return
			}
			succeeded(t, result)
			if got := append([]provider.WarningCode{}, warned(result)...); !cmp.Equal(got, c.warnings) {
				t.Errorf("warnings %q, want %q", got, c.warnings)
			}
		})
	}
}

// TestWhatAStreamedAnswerIs: the same for answers that come as events.
func TestWhatAStreamedAnswerIs(t *testing.T) {
	thinking, tool := []provider.WarningCode{provider.ReasoningOnly}, []provider.WarningCode{}
	claude := func(delta, block, stop string) providertest.Answer {
		return eventsAnswer(`data: {"type":"message_start","message":{"model":"m","usage":{"input_tokens":1}}}`,
			`data: {"type":"content_block_start","index":0,"content_block":`+block+`}`,
			`data: {"type":"content_block_delta","index":0,"delta":`+delta+`}`,
			`data: {"type":"message_delta","delta":{"stop_reason":"`+stop+`"},"usage":{"output_tokens":1}}`, `data: {"type":"message_stop"}`)
	}
	gemini := func(part, finish string) providertest.Answer {
		return eventsAnswer(`data: {"candidates":[{"content":{"parts":[`+part+`]}}]}`, `data: {"candidates":[{"finishReason":"`+finish+`"}]}`)
	}
	chat := func(delta, finish string) providertest.Answer {
		return eventsAnswer(`data: {"choices":[{"index":0,"delta":{`+delta+`}}]}`, `data: {"choices":[{"index":0,"delta":{},"finish_reason":"`+finish+`"}]}`, `data: [DONE]`)
	}
	bedrock := func(event, payload, stop string) providertest.Answer {
		return converseStream(converseEvent(t, "messageStart", `{"role":"assistant"}`), converseEvent(t, event, payload), converseEvent(t, "messageStop", `{"stopReason":"`+stop+`"}`))
	}
	for name, c := range map[string]struct {
		fake     providertest.Fake
		answer   providertest.Answer
		warnings []provider.WarningCode // nil: a failure
	}{
		"Claude, nothing":   {providertest.Anthropic(), claude(`{"type":"text_delta","text":""}`, `{"type":"text","text":""}`, "end_turn"), nil},
		"Claude, thoughts":  {providertest.Anthropic(), claude(`{"type":"thinking_delta","thinking":"hm"}`, `{"type":"thinking","thinking":""}`, "end_turn"), thinking},
		"Claude, a tool":    {providertest.Anthropic(), claude(`{"type":"input_json_delta","partial_json":"{}"}`, `{"type":"tool_use","id":"t","name":"n","input":{}}`, "tool_use"), tool},
		"Gemini, nothing":   {providertest.GCPVertexAI(), gemini(``, "STOP"), nil},
		"Gemini, thoughts":  {providertest.GCPVertexAI(), gemini(`{"text":"hm","thought":true}`, "STOP"), thinking},
		"Gemini, a tool":    {providertest.GCPVertexAI(), gemini(`{"functionCall":{"name":"n","args":{}}}`, "STOP"), tool},
		"chat, nothing":     {providertest.OpenAI(), chat(`"content":""`, "stop"), nil},
		"chat, thoughts":    {providertest.OpenAI(), chat(`"reasoning_content":"hm"`, "stop"), thinking},
		"chat, a tool":      {providertest.OpenAI(), chat(`"tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"n","arguments":"{}"}}]`, "tool_calls"), tool},
		"Bedrock, nothing":  {providertest.AWSBedrock(), bedrock("contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":""}}`, "end_turn"), nil},
		"Bedrock, thoughts": {providertest.AWSBedrock(), bedrock("contentBlockDelta", `{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}}}`, "end_turn"), thinking},
		"Bedrock, a tool":   {providertest.AWSBedrock(), bedrock("contentBlockStart", `{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"t","name":"n"}}}`, "tool_use"), tool},
	} {
		t.Run(name, func(t *testing.T) {
			server := providertest.Start(t, answering(c.fake, func(*providertest.Request) providertest.Answer { return c.answer }))
			result, deltas := open(t, server).generate(t, true)
			if len(deltas) > 0 {
				t.Errorf("deltas %q", deltas)
			}
			if c.warnings == nil {
				failure(t, result, provider.UpstreamError)
				return
			}
			succeeded(t, result)
			if got := append([]provider.WarningCode{}, warned(result)...); !cmp.Equal(got, c.warnings) {
				t.Errorf("warnings %q, want %q", got, c.warnings)
			}
		})
	}
}

// TestNamesOfModelsKeepShortKeys: a local server's key is often its name, which
// its models have too. Long secrets are cut out of names all the same, and
// nothing is dropped from a list for it.
func TestNamesOfModelsKeepShortKeys(t *testing.T) {
	for key, want := range map[string]string{"ollama": "team/ollama-tiny", "sk-0123456789abcdef": "team/ollama-tiny"} {
		s := serve(t, 200, "application/json", `{"data":[{"id":"team/ollama-tiny"},{"id":"team/`+key+`"}],"model":"team/`+key+`","choices":[{"message":{"content":"Hi!"},"finish_reason":"stop"}]}`)
		typ := lookup(t, "custom")
		settings, faults := read(t, typ, encode(t, map[string]string{"api_key": key}), encode(t, map[string]string{"base_url": s.URL}), provider.Stored{})
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		client, err := typ.Open(settings.Credentials, settings.Config, provider.OpenOptions{Transport: http.DefaultTransport})
		if err != nil {
			t.Fatal(err)
		}
		d, err := client.Models(t.Context())
		if err != nil || len(d.Models) != 2 || d.Models[0].ModelID != want && d.Models[1].ModelID != want {
			t.Errorf("%q: %+v, %v", key, d, err)
		}
		shown := "team/" + key
		if len(key) >= 16 {
			shown = "team/••••"
		}
		if r := client.Generate(t.Context(), provider.Prompt{ModelID: "m", Text: "Hi"}, nil); r.Model != shown {
			t.Errorf("%q: model %q", key, r.Model)
		}
		if r := client.Generate(t.Context(), provider.Prompt{ModelID: "team/" + key, Text: "Hi"}, nil); r.Model != "team/"+key {
			t.Errorf("the model that was asked for is %q", r.Model)
		}
	}
}

// TestAbsentLists: an operator's endpoint may have no list of models. That is
// no failure, of whichever type it is.
func TestAbsentLists(t *testing.T) {
	for _, fake := range providertest.Fakes(t) {
		for _, status := range []int{http.StatusNotFound, http.StatusMethodNotAllowed} {
			server := providertest.Start(t, answering(fake, func(*providertest.Request) providertest.Answer {
				a := jsonAnswer(`{"message":"There is no such path."}`)
				a.Status = status
				return a
			}))
			if d, err := open(t, server).Models(t.Context()); err != nil || d.Supported {
				t.Errorf("%s, %d: %+v, %v", fake.Type, status, d, err)
			}
		}
	}
}
