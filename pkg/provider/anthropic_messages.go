package provider

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
)

// claudeBlock is a part of a message of Anthropic's Messages API, or a piece of
// one. Source: Anthropic API reference, "Create a Message".
type claudeBlock struct {
	Type        string          `json:"type"`
	Text        string          `json:"text"`
	Thinking    string          `json:"thinking,omitempty"`
	Name        string          `json:"name,omitempty"` // of a tool
	Input       json.RawMessage `json:"input,omitempty"`
	PartialJSON string          `json:"partial_json,omitempty"` // a piece of the input
}

// claudeRequest makes the body of a call of the Messages API, wherever that is
// served, and the parameters in it.
func claudeRequest(p prompt, optional optionalParams) (sent, body map[string]any) {
	sent, body = p.request("max_tokens")
	addParams(claudeTools(p, optional), sent, body)
	body["messages"] = []any{map[string]any{"role": "user", "content": []claudeBlock{{Type: "text", Text: p.Text}}}}
	if p.System != "" {
		body["system"] = []claudeBlock{{Type: "text", Text: p.System}}
	}
	return sent, body
}

// claudeTools returns the parameters for the tool and the schema of a prompt. Models that
// always think refuse to be made to call a tool, and older models refuse a schema.
func claudeTools(p prompt, optional optionalParams) map[string]any {
	params := map[string]any{}
	if p.Tool != nil {
		params["tools"] = []any{map[string]any{"name": p.Tool.Name, "description": p.Tool.Description, "input_schema": p.Tool.Parameters}}
	}
	if optional.sends(toolChoice) {
		params["tool_choice"] = map[string]any{"type": "tool", "name": p.Tool.Name}
	}
	if optional.sends(responseFormat) {
		params["output_config"] = map[string]any{"format": map[string]any{"type": "json_schema", "schema": p.Output.Schema}}
	}
	return params
}

// claudeAnswer is a whole answer, or the beginning of a streamed one.
type claudeAnswer struct {
	Model   string        `json:"model"`
	Content []claudeBlock `json:"content"`
	Usage   *tokenUsage   `json:"usage"`
	claudeEnd
}

// claudeEnd is the reason why an answer ended.
type claudeEnd struct {
	StopReason  string `json:"stop_reason"`
	StopDetails struct {
		Explanation string `json:"explanation"`
	} `json:"stop_details"`
}

// readClaude is the [reader] of the Messages API.
func readClaude(a *answer, data []byte, whole bool) (useful bool, err error) {
	a.begun = true
	if !bytes.HasPrefix(data, []byte("{")) && !whole {
		return false, nil // a ping of a server in front of the API
	}
	var event struct {
		Type         string       `json:"type"`
		Index        int          `json:"index"` // of the block
		Message      claudeAnswer `json:"message"`
		ContentBlock claudeBlock  `json:"content_block"`
		Delta        struct {
			claudeBlock
			claudeEnd
		} `json:"delta"`
		claudeAnswer // a whole answer; in a stream its usage
	}
	if unmarshalLoosely(data, &event) != nil { // events that the API may add have any form
		return false, errNoAnswer
	}
	if whole {
		if event.Content == nil {
			return false, errNoAnswer
		}
		event.begin(a)
		for i, block := range event.Content {
			if err := block.addTo(a, i); err != nil {
				return false, err
			}
		}
		event.finish(a)
		return true, nil
	}
	switch event.Type {
	case "message_start":
		event.Message.begin(a)
	case "content_block_start":
		if string(event.ContentBlock.Input) == "{}" { // it follows in deltas
			event.ContentBlock.Input = nil
		}
		return false, event.ContentBlock.addTo(a, event.Index)
	case "content_block_delta":
		return !event.Delta.isEmpty(), event.Delta.addTo(a, event.Index)
	case "message_delta":
		event.Delta.finish(a)
		a.ended = false // until message_stop
		if event.Usage != nil && a.usage != nil {
			a.usage.OutputTokens = newUsage(0, event.Usage.Output).OutputTokens
		}
	case "message_stop":
		a.ended = true
		return true, io.EOF
	case "error": // one that says nothing
		return false, errNoAnswer
	}
	return false, nil
}

// begin adds what is known when an answer begins.
func (m claudeAnswer) begin(a *answer) {
	a.model = m.Model
	if m.Usage != nil {
		a.usage = newUsage(m.Usage.Input, m.Usage.Output)
	}
}

// addTo adds the block with an index to an answer.
func (b claudeBlock) addTo(a *answer, index int) error {
	switch b.Type {
	case "text", "text_delta":
		a.emit(b.Text)
	case "thinking", "redacted_thinking", "thinking_delta":
		a.reasoned = true
	case "tool_use":
		arguments, _ := argumentsOf(b.Input)
		return a.addToolCall(toolPiece{index: index, name: b.Name, arguments: arguments})
	case "input_json_delta":
		return a.addToolCall(toolPiece{index: index, arguments: b.PartialJSON})
	}
	return nil
}

// isEmpty reports whether the block is a delta that brings nothing. Deltas that are not
// known here may bring something.
func (b claudeBlock) isEmpty() bool {
	switch b.Type {
	case "text_delta", "thinking_delta", "input_json_delta":
		return b.Text+b.Thinking+b.PartialJSON == ""
	}
	return false
}

func (e claudeEnd) finish(a *answer) {
	a.finish(e.StopReason, cmp.Or(e.StopDetails.Explanation, "The model refused to answer this prompt."))
}
