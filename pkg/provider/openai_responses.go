package provider

import (
	"cmp"
	"encoding/json"
	"io"
	"strings"
)

// responsesResponse is what is read of an answer of the Responses API.
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

// responsesReading reads answers of the Responses API.
type responsesReading struct {
	last *responsesResponse
}

func (r *responsesReading) whole(body []byte) (answer, error) {
	var response responsesResponse
	if unmarshalLoosely(body, &response) != nil || response.Output == nil {
		return answer{}, errNoAnswer
	}
	return response.answer()
}

func (r *responsesReading) event(data []byte, emit func(string)) (useful bool, err error) {
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

func (r *responsesReading) end(bool) (answer, error) {
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
	finished := chatReading{answer: a}
	return finished.finish(), nil
}
