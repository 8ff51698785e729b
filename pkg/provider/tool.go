package provider

import "encoding/json"

// Tool is a function that is offered to a model. It is the only one of its prompt, and the
// model is made to call it, as far as the upstream has the means.
type Tool struct {
	Name        string
	Description string
	Parameters  map[string]any // a JSON Schema, see [Schema]
}

// Schema is the JSON Schema of an answer. All upstreams accept a schema whose objects have
// `additionalProperties: false` and require all of their properties.
type Schema struct {
	Name   string
	Schema map[string]any
}

// ToolCall is a model's call of a tool.
type ToolCall struct {
	Name string
	// Arguments are as the model wrote them: normally a JSON object. If the call was cut
	// off, they are incomplete.
	Arguments json.RawMessage
}

// maxToolCalls is the maximum number of calls in one answer.
const maxToolCalls = 128

// toolPiece is a part of a call of a tool, as it arrives.
type toolPiece struct {
	index     int    // tells the calls of an answer apart
	id        string // the id of the call; empty: unknown
	name      string // empty: it came before
	arguments string // follow those that came before
	whole     bool   // the arguments replace those that came before
}

// toolCall is a call of a tool that is being read.
type toolCall struct {
	toolPiece
	arguments []byte
}

// addToolCall adds a piece to the calls of an answer.
func (a *answer) addToolCall(piece toolPiece) error {
	a.calledTool = true
	call := a.toolCallOf(piece)
	if call == nil {
		if len(a.toolCalls) == maxToolCalls {
			return errTooLarge
		}
		call = &toolCall{toolPiece: piece}
		a.toolCalls = append(a.toolCalls, call)
	}
	if call.name == "" {
		call.name = piece.name
	}
	if piece.whole {
		a.toolBytes -= len(call.arguments)
		call.arguments = nil
	}
	a.toolBytes += len(piece.name) + len(piece.arguments)
	if a.toolBytes > maxAnswer {
		return errTooLarge
	}
	call.arguments = append(call.arguments, piece.arguments...)
	return nil
}

// toolCallOf returns the call that a piece belongs to, or nil if the piece begins a new
// one. Some servers give all calls the same index, but begin each with an id and a name
// of its own; others repeat id and name, or make up a new id for every piece.
func (a *answer) toolCallOf(piece toolPiece) *toolCall {
	for i := len(a.toolCalls) - 1; i >= 0; i-- {
		call := a.toolCalls[i]
		if call.index != piece.index {
			continue
		}
		if piece.name != "" && call.name != "" && piece.id != call.id {
			return nil
		}
		return call
	}
	return nil
}

// resultOf returns the calls of an answer without the secrets in them.
func resultOf(calls []*toolCall, redact *redactor) []ToolCall {
	var all []ToolCall
	for _, call := range calls {
		if call.name == "" && len(call.arguments) == 0 {
			continue
		}
		all = append(all, ToolCall{
			Name:      name(redact, call.name),
			Arguments: json.RawMessage(redact.text(string(call.arguments))),
		})
	}
	return all
}

// argumentsOf returns the arguments of a call, which some servers write as a string of
// JSON, and others as an object. whole is false for a string, which may be a piece.
func argumentsOf(value json.RawMessage) (arguments string, whole bool) {
	if len(value) == 0 || json.Unmarshal(value, &arguments) == nil {
		return arguments, false
	}
	return string(value), true
}
