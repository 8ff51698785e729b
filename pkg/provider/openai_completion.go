package provider

import (
	"encoding/json"
	"strings"

	"github.com/openai/openai-go/v3"
)

// chatAnswer reads answers of the Chat Completions API.
// Source: OpenAI API reference, "Chat Completions".
type chatAnswer struct {
	answer answer
	said   bool // there was text
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
		Reasoning        string            `json:"reasoning"`
		ReasoningContent string            `json:"reasoning_content"`
		Thinking         string            `json:"thinking"`
		ToolCalls        []json.RawMessage `json:"tool_calls"`
		FunctionCall     json.RawMessage   `json:"function_call"`
	}
	// What is of another type is not understood, and no reason to fail.
	_ = json.Unmarshal([]byte(message), &said)
	if said.Reasoning+said.ReasoningContent+said.Thinking != "" {
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
	c.said = text != ""
	return c.finish()
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
	if text != "" {
		c.said = true
		emit(text)
	}
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
	return c.finish()
}

// finish is the answer, unless there is none because a filter stopped it.
func (c *chatAnswer) finish() (answer, error) {
	if c.answer.finishReason == "content_filter" && !c.said {
		return answer{}, &Failure{
			Kind: ContentFiltered, Code: "content_filter",
			Message: "A content filter stopped the answer before it began.",
			Hint:    "Try another prompt. Provider and model work.",
		}
	}
	return c.answer, nil
}

func chatUsage(u openai.CompletionUsage) *Usage {
	return &Usage{InputTokens: int(u.PromptTokens), OutputTokens: int(u.CompletionTokens)}
}

// contentText is the text of a message's content. Some servers write a list of
// parts where OpenAI writes a string; raw is the JSON of either.
func contentText(content, raw string) string {
	if !strings.HasPrefix(raw, "[") {
		return content
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if json.Unmarshal([]byte(raw), &parts) != nil {
		return ""
	}
	var text strings.Builder
	for _, part := range parts {
		text.WriteString(part.Text)
	}
	return text.String()
}
