package provider

import (
	"bytes"
	"cmp"
	"io"
)

// claudeBlock is a part of a message of Anthropic's Messages API, or a piece of
// one. Source: Anthropic API reference, "Create a Message".
type claudeBlock struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Thinking string `json:"thinking,omitempty"`
}

// claudeRequest makes the body of a call of the Messages API, wherever that is
// served, and the parameters in it.
func claudeRequest(p prompt) (sent, body map[string]any) {
	sent, body = p.request("max_tokens")
	body["messages"] = []any{map[string]any{"role": "user", "content": []claudeBlock{{Type: "text", Text: p.Text}}}}
	if p.System != "" {
		body["system"] = []claudeBlock{{Type: "text", Text: p.System}}
	}
	return sent, body
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
		for _, block := range event.Content {
			block.addTo(a)
		}
		event.finish(a)
		return true, nil
	}
	switch event.Type {
	case "message_start":
		event.Message.begin(a)
	case "content_block_start":
		event.ContentBlock.addTo(a)
	case "content_block_delta":
		event.Delta.addTo(a)
		isEmpty := event.Delta.Text+event.Delta.Thinking == "" && (event.Delta.Type == "text_delta" || event.Delta.Type == "thinking_delta")
		return !isEmpty, nil
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

func (b claudeBlock) addTo(a *answer) {
	switch b.Type {
	case "text", "text_delta":
		a.emit(b.Text)
	case "thinking", "redacted_thinking", "thinking_delta":
		a.reasoned = true
	case "tool_use":
		a.calledTool = true
	}
}

func (e claudeEnd) finish(a *answer) {
	a.finish(e.StopReason, cmp.Or(e.StopDetails.Explanation, "The model refused to answer this prompt."))
}
