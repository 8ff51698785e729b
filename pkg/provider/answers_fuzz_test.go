package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"modelproviders/pkg/secret"
)

const fuzzSecret = "fuzzing-secret-0123"

// checkAnswer sends a prompt to an upstream whose every answer is the same:
// whatever comes is a success or an explained failure, and free of secrets.
func checkAnswer(t *testing.T, up upstream, model string, streamed bool) {
	t.Helper()
	c := &client{typ: &Type{requestIDHeaders: []string{"X-Request-Id"}}, redact: newRedactor()}
	c.redact.add(fuzzSecret)
	c.upstream = up
	var deltas strings.Builder
	var emit func(string)
	if streamed {
		emit = func(s string) { deltas.WriteString(s) }
	}
	schema := map[string]any{"type": "object", "properties": map[string]any{}, "required": []any{}, "additionalProperties": false}
	prompt := Prompt{ModelID: model, Text: "x", Tool: &Tool{Name: "f", Parameters: schema}, Output: &Schema{Name: "s", Schema: schema}}
	r := c.Generate(context.Background(), prompt, emit)
	if r.Failure == nil && streamed && deltas.String() != r.Response {
		t.Errorf("deltas %q, response %q", deltas.String(), r.Response)
	}
	said := []string{r.Response, deltas.String(), r.Model, r.FinishReason, r.RequestID}
	for _, call := range r.ToolCalls {
		said = append(said, call.Name, string(call.Arguments))
	}
	if f := r.Failure; f != nil {
		if f.Kind == "" || f.Message == "" {
			t.Errorf("failure %+v", f)
		}
		said = append(said, f.Message, f.Code, f.Hint)
	}
	for _, s := range said {
		if strings.Contains(s, fuzzSecret) || !utf8.ValidString(s) {
			t.Errorf("%q leaves", s)
		}
	}
}

// mediaType is the type of an answer.
func mediaType(stream bool) string {
	if stream {
		return "text/event-stream"
	}
	return "application/json"
}

// addCases makes seeds of what the upstreams of the cases of some types say.
func addCases(f *testing.F, types string, add func(body string, status int, stream bool)) {
	files, err := filepath.Glob("testdata/cases/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("there are no cases: ", err)
	}
	for _, file := range files {
		var c struct {
			Provider struct{ Type string }
			Upstream []struct {
				Status int
				JSON   json.RawMessage
				Body   string
				Chunks []string
			}
		}
		text, err := os.ReadFile(file)
		if err != nil || json.Unmarshal(text, &c) != nil {
			f.Fatal("the case is not read: ", file, err)
		}
		for _, answer := range c.Upstream {
			if strings.Contains(types, c.Provider.Type) {
				add(string(answer.JSON)+answer.Body+strings.Join(answer.Chunks, ""), cmp.Or(answer.Status, http.StatusOK), answer.Chunks != nil)
			}
		}
	}
}

func FuzzAnthropicAnswer(f *testing.F) {
	addCases(f, "anthropic", func(body string, status int, stream bool) { f.Add(body, status, stream, stream) })
	for _, seed := range claudeSeeds() {
		for _, status := range []int{200, 400, 529} {
			f.Add(seed, status, true, true)
			f.Add(seed, status, false, false)
		}
	}
	f.Fuzz(func(t *testing.T, body string, status int, stream, asEvents bool) {
		if status < 200 || status > 599 {
			return
		}
		env := environment{http: newHTTPClient(answering{status, mediaType(asEvents), body}), hide: func(string) {}}
		up, err := openAnthropic(anthropicCredentials{APIKey: secret.NewText(fuzzSecret)}, anthropicConfig{}, env)
		if err != nil {
			t.Fatal(err)
		}
		checkAnswer(t, up, "m", stream)
	})
}

