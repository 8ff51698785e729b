package provider

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
)

// The parameters of OpenAI's APIs that are left out if a server refuses them. The
// Responses API has other names for some.
const (
	streamOptions  = "stream_options"
	strict         = "strict" // of a function and a response format
	toolChoice     = "tool_choice"
	responseFormat = "response_format"
)

// optionalOf returns the optional parameters that a prompt needs.
func optionalOf(p prompt) (optional []string) {
	if p.stream {
		optional = append(optional, streamOptions)
	}
	if p.Tool != nil || p.Output != nil {
		optional = append(optional, strict)
	}
	if p.Tool != nil {
		optional = append(optional, toolChoice)
	}
	if p.Output != nil {
		optional = append(optional, responseFormat)
	}
	return optional
}

// refusalWords are the words of which a refusal of a parameter contains one. Sources:
// answers of OpenAI, Azure OpenAI, vLLM, llama.cpp, LM Studio, DeepSeek and Groq.
var refusalWords = map[string]string{
	strict:         "'strict'|`strict`|\"strict\"|.strict",
	toolChoice:     "tool_choice|tool choice",
	responseFormat: "response_format|response format|text.format|json_schema|json schema|structured output",
}

// refusedParam returns the first of the optional parameters that a server refuses, or "".
// A refusal of a tool or a schema has many forms: the parameter may be unknown, or only its
// value, or only together with the model. The response to the next request shows whether
// the parameter was the reason.
func refusedParam(c *call, optional []string) string {
	said := c.problem()
	for _, param := range optional {
		words := refusalWords[param]
		if words == "" && said.refuses(param) {
			return param
		}
		if words != "" && !aboutAccount(c.status) && (said.param == param || said.says(words)) {
			return param
		}
	}
	return ""
}

// aboutAccount reports whether a status says that no other request would be accepted.
func aboutAccount(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusTooManyRequests
}

// chatTools returns the parameters of the Chat Completions API for the tool and the schema
// of a prompt. Source: OpenAI API reference, "Create chat completion".
func (f chatForm) chatTools(p prompt) map[string]any {
	params := map[string]any{}
	if p.Tool != nil {
		params["tools"] = []any{map[string]any{"type": "function", "function": f.function(p.Tool)}}
	}
	if f.sends(toolChoice) {
		params[toolChoice] = map[string]any{"type": "function", "function": map[string]any{"name": p.Tool.Name}}
	}
	if f.sends(responseFormat) {
		params[responseFormat] = map[string]any{"type": "json_schema", "json_schema": f.schema(p.Output)}
	}
	return params
}

// responsesTools returns the parameters of the Responses API for the tool and the schema
// of a prompt. Source: OpenAI API reference, "Create a model response".
func (f chatForm) responsesTools(p prompt) map[string]any {
	params := map[string]any{}
	if p.Tool != nil {
		function := f.function(p.Tool)
		function["type"] = "function"
		params["tools"] = []any{function}
	}
	if f.sends(toolChoice) {
		params[toolChoice] = map[string]any{"type": "function", "name": p.Tool.Name}
	}
	if f.sends(responseFormat) {
		format := f.schema(p.Output)
		format["type"] = "json_schema"
		params["text"] = map[string]any{"format": format}
	}
	return params
}

func (f chatForm) function(tool *Tool) map[string]any {
	return f.withStrict(map[string]any{"name": tool.Name, "description": tool.Description, "parameters": tool.Parameters})
}

func (f chatForm) schema(schema *Schema) map[string]any {
	return f.withStrict(map[string]any{"name": schema.Name, "schema": schema.Schema})
}

func (f chatForm) withStrict(object map[string]any) map[string]any {
	if f.sends(strict) {
		object[strict] = true
	}
	return object
}

func (f chatForm) sends(param string) bool { return slices.Contains(f.optional, param) }

// addParams adds parameters to a request, and to those that the result reports.
func addParams(params map[string]any, sent, body map[string]any) {
	maps.Copy(sent, params)
	maps.Copy(body, params)
}

// chatToolCall is a call of a tool in an answer of the Chat Completions API, or a piece of
// one in an event.
type chatToolCall struct {
	Index    *int         `json:"index"`
	ID       string       `json:"id"`
	Function chatFunction `json:"function"`
}

type chatFunction struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

// readToolCalls adds the calls in a message or a delta to an answer. Some servers give
// the calls of a whole answer no index, or all the same.
func (m chatMessage) readToolCalls(a *answer, whole bool) error {
	calls := m.ToolCalls
	if m.FunctionCall != nil { // the older form
		calls = append(calls, chatToolCall{Function: *m.FunctionCall})
	}
	for i, call := range calls {
		piece := toolPiece{index: i, id: call.ID, name: call.Function.Name}
		if call.Index != nil && !whole {
			piece.index = *call.Index
		}
		piece.arguments, piece.whole = argumentsOf(call.Function.Arguments)
		if err := a.addToolCall(piece); err != nil {
			return err
		}
	}
	return nil
}
