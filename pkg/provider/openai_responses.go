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
	Model  string          `json:"model"`
	Status string          `json:"status"`
	Output []responsesItem `json:"output"`
	Error  struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	IncompleteDetails struct {
		Reason string `json:"reason"`
	} `json:"incomplete_details"`
	Usage *tokenUsage `json:"usage"`
}

// responsesItem is a part of the output: a message, reasoning, or the call of a tool.
type responsesItem struct {
	Type    string `json:"type"`
	Content []struct {
		Text    string `json:"text"`
		Refusal string `json:"refusal"`
	} `json:"content"`
	Summary   []json.RawMessage `json:"summary"`
	Name      string            `json:"name"`
	Arguments json.RawMessage   `json:"arguments"`
}

// readResponse is the [reader] of the Responses API.
func readResponse(a *answer, data []byte, whole bool) (useful bool, err error) {
	if whole {
		var r responsesResponse
		if unmarshalLoosely(data, &r) != nil || r.Output == nil {
			return false, errNoAnswer
		}
		if err := r.finish(a); err != nil {
			return false, err
		}
		a.emit(r.text())
		return true, nil
	}
	var event struct {
		Type        string            `json:"type"`
		Delta       string            `json:"delta"`
		OutputIndex int               `json:"output_index"`
		Item        responsesItem     `json:"item"`
		Response    responsesResponse `json:"response"`
	}
	if unmarshalLoosely(data, &event) != nil {
		return false, errNoAnswer
	}
	a.begun = true
	switch event.Type {
	case "response.output_text.delta", "response.refusal.delta":
		a.emit(event.Delta)
	case "response.output_item.added":
		return false, event.Item.readToolCall(a, event.OutputIndex, false)
	case "response.function_call_arguments.delta":
		return true, a.addToolCall(toolPiece{index: event.OutputIndex, arguments: event.Delta})
	case "response.completed", "response.incomplete", "response.failed":
		if err := event.Response.finish(a); err != nil {
			return false, err
		}
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

// finish adds all but the text to an answer, and ends it.
func (r *responsesResponse) finish(a *answer) error {
	if r.Status == "failed" {
		return answerError{message: r.Error.Message, code: r.Error.Code}
	}
	a.begun, a.model = true, r.Model
	for i, item := range r.Output {
		a.reasoned = a.reasoned || item.Type == "reasoning" && len(item.Summary)+len(item.Content) > 0
		a.calledTool = a.calledTool || strings.HasSuffix(item.Type, "_call")
		if err := item.readToolCall(a, i, true); err != nil {
			return err
		}
	}
	if r.Usage != nil {
		a.usage = newUsage(r.Usage.Input, r.Usage.Output)
	}
	a.finish(cmp.Or(r.IncompleteDetails.Reason, finishStop), filteredEarly)
	return nil
}

// readToolCall adds the item to an answer if it is a call of a function. A whole item has
// all arguments, which came in events before if the answer is streamed.
func (i responsesItem) readToolCall(a *answer, index int, whole bool) error {
	if i.Type != "function_call" {
		return nil
	}
	arguments, _ := argumentsOf(i.Arguments)
	return a.addToolCall(toolPiece{index: index, name: i.Name, arguments: arguments, whole: whole && arguments != ""})
}
