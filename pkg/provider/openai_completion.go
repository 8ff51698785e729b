package provider

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// chatResponse is what is read of an answer of the Chat Completions API, or of an
// event. Source: OpenAI API reference, "Chat Completions".
type chatResponse struct {
	Model   string         `json:"model"`
	Choices [1]*chatChoice `json:"choices"` // those after the first are passed over
	Usage   *struct {
		PromptTokens     float64 `json:"prompt_tokens"`
		CompletionTokens float64 `json:"completion_tokens"`
	} `json:"usage"`
}

type chatChoice struct {
	Index        int          `json:"index"`
	FinishReason string       `json:"finish_reason"`
	Message      *chatMessage `json:"message"`
	Delta        *chatMessage `json:"delta"` // in an event
	Error        any          `json:"error"` // OpenRouter's
}

// chatMessage is what the model says. Servers have several names for reasoning.
type chatMessage struct {
	Content          any               `json:"content"` // a string, or a list of parts
	Refusal          string            `json:"refusal"`
	Reasoning        string            `json:"reasoning"`
	ReasoningContent string            `json:"reasoning_content"`
	Thinking         string            `json:"thinking"`
	ReasoningDetails []json.RawMessage `json:"reasoning_details"`
	ToolCalls        []chatToolCall    `json:"tool_calls"`
	FunctionCall     *chatFunction     `json:"function_call"`
}

// parts are the content, if it is a list.
func (m chatMessage) parts() []any {
	parts, _ := m.Content.([]any)
	return parts
}

func (m chatMessage) text() string {
	if text, ok := m.Content.(string); ok && text != "" {
		return text
	}
	var text strings.Builder
	for _, part := range m.parts() {
		piece, _ := member(part, "text").(string)
		text.WriteString(piece)
	}
	return cmp.Or(text.String(), m.Refusal)
}

func (m chatMessage) reasons() bool {
	return m.Reasoning+m.ReasoningContent+m.Thinking != "" || len(m.ReasoningDetails) > 0 ||
		slices.ContainsFunc(m.parts(), func(part any) bool {
			kind := member(part, "type")
			return kind == "thinking" || kind == "reasoning"
		})
}

func (m chatMessage) callsTool() bool {
	return len(m.ToolCalls) > 0 || m.FunctionCall != nil
}

// readChat is the [reader] of the Chat Completions API.
func readChat(a *answer, data []byte, whole bool) (useful bool, err error) {
	var r chatResponse
	if unmarshalLoosely(data, &r) != nil {
		return false, errNoAnswer
	}
	a.model = cmp.Or(r.Model, a.model)
	if r.Usage != nil {
		a.usage = newUsage(r.Usage.PromptTokens, r.Usage.CompletionTokens)
	}
	choice := r.Choices[0]
	switch {
	case choice == nil || !whole && choice.Index != 0:
		return false, nil
	case saysError(choice.Error):
		return false, answerError(problemIn(choice.Error))
	case choice.FinishReason == "error":
		f := fail(UpstreamError, "The model's server ended the answer with an error, without saying which.", kindHints[UpstreamError])
		f.Code = choice.FinishReason
		return false, f
	}
	a.begun, a.doneEnds = true, true
	switch reason := choice.FinishReason; reason {
	case finishFiltered, "sensitive": // the latter is Zhipu's
		a.filtered(finishFiltered, filteredEarly)
	default:
		a.ended = a.ended || whole || reason != ""
		a.finishReason = cmp.Or(reason, a.finishReason)
	}
	message := choice.Delta
	if whole {
		message = choice.Message
	}
	if message == nil {
		return false, nil
	}
	text, reasons, callsTool := message.text(), message.reasons(), message.callsTool()
	a.reasoned = a.reasoned || reasons
	if err := message.readToolCalls(a, whole); err != nil {
		return false, err
	}
	a.emit(text)
	return text != "" || reasons || callsTool || deltaSays(data), nil
}

// deltaSays reports whether the delta of an event has a text in any field, such as
// reasoning under a name that is not known here.
func deltaSays(data []byte) bool {
	var event struct {
		Choices [1]struct {
			Delta map[string]any `json:"delta"`
		} `json:"choices"`
	}
	_ = unmarshalLoosely(data, &event) // it was read before
	for name, value := range event.Choices[0].Delta {
		if text, isText := value.(string); isText && text != "" && name != "role" {
			return true
		}
	}
	return false
}
