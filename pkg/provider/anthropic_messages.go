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
func claudeRequest(p Prompt, stream bool) (sent, body map[string]any) {
	sent, body = p.request("max_tokens", stream)
	body["messages"] = []any{map[string]any{"role": "user", "content": []claudeBlock{{Type: "text", Text: p.Text}}}}
	if p.System != "" {
		body["system"] = []claudeBlock{{Type: "text", Text: p.System}}
	}
	return sent, body
}

// claudeReading reads answers of the Messages API.
type claudeReading struct {
	answer answer
	reason claudeEnd
	ended  bool // `message_stop` arrived
}

// claudeAnswer is a whole answer, or the beginning of a streamed one.
type claudeAnswer struct {
	Model   string        `json:"model"`
	Content []claudeBlock `json:"content"`
	Usage   *claudeUsage  `json:"usage"`
	claudeEnd
}

// claudeEnd is the reason why an answer ended.
type claudeEnd struct {
	StopReason  string `json:"stop_reason"`
	StopDetails struct {
		Explanation string `json:"explanation"`
	} `json:"stop_details"`
}

type claudeUsage struct {
	InputTokens  float64 `json:"input_tokens"`
	OutputTokens float64 `json:"output_tokens"`
}

func (c *claudeReading) read(data []byte, whole bool, emit func(string)) (useful bool, err error) {
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
		c.begin(event.claudeAnswer)
		for _, block := range event.Content {
			emit(c.take(block))
		}
		c.reason, c.ended = event.claudeEnd, true
		return true, nil
	}
	switch event.Type {
	case "message_start":
		c.begin(event.Message)
	case "content_block_start":
		emit(c.take(event.ContentBlock))
	case "content_block_delta":
		emit(c.take(event.Delta.claudeBlock))
		isEmpty := event.Delta.Text+event.Delta.Thinking == "" && (event.Delta.Type == "text_delta" || event.Delta.Type == "thinking_delta")
		return !isEmpty, nil
	case "message_delta":
		c.reason = event.Delta.claudeEnd
		if event.Usage != nil && c.answer.usage != nil {
			c.answer.usage.OutputTokens = newUsage(0, event.Usage.OutputTokens).OutputTokens
		}
	case "message_stop":
		c.ended = true
		return true, io.EOF
	case "error": // one that says nothing
		return false, errNoAnswer
	}
	return false, nil
}

func (c *claudeReading) end(bool) (answer, error) {
	if !c.ended {
		return answer{}, errBrokeOff
	}
	return c.finished(), nil
}

func (c *claudeReading) begin(message claudeAnswer) {
	c.answer.model = message.Model
	if message.Usage != nil {
		c.answer.usage = newUsage(message.Usage.InputTokens, message.Usage.OutputTokens)
	}
}

// take notes what a block is, and returns its text.
func (c *claudeReading) take(block claudeBlock) string {
	switch block.Type {
	case "text", "text_delta":
		return block.Text
	case "thinking", "redacted_thinking", "thinking_delta":
		c.answer.reasoned = true
	case "tool_use":
		c.answer.calledTool = true
	}
	return ""
}

// finished is the answer with the reason why it ended.
func (c *claudeReading) finished() answer {
	c.answer.finish(c.reason.StopReason, cmp.Or(c.reason.StopDetails.Explanation, "The model refused to answer this prompt."))
	return c.answer
}