func claudeSeeds() []string {
	return []string{
		`{"type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hi"},{"type":"thinking","thinking":"x"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}`,
		`{"type":"message","content":[],"stop_reason":"refusal","stop_details":{"type":"refusal","explanation":"No."}}`,
		`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}`,
		"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"m\",\"usage\":{\"input_tokens\":1}}}\n\n" +
			"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n" +
			"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\"},\"usage\":{\"output_tokens\":2}}\n\n" +
			"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
		`{"type":"message","model":"m","content":[{"type":"tool_use","id":"t","name":"f","input":{"key":"fuzzing-secret-0123"}}],"stop_reason":"tool_use"}`,
		"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"name\":\"f\",\"input\":{}}}\n\n" +
			"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"fuzzing-\"}}\n\n" +
			"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"secret-0123\"}}\n\n" +
			"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
		`{"type":"error","error":{"type":"invalid_request_error","message":"tool_choice, output_config.format: Extra inputs are not permitted"}}`,
		"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"x\"}}\n\n",
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":5}\n\n", `null`, `{"content":5}`, `{"content":[null]}`, `<html>`,
	}
}

func FuzzBedrockAnswer(f *testing.F) {
	addCases(f, "aws_bedrock", func(body string, status int, stream bool) { f.Add("", body, status, stream) })
	for _, seed := range []struct{ event, body string }{
		{"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"Hi"}}`},
		{"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"Hm"}}}`},
		{"contentBlockStart", `{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"t","name":"f"}}}`},
		{"contentBlockDelta", `{"contentBlockIndex":0,"delta":{"toolUse":{"input":"{\"key\":\"fuzzing-secret-0123\"}"}}}`},
		{"", `{"output":{"message":{"content":[{"toolUse":{"name":"f","input":{"key":"fuzzing-secret-0123"}}}]}},"stopReason":"tool_use"}`},
		{"", `{"message":"This model doesn't support the toolConfig.toolChoice.tool, outputConfig fields."}`},
		{"metadata", `{"usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3}}`},
		{"throttlingException", `{"message":"Too many tokens"}`},
		{"", `{"output":{"message":{"role":"assistant","content":[{"text":"Hi"}]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3}}`},
		{"", `{"message":"Invocation of model ID x with on-demand throughput isn’t supported.","__type":"ValidationException"}`},
		{"", `{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}`},
		{"", `{"output":{"message":{"content":[{"future":1},null]}}}`}, {"future", `5`}, {"messageStop", `null`},
	} {
		for _, status := range []int{200, 400, 503} {
			f.Add(seed.event, seed.body, status, true)
			f.Add(seed.event, seed.body, status, false)
		}
	}
	f.Fuzz(func(t *testing.T, event, body string, status int, stream bool) {
		if status < 200 || status > 599 {
			return
		}
		answer := answering{status, "application/json", body}
		if stream && event != "" {
			answer = answering{status, "application/vnd.amazon.eventstream", fuzzStream(event, body)}
		}
		env := environment{http: newHTTPClient(answer), hide: func(string) {}}
		up, err := openBedrock(bedrockCredentials{AccessKeyID: secret.NewText("AKIAFUZZ"), SecretAccessKey: secret.NewText(fuzzSecret)}, bedrockConfig{Region: "us-east-1"}, env)
		if err != nil {
			t.Fatal(err)
		}
		checkAnswer(t, up, "m", stream)
	})
}

// fuzzStream is a stream of which one message is the fuzzer's.
func fuzzStream(event, payload string) string {
	var b strings.Builder
	for _, m := range [][2]string{{"messageStart", `{"role":"assistant"}`}, {event, payload}, {"messageStop", `{"stopReason":"end_turn"}`}} {
		kind := "event"
		if strings.HasSuffix(m[0], "Exception") {
			kind = "exception"
		}
		message := eventstream.Message{Payload: []byte(m[1])}
		message.Headers.Set(":"+kind+"-type", eventstream.StringValue(m[0]))
		message.Headers.Set(":message-type", eventstream.StringValue(kind))
		if eventstream.NewEncoder().Encode(&b, message) != nil {
			return m[1]
		}
	}
	return b.String()
}

func FuzzVertexAnswer(f *testing.F) {
	seeds := append(claudeSeeds(),
		`{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1},"modelVersion":"m","responseId":"r"}`,
		`{"error":{"code":403,"message":"no","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"SERVICE_DISABLED"}]}}`,
		`[{"error":{"code":404,"message":"no","status":"NOT_FOUND"}}]`,
		`{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"key":"fuzzing-secret-0123"}}}]},"finishReason":"STOP"}]}`,
		`{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"Malformed function call: f(fuzzing-secret-0123)"}]}`,
		`{"error":{"code":400,"message":"forced function calling (mode = ANY), mimeType parameter","status":"INVALID_ARGUMENT"}}`,
		"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hi\"}]}}]}\r\n\r\ndata: {\"candidates\":[{\"finishReason\":\"MAX_TOKENS\"}]}\r\n\r\n",
		"data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: [DONE]\n\n")
	for _, seed := range seeds {
		for model := range uint8(3) {
			f.Add(seed, 200, true, true, model)
			f.Add(seed, 400, false, false, model)
			f.Add(seed, 200, false, false, model)
		}
	}
	addCases(f, "gcp_vertex_ai", func(body string, status int, stream bool) { f.Add(body, status, stream, stream, uint8(0)) })
	file := toJSON(f, newKeyFile(f))
	f.Fuzz(func(t *testing.T, body string, status int, stream, asEvents bool, model uint8) {
		if status < 200 || status > 599 {
			return
		}
		env := environment{http: newHTTPClient(answering{status, mediaType(asEvents), body}), hide: func(string) {}}
		up, err := openVertex(vertexCredentials{ServiceAccount: secret.NewText(file)}, vertexConfig{Project: "my-project", Region: "global"}, env)
		if err != nil {
			t.Fatal(err)
		}
		tokens := up.(*vertexUpstream).http.Transport.(*tokenTransport[string])
		tokens.token, tokens.expires, tokens.renew = fuzzSecret, time.Now().Add(time.Hour), time.Now().Add(time.Hour)
		checkAnswer(t, up, []string{"gemini-2.5-flash", "claude-sonnet-4", "meta/llama"}[model%3], stream)
	})
}

func FuzzTokenAnswer(f *testing.F) {
	f.Add(`{"access_token":"ya29","expires_in":3599,"token_type":"Bearer"}`, 200)
	f.Add(`{"error":"invalid_grant","error_description":"Invalid JWT Signature."}`, 400)
	f.Add(`{"error":"invalid_client","error_description":"AADSTS7000215: Invalid. Trace ID: 1","error_codes":[7000215]}`, 401)
	f.Add(`{"access_token":5,"expires_in":"x","id_token":"a.b.c"}`, 200)
	account, err := parseServiceAccount(toJSON(f, newKeyFile(f)))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string, status int) {
		if status < 200 || status > 599 {
			return
		}
		transport := answering{status, "application/json", body}
		client := newHTTPClient(transport)
		entra := withToken(environment{http: client, tokens: client}, entraTokenConfig(azureCredentials{}, azureConfig{}, ""), entraTokenTables)
		for _, tokens := range []*tokenTransport[string]{googleTokens(t, account, transport, ""), entra.Transport.(*tokenTransport[string])} {
			ctx := withExchange(context.Background(), &exchange{redact: newRedactor()})
			token, err := tokens.get(ctx)
			if err == nil && (token == "" || status >= 300) {
				t.Errorf("status %d, %q: the token is %q", status, body, token)
			}
			if err != nil {
				if f := tokens.tables.explain(ctx, "", err); f.Kind == "" || f.Message == "" && http.StatusText(status) != "" && strings.TrimSpace(body) != "" {
					t.Errorf("status %d, %q: %+v", status, body, f)
				}
			}
		}
	})
}
