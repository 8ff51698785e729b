package provider

import (
	"encoding/json"
	"maps"
)

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
