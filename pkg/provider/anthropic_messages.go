package provider

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// claudeRequest is the body of Anthropic's Messages API, as far as it is used,
// wherever that is served: at Anthropic, or in front of Claude on Vertex AI.
// Source: Anthropic API reference, "Create a Message".
type claudeRequest struct {
	Version     string          `json:"anthropic_version,omitempty"` // Vertex AI's
	Model       string          `json:"model,omitempty"`
	MaxTokens   int             `json:"max_tokens"`
	System      []claudeBlock   `json:"system,omitempty"`
	Messages    []claudeMessage `json:"messages"`
	Temperature *float64        `json:"temperature,omitempty"`
	Stream      bool            `json:"stream"`
}

type claudeMessage struct {
	Role    string        `json:"role"`
	Content []claudeBlock `json:"content"`
}

type claudeBlock struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Thinking string `json:"thinking,omitempty"`
}

// claudeAnswer is a whole answer. In a stream it comes at the beginning, without
// content and the reason why it ended.
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

// claudeUsage counts tokens; servers in front of the API write 3.0 too.
type claudeUsage struct {
	InputTokens  float64 `json:"input_tokens"`
	OutputTokens float64 `json:"output_tokens"`
}

func (u claudeUsage) usage() *Usage {
	return newUsage(u.InputTokens, u.OutputTokens)
}

// claudeEvent is an event of a stream; its type says what is set of it.
type claudeEvent struct {
	Message      claudeAnswer `json:"message"`
	ContentBlock claudeBlock  `json:"content_block"`
	Delta        struct {
		claudeBlock
		claudeEnd
	} `json:"delta"`
	Usage *claudeUsage `json:"usage"`
}

func newClaudeRequest(p Prompt, stream bool) (claudeRequest, map[string]any) {
	request := claudeRequest{
		Model: p.ModelID, MaxTokens: p.outputTokens(), Temperature: p.Temperature, Stream: stream,
		Messages: []claudeMessage{{Role: "user", Content: []claudeBlock{{Type: "text", Text: p.Text}}}},
	}
	sent := map[string]any{"max_tokens": p.outputTokens()}
	if p.System != "" {
		request.System = []claudeBlock{{Type: "text", Text: p.System}}
	}
	if p.Temperature != nil {
		sent["temperature"] = *p.Temperature
	}
	if stream {
		sent["stream"] = true
	}
	return request, sent
}

// readClaude reads the answer. It returns an answerError for an error in a
// stream.
func readClaude(ctx context.Context, res *http.Response, emit func(string)) (answer, error) {
	return readAnswer(ctx, res, emit, wholeClaude, func(emit func(string)) (answer, error) { return streamClaude(res, emit) })
}

func wholeClaude(body []byte) (answer, error) {
	var message claudeAnswer
	if err := json.Unmarshal(body, &message); err != nil {
		return answer{}, fmt.Errorf("parse answer: %w", err)
	}
	if message.Content == nil {
		return answer{}, errNoAnswer
	}
	a := answer{model: message.Model}
	var text strings.Builder
	for _, block := range message.Content {
		text.WriteString(a.take(block))
	}
	a.text = text.String()
	if message.Usage != nil {
		a.usage = message.Usage.usage()
	}
	message.stop(&a)
	return a, nil
}

// take notes what a block of an answer, or a piece of one, is, and returns its
// text.
func (a *answer) take(block claudeBlock) string {
	switch block.Type {
	case "text", "text_delta":
		return block.Text
	case "thinking", "redacted_thinking", "thinking_delta":
		a.reasoned = true
	case "tool_use":
		a.calledTool = true
	}
	return ""
}

// claudeEvents are the types of events that [streamClaude] reads.
var claudeEvents = []string{"message_start", "content_block_start", "content_block_delta", "message_delta"}

// streamClaude passes text on as it comes. The stream has said everything only
// when `message_stop` arrived.
func streamClaude(res *http.Response, emit func(string)) (answer, error) {
	var (
		a     answer
		end   claudeEnd
		ended bool
	)
	err := readEvents(res.Body, func(_ string, data []byte) (useful bool, err error) {
		if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
			return false, nil // a ping of a server in front of the API
		}
		var head struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal(data, &head); err != nil {
			return false, fmt.Errorf("parse event: %w", err)
		}
		if holdsError(data) {
			return false, answerError(problemOf(data))
		}
		// Events of other types, which the API may add, have any form.
		var event claudeEvent
		if slices.Contains(claudeEvents, head.Type) {
			if err := json.Unmarshal(data, &event); err != nil {
				return false, fmt.Errorf("parse event: %w", err)
			}
		}
		switch head.Type {
		case "message_start":
			a.model = event.Message.Model
			if event.Message.Usage != nil {
				a.usage = event.Message.Usage.usage()
			}
		case "content_block_start":
			emit(a.take(event.ContentBlock))
		case "content_block_delta":
			emit(a.take(event.Delta.claudeBlock))
			useful = event.Delta.Text+event.Delta.Thinking != ""
		case "message_delta":
			end = event.Delta.claudeEnd
			if event.Usage != nil && a.usage != nil {
				a.usage.OutputTokens = event.Usage.usage().OutputTokens
			}
		case "message_stop":
			ended = true
			return true, io.EOF
		case "error": // without words
			return false, errNoAnswer
		}
		return useful, nil
	})
	switch {
	case ended:
		end.stop(&a)
		return a, nil
	case err != nil:
		return a, err
	}
	return a, errBrokeOff
}

// stop names the reason why the answer ended in the words that are common to all
// types.
func (e claudeEnd) stop(a *answer) {
	switch e.StopReason {
	case "end_turn", "stop_sequence":
		a.finishReason = finishStop
	case "max_tokens", "model_context_window_exceeded":
		a.finishReason = finishLength
	case "tool_use":
		a.finishReason = finishToolCalls
	case "refusal":
		a.finishReason = finishFiltered
		a.empty = &Failure{
			Kind:    ContentFiltered,
			Message: cmp.Or(e.StopDetails.Explanation, "The model refused to answer this prompt."),
			Code:    "refusal",
			Hint:    "The model's safety rules stopped the answer: try another prompt. Provider and model work.",
		}
	default:
		a.finishReason = e.StopReason
	}
}
