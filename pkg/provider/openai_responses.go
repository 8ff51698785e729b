package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
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

// responsesResponse is an answer of the Responses API, as far as it is read.
// Source: OpenAI API reference, "Responses".
type responsesResponse struct {
	Model  string `json:"model"`
	Status string `json:"status"`
	Output []struct {
		Type    string `json:"type"`
		Content []struct {
			Text    string `json:"text"`
			Refusal string `json:"refusal"`
		} `json:"content"`
		Summary []json.RawMessage `json:"summary"`
	} `json:"output"`
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	IncompleteDetails struct {
		Reason string `json:"reason"`
	} `json:"incomplete_details"`
	Usage *struct {
		InputTokens  float64 `json:"input_tokens"`
		OutputTokens float64 `json:"output_tokens"`
	} `json:"usage"`
}

// responsesAnswer reads answers of the Responses API.
type responsesAnswer struct {
	last *responsesResponse
}

func (r *responsesAnswer) whole(body []byte) (answer, error) {
	var response responsesResponse
	if unmarshalLoosely(body, &response) != nil || response.Output == nil {
		return answer{}, errNoAnswer
	}
	return response.answer()
}

func (r *responsesAnswer) event(data []byte, emit func(string)) (useful bool, err error) {
	var event struct {
		Type     string            `json:"type"`
		Delta    string            `json:"delta"`
		Response responsesResponse `json:"response"`
	}
	if unmarshalLoosely(data, &event) != nil {
		return false, errNoAnswer
	}
	switch event.Type {
	case "response.output_text.delta", "response.refusal.delta":
		emit(event.Delta)
	case "response.completed", "response.incomplete", "response.failed":
		r.last = &event.Response
		return true, io.EOF
	}
	return event.Delta != "", nil
}

func (r *responsesAnswer) end(bool) (answer, error) {
	if r.last == nil {
		return answer{}, errBrokeOff
	}
	a, err := r.last.answer()
	a.text = "" // its deltas were passed on
	return a, err
}

// answer reads a finished response. Its finish reasons are told in the words of
// the Chat Completions API.
func (r *responsesResponse) answer() (answer, error) {
	a := answer{model: r.Model, finishReason: finishStop}
	var text, refusal strings.Builder
	for _, item := range r.Output {
		a.reasoned = a.reasoned || item.Type == "reasoning" && len(item.Summary)+len(item.Content) > 0
		a.calledTool = a.calledTool || strings.HasSuffix(item.Type, "_call")
		for _, part := range item.Content {
			if item.Type == "message" {
				text.WriteString(part.Text)
			}
			refusal.WriteString(part.Refusal)
		}
	}
	a.text = cmp.Or(text.String(), refusal.String())
	if r.Usage != nil {
		a.usage = newUsage(r.Usage.InputTokens, r.Usage.OutputTokens)
	}
	switch {
	case r.Status == "failed":
		return answer{}, answerError{message: r.Error.Message, code: r.Error.Code}
	case r.IncompleteDetails.Reason == "max_output_tokens":
		a.finishReason = finishLength
	case r.IncompleteDetails.Reason != "":
		a.finishReason = r.IncompleteDetails.Reason
	}
	finished := chatAnswer{answer: a}
	return finished.finish(), nil
}
