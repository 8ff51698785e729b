package provider

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/openai/openai-go/v3"
)

// chatAnswer reads answers of the Chat Completions API.
// Source: OpenAI API reference, "Chat Completions".
type chatAnswer struct {
	answer answer
	seen   bool // there was a choice
}

// notes takes from a choice what is not text: an error, thoughts, calls of
// tools. message is the JSON of its message or delta.
func (c *chatAnswer) notes(finish, choice, message string) error {
	var beside struct {
		Error json.RawMessage `json:"error"`
	}
	if strings.Contains(choice, `"error"`) && json.Unmarshal([]byte(choice), &beside) == nil && holdsError([]byte(choice)) {
		return answerError(problemOf(beside.Error))
	}
	if finish == "error" {
		return &Failure{Kind: UpstreamError, Message: "The model's server ended the answer with an error, without saying which.", Code: finish, Hint: kindHints[UpstreamError]}
	}
	var said struct {
		Content          json.RawMessage   `json:"content"`
		Reasoning        string            `json:"reasoning"`
		ReasoningContent string            `json:"reasoning_content"`
		Thinking         string            `json:"thinking"`
		ReasoningDetails []json.RawMessage `json:"reasoning_details"` // OpenRouter's
		ToolCalls        []json.RawMessage `json:"tool_calls"`
		FunctionCall     json.RawMessage   `json:"function_call"`
	}
	// What is of another type is not understood, and no reason to fail.
	_ = json.Unmarshal([]byte(message), &said)
	if said.Reasoning+said.ReasoningContent+said.Thinking != "" || len(said.ReasoningDetails) > 0 ||
		slices.ContainsFunc(contentParts(string(said.Content)), contentPart.isThought) {
		c.answer.reasoned = true
	}
	if len(said.ToolCalls) > 0 || len(said.FunctionCall) > 0 && string(said.FunctionCall) != "null" {
		c.answer.calledTool = true
	}
	return nil
}

func (c *chatAnswer) whole(body []byte) (answer, error) {
	var completion openai.ChatCompletion
	if completion.UnmarshalJSON(body) != nil || len(completion.Choices) == 0 {
		return answer{}, errNoAnswer
	}
	choice := completion.Choices[0]
	if err := c.notes(choice.FinishReason, choice.RawJSON(), choice.Message.RawJSON()); err != nil {
		return answer{}, err
	}
	text := contentText(choice.Message.Content, choice.Message.JSON.Content.Raw())
	if text == "" {
		text = choice.Message.Refusal
	}
	c.answer.text, c.answer.model, c.answer.finishReason = text, completion.Model, choice.FinishReason
	if completion.JSON.Usage.Valid() {
		c.answer.usage = chatUsage(completion.Usage)
	}
	return c.finish(), nil
}

func (c *chatAnswer) event(data []byte, emit func(string)) (bool, error) {
	var chunk openai.ChatCompletionChunk
	if chunk.UnmarshalJSON(data) != nil {
		return false, errNoAnswer
	}
	if chunk.Model != "" {
		c.answer.model = chunk.Model
	}
	if chunk.JSON.Usage.Valid() {
		c.answer.usage = chatUsage(chunk.Usage)
	}
	if len(chunk.Choices) == 0 || chunk.Choices[0].Index != 0 {
		return false, nil
	}
	c.seen = true
	choice := chunk.Choices[0]
	if err := c.notes(choice.FinishReason, choice.RawJSON(), choice.Delta.RawJSON()); err != nil {
		return false, err
	}
	text := contentText(choice.Delta.Content, choice.Delta.JSON.Content.Raw())
	if text == "" {
		text = choice.Delta.Refusal
	}
	emit(text)
	if choice.FinishReason != "" {
		c.answer.finishReason = choice.FinishReason
	}
	return false, nil
}

func (c *chatAnswer) end(done bool) (answer, error) {
	switch {
	case !c.seen:
		return answer{}, errNoAnswer
	case !done && c.answer.finishReason == "":
		return answer{}, errBrokeOff
	}
	return c.finish(), nil
}

// finish is the answer. Where a filter ended it, there may be nothing in it.
func (c *chatAnswer) finish() answer {
	if reason := c.answer.finishReason; reason == finishFiltered || reason == "sensitive" { // the latter is Zhipu's
		c.answer.finishReason = finishFiltered
		c.answer.empty = &Failure{
			Kind: ContentFiltered, Code: finishFiltered,
			Message: "A content filter stopped the answer before it began.",
			Hint:    "Try another prompt. Provider and model work.",
		}
	}
	return c.answer
}

func chatUsage(u openai.CompletionUsage) *Usage {
	return &Usage{InputTokens: int(u.PromptTokens), OutputTokens: int(u.CompletionTokens)}
}

// contentText is the text of a message's content; raw is the JSON of it.
func contentText(content, raw string) string {
	if !strings.HasPrefix(raw, "[") {
		return content
	}
	var text strings.Builder
	for _, part := range contentParts(raw) {
		text.WriteString(part.Text)
	}
	return text.String()
}

// contentPart is a part of a message's content, where a server writes a list of
// parts and OpenAI a string.
type contentPart struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// isThought reports whether the part is a thought, as of Mistral's models.
func (p contentPart) isThought() bool { return p.Type == "thinking" || p.Type == "reasoning" }

// contentParts are the parts of a content; nil where it is none.
func contentParts(raw string) []contentPart {
	var parts []contentPart
	if !strings.HasPrefix(raw, "[") || json.Unmarshal([]byte(raw), &parts) != nil {
		return nil
	}
	return parts
}
