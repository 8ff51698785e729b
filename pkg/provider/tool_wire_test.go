package provider_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// TestToolsOfOtherAPIsOnTheWire checks path, header and body of a prompt with a tool and
// with a schema, as the references of the APIs have them.
func TestToolsOfOtherAPIsOnTheWire(t *testing.T) {
	const (
		parameters = `{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}`
		schema     = `{"type":"object","properties":{"steps":{"type":"array","items":{"type":"string"}}},"required":["steps"],"additionalProperties":false}`
		function   = `"name":"get_weather","description":"Tells the weather in a city."`

		claudeTool   = `{"tools":[{` + function + `,"input_schema":` + parameters + `}],"tool_choice":{"type":"tool","name":"get_weather"}}`
		claudeOutput = `{"output_config":{"format":{"type":"json_schema","schema":` + schema + `}}}`
		google       = "/v1/projects/my-project/locations/us-central1/publishers/"
		bedrock      = "/model/us.anthropic.claude-sonnet-4-20250514-v1:0/converse"
	)
	inString := strings.ReplaceAll(`{"additionalProperties":false,"properties":{"steps":{"items":{"type":"string"},"type":"array"}},"required":["steps"],"type":"object"}`, `"`, `\"`)
	for name, c := range map[string]struct {
		fake          providertest.Fake
		whole, stream string // paths
		header        string
		tool, output  string
	}{
		"anthropic": {providertest.Anthropic(), "/v1/messages", "/v1/messages", "X-Api-Key", claudeTool, claudeOutput},
		"Claude on Vertex AI": {
			providertest.GCPVertexAIClaude(), google + "anthropic/models/claude-sonnet-4@20250514:rawPredict",
			google + "anthropic/models/claude-sonnet-4@20250514:streamRawPredict", "Authorization", claudeTool, claudeOutput,
		},
		"Gemini": {
			providertest.GCPVertexAI(), google + "google/models/gemini-2.5-flash:generateContent",
			google + "google/models/gemini-2.5-flash:streamGenerateContent", "Authorization",
			`{"tools":[{"functionDeclarations":[{` + function + `,"parametersJsonSchema":` + parameters + `}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["get_weather"]}}}`,
			`{"generationConfig":{"maxOutputTokens":1024,"responseMimeType":"application/json","responseJsonSchema":` + schema + `}}`,
		},
		"aws_bedrock": {
			providertest.AWSBedrock(), bedrock, bedrock + "-stream", "Authorization",
			`{"toolConfig":{"tools":[{"toolSpec":{` + function + `,"inputSchema":{"json":` + parameters + `}}}],"toolChoice":{"tool":{"name":"get_weather"}}}}`,
			`{"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"name":"plan","schema":"` + inString + `"}}}}}`,
		},
		"open model on Vertex AI": {
			providertest.GCPVertexAIOpen(), "/v1/projects/my-project/locations/us-central1/endpoints/openapi/chat/completions",
			"/v1/projects/my-project/locations/us-central1/endpoints/openapi/chat/completions", "Authorization", chatTools, chatFormat,
		},
	} {
		for _, stream := range []bool{false, true} {
			server := providertest.Start(t, c.fake)
			client := open(t, server)
			_, _ = client.generate(t, stream)
			_, _ = client.callTool(t, stream)
			_, _ = client.ask(t, nil, planSchema(), stream)
			requests := server.Requests()
			path := map[bool]string{false: c.whole, true: c.stream}[stream]
			for i, want := range []string{c.tool, c.output} {
				r := requests[i+1]
				if got := strings.ReplaceAll(r.Path, "%3A", ":"); got != path || r.Header.Get(c.header) == "" || r.Header.Get("Content-Type") != "application/json" {
					t.Errorf("%s: %s with header %v", name, r.Path, r.Header)
				}
				if diff := cmp.Diff(decode(t, []byte(want)), differing(t, requests[0].Body, r.Body)); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
		}
	}
}

// differing returns the members of a body that another one does not have like that.
func differing(t *testing.T, plain, body []byte) map[string]any {
	t.Helper()
	before, all := decode(t, plain), decode(t, body)
	maps.DeleteFunc(all, func(name string, value any) bool { return cmp.Equal(before[name], value) })
	return all
}

// TestRefusalsOfToolsAndSchemas checks what services are known to say of parameters that a
// model does not take. A prompt is sent again without the choice of a tool, or the schema;
// without the tool it would be another prompt.
func TestRefusalsOfToolsAndSchemas(t *testing.T) {
	messages := func(message string) providertest.Answer {
		answer := jsonAnswer(`{"type":"error","error":{"type":"invalid_request_error","message":` + string(encode(t, message)) + `},"request_id":"req_1"}`)
		answer.Status = http.StatusBadRequest
		return answer
	}
	bedrock := func(message string) providertest.Answer {
		return providertest.BedrockError(400, "ValidationException", message)
	}
	nova := func(message string) providertest.Answer {
		return providertest.BedrockError(424, "ModelErrorException", message)
	}
	google := func(message string) providertest.Answer {
		return providertest.GoogleError(400, "INVALID_ARGUMENT", message, "")
	}
	const extra = "output_config.format: Extra inputs are not permitted"
	for _, c := range []struct {
		fake    providertest.Fake
		param   string // requests whose body has it are refused
		refuse  func(message string) providertest.Answer
		message string

		unsupported bool
	}{
		{providertest.Anthropic(), "tool_choice", messages, "Thinking may not be enabled when tool_choice forces tool use.", false},
		{providertest.Anthropic(), "tool_choice", messages, `tool_choice: type "tool" and "any" are not supported for this model.`, false},
		{providertest.Anthropic(), "tool_choice", messages, "tool_choice forces tool use is not compatible with this model", false},
		{providertest.Anthropic(), "output_config", messages, extra, false},
		{providertest.Anthropic(), "tools", messages, "'claude-3-5-sonnet-20240620' does not support tool types: custom.", true},
		{providertest.GCPVertexAIClaude(), "output_config", messages, extra, false},
		{providertest.GCPVertexAIClaude(), "output_config", messages, "output_config: Extra inputs are not permitted", false},
		{providertest.GCPVertexAIClaude(), "tool_choice", messages, "Thinking may not be enabled when tool_choice forces tool use.", false},

		{providertest.AWSBedrock(), "toolChoice", bedrock, "This model doesn't support the toolConfig.toolChoice.tool field. Remove toolConfig.toolChoice.tool and try again.", false},
		{providertest.AWSBedrock(), "toolChoice", bedrock, "The model returned the following errors: Thinking may not be enabled when tool_choice forces tool use.", false},
		{providertest.AWSBedrock(), "toolConfig", nova, "Model produced invalid sequence as part of ToolUse. Please refer to the model tool use troubleshooting guide.", true},
		{providertest.AWSBedrock(), "outputConfig", bedrock, "This model doesn't support the outputConfig field. Remove outputConfig and try again.", false},
		{providertest.AWSBedrock(), "outputConfig", bedrock, "The model returned the following errors: " + extra, false},
		{providertest.AWSBedrock(), "toolConfig", bedrock, "This model doesn't support tool use.", true},

		{providertest.GCPVertexAI(), "toolConfig", google, "Unable to submit request because the forced function calling (mode = ANY) is only supported for Gemini 1.5 Pro models. Learn more: https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling", false},
		{providertest.GCPVertexAI(), "toolConfig", google, "Function calling mode `ANY` is not enabled for api version v1beta", false},
		{providertest.GCPVertexAI(), "responseJsonSchema", google, "Unable to submit request because it has a mimeType parameter with value application/json, which is not supported. Update the mimeType and try again.", false},
		{providertest.GCPVertexAI(), "responseJsonSchema", google, "Json mode is not enabled for models/gemini-pro", false},
		{providertest.GCPVertexAI(), "responseJsonSchema", google, "Invalid JSON payload received. Unknown name \"responseJsonSchema\" at 'generation_config': Cannot find field.", false},
		{providertest.GCPVertexAI(), "tools", google, "Function calling is not enabled for models/gemma-3-12b-it", true},
		{providertest.GCPVertexAI(), "tools", google, "Tool use with function calling is unsupported by the model.", true},
	} {
		t.Run(c.fake.Type+"/"+c.message, func(t *testing.T) {
			fake, answer := c.fake, c.fake.Answer
			fake.Answer = func(r *providertest.Request, mode providertest.Mode) (providertest.Answer, bool) {
				if strings.Contains(string(r.Body), `"`+c.param+`":`) {
					return c.refuse(c.message), true
				}
				return answer(r, mode)
			}
			server := providertest.Start(t, fake)
			client := open(t, server)
			for i, stream := range []bool{false, true} {
				tool, output, want := weatherTool(), planSchema(), 2*(i+1)
				switch c.param {
				case "output_config", "outputConfig", "responseJsonSchema":
					tool = nil
				default:
					output = nil
				}
				result, _ := client.ask(t, tool, output, stream)
				switch {
				case c.unsupported:
					want = i + 1
					if f := failure(t, result, provider.InvalidRequest); !f.Unsupported || f.Message != c.message {
						t.Errorf("failure %+v", f)
					}
				case tool != nil:
					succeeded(t, result)
					checkToolCalls(t, result, rightCall)
				default:
					succeeded(t, result)
				}
				if n := len(server.Requests()); n != want {
					t.Errorf("%d requests, want %d", n, want)
				}
			}
		})
	}
}

// TestToolsWithoutAStream: some models on Amazon Bedrock call tools only in whole answers.
func TestToolsWithoutAStream(t *testing.T) {
	fake, answer := providertest.AWSBedrock(), providertest.AWSBedrock().Answer
	fake.Answer = func(r *providertest.Request, mode providertest.Mode) (providertest.Answer, bool) {
		if strings.HasSuffix(r.Path, "/converse-stream") && len(r.Calls) > 0 {
			return providertest.BedrockError(400, "ValidationException", "This model doesn't support tool use in streaming mode."), true
		}
		return answer(r, mode)
	}
	server := providertest.Start(t, fake)
	client := open(t, server)
	result, _ := client.callTool(t, true)
	succeeded(t, result)
	checkToolCalls(t, result, rightCall)
	result, deltas := client.generate(t, true)
	succeeded(t, result)
	if requests := server.Requests(); len(requests) != 3 || len(deltas) < 2 {
		t.Errorf("%d requests, deltas %q", len(requests), deltas)
	}
}

// TestMalformedCalls: a call that the service could not read is the model's failure, not
// one of the provider.
func TestMalformedCalls(t *testing.T) {
	const (
		gemini  = `{"candidates":[{"content":{"role":"model"},"finishReason":"$","finishMessage":"%"}],"usageMetadata":{"promptTokenCount":1}}`
		bedrock = `{"output":{"message":{"role":"assistant","content":[%]}},"stopReason":"$","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2},"metrics":{"latencyMs":1}}`
	)
	for _, c := range []struct {
		fake             providertest.Fake
		form, text, stop string
		message          string // empty: a success
		unsupported      bool
	}{
		{providertest.GCPVertexAI(), gemini, "Malformed function call: print(get_weather())", "MALFORMED_FUNCTION_CALL", "Malformed function call: print(get_weather())", true},
		{providertest.GCPVertexAI(), gemini, "", "MALFORMED_FUNCTION_CALL", "malformed_function_call", true},
		{providertest.GCPVertexAI(), gemini, "", "UNEXPECTED_TOOL_CALL", "unexpected_tool_call", true},
		{providertest.GCPVertexAI(), gemini, "It failed.", "OTHER", "It failed.", false},
		{providertest.AWSBedrock(), bedrock, "", "malformed_tool_use", "malformed_tool_use", true},
		{providertest.AWSBedrock(), bedrock, "", "malformed_model_output", "malformed_model_output", true},
		{providertest.AWSBedrock(), bedrock, "", "end_turn", "stop", false},
		{providertest.AWSBedrock(), bedrock, `{"toolUse":{"toolUseId":"t","name":"get_weather","input":"{\"ci"}}`, "malformed_tool_use", "", false},
	} {
		t.Run(c.fake.Type+"/"+c.stop, func(t *testing.T) {
			body := strings.NewReplacer("%", c.text, "$", c.stop).Replace(c.form)
			server := providertest.Start(t, answering(c.fake, func(*providertest.Request) providertest.Answer { return jsonAnswer(body) }))
			client := open(t, server)
			for _, stream := range []bool{false, true} {
				result, _ := client.callTool(t, stream)
				if c.message == "" {
					succeeded(t, result)
					checkToolCalls(t, result, `get_weather {"ci`)
					continue
				}
				f := failure(t, result, provider.UpstreamError)
				if f.Unsupported != c.unsupported || f.OfProvider() || !strings.Contains(f.Message, c.message) {
					t.Errorf("failure %+v", f)
				}
			}
		})
	}
}
