package providertest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// function is a tool in the Chat Completions API.
type function struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Parameters  map[string]any `json:"parameters"`
	Strict      bool           `json:"strict"`
}

// flatFunction is a tool in the Responses API.
type flatFunction struct {
	Type string `json:"type"`
	function
}

// format is the schema of an answer in the Chat Completions API.
type format struct {
	Name   string         `json:"name"`
	Schema map[string]any `json:"schema"`
	Strict bool           `json:"strict"`
}

// flatFormat is the schema of an answer in the Responses API.
type flatFormat struct {
	Type string `json:"type"`
	format
}

// functionOf returns the tool in a request of either API; its name is empty if there is none.
func (c ChatRequest) functionOf() function {
	if tool := firstOf[struct{ Function function }](c.Tools); tool.Function.Name != "" {
		return tool.Function
	}
	return firstOf[function](c.Tools) // in the Responses API
}

// chatTool returns the name of the tool in a request of either API.
func chatTool(r *Request) string {
	c, _ := ParseChat(r.Body) // a body that is wrong has no tool
	return c.functionOf().Name
}

// checkChatTools checks the parameters for a tool and a schema. Source: OpenAI API
// reference, "Create chat completion".
func (c ChatRequest) checkChatTools() error {
	var sent struct {
		Schema format `json:"json_schema"`
	}
	_ = json.Unmarshal(c.ResponseFormat, &sent) // it is compared as a whole
	tool := c.functionOf()
	tool.Strict, sent.Schema.Strict = true, true
	return checkParts(tool.Name,
		part{"tools", c.Tools, []any{map[string]any{"type": "function", "function": tool}}, tool.Parameters},
		part{"tool_choice", c.ToolChoice, map[string]any{"type": "function", "function": map[string]any{"name": tool.Name}}, tool.Parameters},
		part{"response_format", c.ResponseFormat, map[string]any{"type": "json_schema", "json_schema": sent.Schema}, sent.Schema.Schema},
	)
}

// checkResponsesTools checks the parameters for a tool and a schema. Source: OpenAI API
// reference, "Create a model response".
func (c ChatRequest) checkResponsesTools() error {
	var sent struct {
		Format format `json:"format"`
	}
	_ = json.Unmarshal(c.TextFormat, &sent) // it is compared as a whole
	tool := c.functionOf()
	tool.Strict, sent.Format.Strict = true, true
	return checkParts(tool.Name,
		part{"tools", c.Tools, []any{flatFunction{"function", tool}}, tool.Parameters},
		part{"tool_choice", c.ToolChoice, map[string]any{"type": "function", "name": tool.Name}, tool.Parameters},
		part{"text", c.TextFormat, map[string]any{"format": flatFormat{"json_schema", sent.Format}}, sent.Format.Schema},
	)
}

// refusedTool is the parameter that a server refuses in a mode; empty: the request has none.
func refusedTool(r *Request, mode Mode) string {
	c, _ := ParseChat(r.Body) // a body that is wrong has no tool
	switch {
	case mode == NoTools && c.Tools != nil:
		return "tools"
	case mode == NoToolChoice && c.ToolChoice != nil:
		return "tool_choice"
	case mode == NoSchema && c.ResponseFormat != nil:
		return "response_format"
	case mode == NoSchema && c.TextFormat != nil:
		return "text.format"
	}
	return ""
}

// openAIRefusal is what OpenAI says of a parameter that a model does not take.
func openAIRefusal(header http.Header, param string) Answer {
	if param == "tools" || param == "tool_choice" {
		return openAIError(400, header, "Unsupported parameter: '"+param+"' is not supported with this model.", "invalid_request_error", param, "unsupported_parameter")
	}
	return openAIError(400, header, "Invalid parameter: '"+param+"' of type 'json_schema' is not supported with this model. Learn more about supported models at the Structured Outputs guide: https://platform.openai.com/docs/guides/structured-outputs", "invalid_request_error", param, "")
}

// azureRefusal is what Azure OpenAI says of a parameter that a deployment, or a version of
// the API, does not take.
func azureRefusal(header http.Header, param string) Answer {
	if param == "tools" || param == "tool_choice" {
		return openAIError(400, header, "Unrecognized request argument supplied: "+param, "invalid_request_error", "", "")
	}
	return azureError(400, header, "BadRequest", param+" value as json_schema is enabled only for api versions 2024-08-01-preview and later")
}

// liteLLMRefusal is what LiteLLM says of a parameter that a model does not take.
func liteLLMRefusal(header http.Header, param string) Answer {
	return liteLLMError(400, header, "litellm.UnsupportedParamsError: ollama does not support parameters: ['"+param+"'], for model=my-model. To drop these, set `litellm.drop_params=True` or for proxy:\n\n`litellm_settings:\n drop_params: true`\n", "None", "None")
}

// chatCalls are calls of tools in the Chat Completions API. In a delta they have an index.
func chatCalls(r *Request, calls []Call, streamed bool) []any {
	all := []any{}
	for i, call := range calls {
		c := map[string]any{"id": fmt.Sprintf("call_%d", i+1), "type": "function", "function": map[string]any{"name": call.Name, "arguments": argumentsIn(r, call)}}
		if streamed {
			c["index"] = i
		}
		all = append(all, c)
	}
	return all
}

// argumentsIn are the arguments as a string, or as an object if they are retyped.
func argumentsIn(r *Request, call Call) any {
	if r.Retyped {
		return json.RawMessage(call.Arguments)
	}
	return call.Arguments
}

// chatCallDeltas are the deltas of the calls in a stream: the name of each call, then its
// arguments in pieces. Retyped arguments come at once.
func chatCallDeltas(r *Request) []map[string]any {
	var deltas []map[string]any
	delta := func(call any) { deltas = append(deltas, map[string]any{"tool_calls": []any{call}}) }
	for i, call := range chatCalls(r, r.Calls, true) {
		first := call.(map[string]any)
		if r.Retyped {
			delta(first)
			continue
		}
		first["function"] = map[string]any{"name": r.Calls[i].Name, "arguments": ""}
		delta(first)
		for _, piece := range Pieces(r.Calls[i].Arguments) {
			delta(map[string]any{"index": i, "function": map[string]any{"arguments": piece}})
		}
	}
	return deltas
}

// finishOf is the reason why an answer with the calls of the request ends.
func finishOf(r *Request, c ChatRequest, finish string) string {
	switch {
	case r.Cut:
		return "length"
	case len(r.Calls) > 0 && finish == "stop" && c.ToolChoice == nil: // with a choice it stays
		return "tool_calls"
	}
	return finish
}
