package provider

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
)

// wantsResponses reports whether the answer says that the model is served by
// the Responses API only: "This model is only supported in v1/responses and not
// in v1/chat/completions."
func wantsResponses(c *call) bool {
	if c == nil || (c.status != http.StatusNotFound && c.status != http.StatusBadRequest) {
		return false
	}
	said := c.problem()
	return hasCode("operationnotsupported|unsupported_api_for_model", said) || said.says("v1/responses|responses api|/responses endpoint")
}

// operationNotSupported is Azure's code for a model that is served by another
// API.
const operationNotSupported = "OperationNotSupported"

// respond makes one call of the Responses API.
func (o *openAIChat) respond(ctx context.Context, p Prompt, emit func(string), opts []option.RequestOption) (answer, error) {
	// A test leaves nothing behind; the API keeps answers by default.
	sent := map[string]any{"max_output_tokens": p.outputTokens(), "store": false}
	prompt := map[string]any{"input": p.Text}
	if p.System != "" {
		prompt["instructions"] = p.System
	}
	return exchangeOpenAI(ctx, p, emit, sent, prompt, &responsesAnswer{}, func(body json.RawMessage, into option.RequestOption) error {
		service := responses.NewResponseService(o.options...)
		_, err := service.New(ctx, param.Override[responses.ResponseNewParams](body), append(opts, into)...)
		return err
	})
}

// responsesAnswer reads answers of the Responses API.
// Source: OpenAI API reference, "Responses".
type responsesAnswer struct {
	last *responses.Response
}

func (r *responsesAnswer) whole(body []byte) (answer, error) {
	var response responses.Response
	if response.UnmarshalJSON(body) != nil || !response.JSON.Output.Valid() {
		return answer{}, errNoAnswer
	}
	return r.answer(response)
}

func (r *responsesAnswer) event(data []byte, emit func(string)) (over bool, err error) {
	var event responses.ResponseStreamEventUnion
	if event.UnmarshalJSON(data) != nil {
		return false, errNoAnswer
	}
	switch event.Type {
	case "response.output_text.delta", "response.refusal.delta":
		emit(event.Delta)
	case "response.completed", "response.incomplete", "response.failed":
		r.last = &event.Response
		return true, nil
	}
	return false, nil
}

func (r *responsesAnswer) end(bool) (answer, error) {
	if r.last == nil {
		return answer{}, errBrokeOff
	}
	a, err := r.answer(*r.last)
	a.text = "" // its deltas were passed on
	return a, err
}

// answer reads a finished response. Its finish reasons are told in the words of
// the Chat Completions API.
func (r *responsesAnswer) answer(response responses.Response) (answer, error) {
	a := answer{text: response.OutputText(), model: response.Model, finishReason: "stop"}
	if a.text == "" {
		a.text = refusalOf(response)
	}
	for _, item := range response.Output {
		a.reasoned = a.reasoned || item.Type == "reasoning" && len(item.Summary)+len(item.Content) > 0
		a.calledTool = a.calledTool || strings.HasSuffix(item.Type, "_call")
	}
	if response.JSON.Usage.Valid() {
		a.usage = &Usage{InputTokens: int(response.Usage.InputTokens), OutputTokens: int(response.Usage.OutputTokens)}
	}
	switch {
	case response.Status == "failed":
		return answer{}, answerError{message: response.Error.Message, code: string(response.Error.Code)}
	case response.IncompleteDetails.Reason == "max_output_tokens":
		a.finishReason = "length"
	case response.IncompleteDetails.Reason != "":
		a.finishReason = response.IncompleteDetails.Reason
	}
	finished := chatAnswer{answer: a}
	return finished.finish(), nil
}

func refusalOf(response responses.Response) string {
	var text strings.Builder
	for _, item := range response.Output {
		for _, part := range item.Content {
			text.WriteString(part.Refusal)
		}
	}
	return text.String()
}
