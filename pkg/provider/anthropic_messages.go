package provider

import (
	"context"
	"strings"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

// claude sends prompts in the form of Anthropic's Messages API, wherever that
// is served: at Anthropic, or in front of Claude on Vertex AI.
type claude struct {
	messages anthropic.MessageService
}

// claudeTimeout keeps the SDK from refusing long answers by itself: without a
// timeout of the caller's it estimates one from max_tokens and the model, and
// sends nothing when that exceeds ten minutes. The real bound is the context's.
const claudeTimeout = time.Hour

// generate returns a *Failure for what the model refused, and the SDK's error
// for everything else.
func (c claude) generate(ctx context.Context, p Prompt, emit func(string), opts ...option.RequestOption) (answer, error) {
	params, sent := claudeParams(p)
	opts = append(opts, option.WithRequestTimeout(claudeTimeout))
	var (
		a   answer
		err error
	)
	if emit == nil {
		a, err = c.whole(ctx, params, opts)
	} else {
		sent["stream"] = true
		a, err = c.stream(ctx, params, emit, opts)
	}
	a.sent = sent
	return a, err
}

func claudeParams(p Prompt) (anthropic.MessageNewParams, map[string]any) {
	limit := p.outputTokens()
	params := anthropic.MessageNewParams{
		Model:     p.ModelID,
		MaxTokens: int64(limit),
		Messages:  []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(p.Text))},
	}
	sent := map[string]any{"max_tokens": limit}
	if p.System != "" {
		params.System = []anthropic.TextBlockParam{{Text: p.System}}
	}
	if p.Temperature != nil {
		params.Temperature = anthropic.Float(*p.Temperature)
		sent["temperature"] = *p.Temperature
	}
	return params, sent
}

func (c claude) whole(ctx context.Context, params anthropic.MessageNewParams, opts []option.RequestOption) (answer, error) {
	message, err := c.messages.New(ctx, params, opts...)
	if err != nil {
		return answer{}, err
	}
	if message == nil || !message.JSON.Content.Valid() {
		return answer{}, errNoAnswer
	}
	var text strings.Builder
	for _, block := range message.Content {
		if block.Type == "text" {
			text.WriteString(block.Text)
		}
	}
	a := answer{text: text.String(), model: message.Model}
	if message.JSON.Usage.Valid() {
		a.usage = &Usage{InputTokens: int(message.Usage.InputTokens), OutputTokens: int(message.Usage.OutputTokens)}
	}
	return a, claudeStop(&a, message.StopReason, message.StopDetails.Explanation)
}

// stream passes text on as it comes. The stream has said everything only when
// `message_stop` arrived: the SDK takes a connection that closes before it for
// a regular end.
func (c claude) stream(ctx context.Context, params anthropic.MessageNewParams, emit func(string), opts []option.RequestOption) (answer, error) {
	stream := c.messages.NewStreaming(ctx, params, opts...)
	defer func() { _ = stream.Close() }()
	var (
		a    answer
		stop anthropic.StopReason
		why  string
	)
	ended := false
	for !ended && stream.Next() {
		switch event := stream.Current(); event.Type {
		case "message_start":
			a.model = event.Message.Model
			if event.Message.JSON.Usage.Valid() {
				a.usage = &Usage{InputTokens: int(event.Message.Usage.InputTokens), OutputTokens: int(event.Message.Usage.OutputTokens)}
			}
		case "content_block_start":
			if event.ContentBlock.Type == "text" {
				emit(event.ContentBlock.Text)
			}
		case "content_block_delta":
			if event.Delta.Type == "text_delta" {
				emit(event.Delta.Text)
			}
		case "message_delta":
			stop, why = event.Delta.StopReason, event.Delta.StopDetails.Explanation
			if event.JSON.Usage.Valid() && a.usage != nil {
				a.usage.OutputTokens = int(event.Usage.OutputTokens)
			}
		case "message_stop":
			ended = true
		}
	}
	if err := stream.Err(); err != nil {
		return a, err
	}
	if !ended {
		return a, errBrokeOff
	}
	return a, claudeStop(&a, stop, why)
}

// claudeStop names the reason why the answer ended in the words that are common
// to all types, or returns the failure that it means.
func claudeStop(a *answer, reason anthropic.StopReason, explanation string) error {
	switch reason {
	case anthropic.StopReasonEndTurn, anthropic.StopReasonStopSequence:
		a.finishReason = finishStop
	case anthropic.StopReasonMaxTokens, anthropic.StopReasonModelContextWindowExceeded:
		a.finishReason = finishLength
	case anthropic.StopReasonToolUse:
		a.finishReason = finishToolCalls
	case anthropic.StopReasonRefusal:
		if explanation == "" {
			explanation = "The model refused to answer this prompt."
		}
		return &Failure{
			Kind:    ContentFiltered,
			Message: explanation,
			Code:    "refusal",
			Hint:    "The model's safety rules stopped the answer: try another prompt. Provider and model work.",
		}
	default:
		a.finishReason = string(reason)
	}
	return nil
}
