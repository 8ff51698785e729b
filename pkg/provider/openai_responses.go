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

func (r *responsesReading) read(data []byte, whole bool, emit func(string)) (useful bool, err error) {
	if whole {
		r.last = &responsesResponse{}
		if unmarshalLoosely(data, r.last) != nil || r.last.Output == nil {
			return false, errNoAnswer
		}
		if r.last.Status != "failed" {
			emit(r.last.text())
		}
		return true, nil
	}
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

func (r *responsesResponse) text() string {
	var text, refusal strings.Builder
	for _, item := range r.Output {
		for _, part := range item.Content {
			if item.Type == "message" {
				text.WriteString(part.Text)
			}
			refusal.WriteString(part.Refusal)
		}
	}
	return cmp.Or(text.String(), refusal.String())
}

// end is the answer. Its finish reasons are in the words of the Chat Completions
// API.
func (r *responsesReading) end(bool) (answer, error) {
	last := r.last
	switch {
	case last == nil:
		return answer{}, errBrokeOff
	case last.Status == "failed":
		return answer{}, answerError{message: last.Error.Message, code: last.Error.Code}
	}
	a := answer{model: last.Model, finishReason: cmp.Or(last.IncompleteDetails.Reason, finishStop)}
	if a.finishReason == "max_output_tokens" {
		a.finishReason = finishLength
	}
	for _, item := range last.Output {
		a.reasoned = a.reasoned || item.Type == "reasoning" && len(item.Summary)+len(item.Content) > 0
		a.calledTool = a.calledTool || strings.HasSuffix(item.Type, "_call")
	}
	if last.Usage != nil {
		a.usage = newUsage(last.Usage.InputTokens, last.Usage.OutputTokens)
	}
	finished := chatReading{answer: a}
	return finished.finish(), nil
}
