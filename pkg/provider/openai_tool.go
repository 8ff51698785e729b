package provider

import (
	"encoding/json"
	"maps"
)

// openAITools returns the parameters for the tool and the schema of a prompt. The Chat
// Completions API nests their members in one with the name of their type, and the Responses
// API does not. Sources: OpenAI API reference, "Create chat completion" and "Create a model
// response".
func openAITools(p prompt, optional optionalParams, nested bool) map[string]any {
	typed := func(name string, members map[string]any) map[string]any {
		if nested {
			return map[string]any{"type": name, name: members}
		}
		members["type"] = name
		return members
	}
	strictly := func(members map[string]any) map[string]any {
		if optional.sends(strict) {
			members[strict] = true
		}
		return members
	}
	params := map[string]any{}
	if p.Tool != nil {
		function := map[string]any{"name": p.Tool.Name, "description": p.Tool.Description, "parameters": p.Tool.Parameters}
		params["tools"] = []any{typed("function", strictly(function))}
	}
	if optional.sends(toolChoice) {
		params[toolChoice] = typed("function", map[string]any{"name": p.Tool.Name})
	}
	if optional.sends(responseFormat) {
		format := typed("json_schema", strictly(map[string]any{"name": p.Output.Name, "schema": p.Output.Schema}))
		if nested {
			params[responseFormat] = format
		} else {
			params["text"] = map[string]any{"format": format}
		}
	}
	return params
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
