package providertest

import (
	"encoding/json"
	"fmt"
)

// inputTool is a tool in the Messages API.
type inputTool struct {
	Name        string         `json:"name"`
	Description string         `json:"description"`
	InputSchema map[string]any `json:"input_schema"`
}

// messagesTool returns the name of the tool in a request.
func messagesTool(r *Request) string {
	m, _ := parseMessages(r.Body) // a body that is wrong has no tool
	return firstOf[inputTool](m.Tools).Name
}

// checkTools checks the parameters for a tool and a schema. Source: Anthropic API
// reference, "Create a Message"; "Structured outputs".
func (m messagesRequest) checkTools() error {
	var sent struct {
		Format struct {
			Schema map[string]any `json:"schema"`
		} `json:"format"`
	}
	_ = json.Unmarshal(m.OutputConfig, &sent) // it is compared as a whole
	tool, schema := firstOf[inputTool](m.Tools), sent.Format.Schema
	return checkParts(tool.Name,
		part{"tools", m.Tools, []any{tool}, tool.InputSchema},
		part{"tool_choice", m.ToolChoice, map[string]any{"type": "tool", "name": tool.Name}, tool.InputSchema},
		part{"output_config", m.OutputConfig, map[string]any{"format": map[string]any{"type": "json_schema", "schema": schema}}, schema},
	)
}

// messagesRefusals are what Anthropic says of a parameter that a model does not take.
var messagesRefusals = map[Mode]string{
	NoTools:      "'claude-2.1' does not support tools.",
	NoToolChoice: `tool_choice: type "tool" and "any" are not supported for this model.`,
	NoSchema:     "output_config.format: Extra inputs are not permitted",
}

// messagesCalls are the calls of tools in a whole answer.
func messagesCalls(r *Request) []any {
	blocks := []any{}
	for i, call := range r.Calls {
		blocks = append(blocks, messagesCall(i, call, r.input(call)))
	}
	return blocks
}

func messagesCall(i int, call Call, input any) any {
	return map[string]any{"type": "tool_use", "id": fmt.Sprintf("toolu_%d", i+1), "name": call.Name, "input": input}
}

// messagesCallEvents are the events of the calls in a stream: each begins with its name,
// and has its input in pieces. Retyped input comes at once, as an object.
func messagesCallEvents(r *Request, say func(name string, body map[string]any)) {
	for i, call := range r.Calls {
		begin, pieces := any(map[string]any{}), Pieces(call.Arguments)
		if r.Retyped {
			begin, pieces = json.RawMessage(call.Arguments), nil
		}
		say("content_block_start", map[string]any{"index": i, "content_block": messagesCall(i, call, begin)})
		for _, piece := range append([]string{""}, pieces...) {
			say("content_block_delta", map[string]any{"index": i, "delta": map[string]any{"type": "input_json_delta", "partial_json": piece}})
		}
		say("content_block_stop", map[string]any{"index": i})
	}
}
