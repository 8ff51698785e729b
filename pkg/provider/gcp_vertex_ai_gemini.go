package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// geminiRequest is the body of generateContent, as far as it is used.
// Source: Vertex AI REST reference, projects.locations.publishers.models.
type geminiRequest struct {
	Contents          []geminiContent  `json:"contents"`
	SystemInstruction *geminiContent   `json:"systemInstruction,omitempty"`
	GenerationConfig  geminiGeneration `json:"generationConfig"`
}

type geminiContent struct {
	Role  string       `json:"role,omitempty"`
	Parts []geminiPart `json:"parts"`
}

type geminiPart struct {
	Text    string `json:"text"`
	Thought bool   `json:"thought,omitempty"` // what the model thinks, not what it says

	FunctionCall json.RawMessage `json:"functionCall,omitempty"`
}

type geminiGeneration struct {
	MaxOutputTokens int      `json:"maxOutputTokens"`
	Temperature     *float64 `json:"temperature,omitempty"`
}

// geminiResponse is the answer of generateContent, and one event of its stream.
type geminiResponse struct {
	Candidates []struct {
		Content       geminiContent `json:"content"`
		FinishReason  string        `json:"finishReason"`
		FinishMessage string        `json:"finishMessage"`
	} `json:"candidates"`
	PromptFeedback struct {
		BlockReason        string `json:"blockReason"`
		BlockReasonMessage string `json:"blockReasonMessage"`
	} `json:"promptFeedback"`
	UsageMetadata *struct {
		PromptTokens    int `json:"promptTokenCount"`
		CandidateTokens int `json:"candidatesTokenCount"`
		ThoughtTokens   int `json:"thoughtsTokenCount"`
	} `json:"usageMetadata"`
	ModelVersion string          `json:"modelVersion"`
	ResponseID   string          `json:"responseId"`
	Error        json.RawMessage `json:"error"`
}

func newGeminiRequest(p Prompt) (geminiRequest, map[string]any) {
	request := geminiRequest{
		Contents:         []geminiContent{{Role: "user", Parts: []geminiPart{{Text: p.Text}}}},
		GenerationConfig: geminiGeneration{MaxOutputTokens: p.outputTokens(), Temperature: p.Temperature},
	}
	sent := map[string]any{"maxOutputTokens": p.outputTokens()}
	if p.System != "" {
		request.SystemInstruction = &geminiContent{Parts: []geminiPart{{Text: p.System}}}
	}
	if p.Temperature != nil {
		sent["temperature"] = *p.Temperature
	}
	return request, sent
}

// generateGemini calls a model of Google's own.
func (v *vertexUpstream) generateGemini(ctx context.Context, token string, model vertexModel, p Prompt, emit func(string)) (answer, error) {
	request, sent := newGeminiRequest(p)
	method := "generateContent"
	if emit != nil {
		method = "streamGenerateContent?alt=sse"
	}
	res, err := v.call(ctx, http.MethodPost, v.location("v1")+model.path(method), token, request)
	if err != nil {
		return answer{sent: sent}, err
	}
	defer res.Body.Close()
	var reading geminiAnswer
	read := func(err error) (answer, error) {
		if err == nil {
			err = reading.end()
		}
		return reading.answer, err
	}
	a, err := readAnswer(ctx, res, emit, func(body []byte) (answer, error) {
		var text strings.Builder
		err := reading.whole(body, func(s string) { text.WriteString(s) })
		reading.answer.text = text.String()
		return read(err)
	}, func(emit func(string)) (answer, error) {
		return read(readEvents(res.Body, func(_ string, data []byte) (bool, error) { return reading.add(data, emit) }))
	})
	a.sent = sent
	return a, err
}

// call makes a JSON call in the name of the service account.
func (v *vertexUpstream) call(ctx context.Context, method, url, token string, body any) (*http.Response, error) {
	req, err := newRequest(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return send(v.http, req)
}

// geminiAnswer puts an answer together from one response, or from the events of
// a stream.
type geminiAnswer struct {
	answer answer
	finish string
	seen   bool // a response of the right form came
}

// whole reads a body that is a response, or a list of them: what a stream is
// where a proxy drops `alt=sse`.
func (g *geminiAnswer) whole(body []byte, emit func(string)) error {
	var list []json.RawMessage
	if json.Unmarshal(body, &list) != nil {
		_, err := g.add(body, emit)
		return err
	}
	for _, response := range list {
		if _, err := g.add(response, emit); err != nil {
			return err
		}
	}
	return nil
}

// add takes what a response says. useful: there was a part of the answer in it.
func (g *geminiAnswer) add(data []byte, emit func(string)) (useful bool, err error) {
	var r geminiResponse
	if err := json.Unmarshal(data, &r); err != nil {
		return false, fmt.Errorf("parse answer: %w", err)
	}
	if len(r.Error) > 0 && string(r.Error) != "null" {
		return false, answerError(problemOf(data))
	}
	g.seen = g.seen || r.Candidates != nil || r.UsageMetadata != nil
	if r.ModelVersion != "" {
		g.answer.model = r.ModelVersion
	}
	if r.ResponseID != "" {
		g.answer.requestID = r.ResponseID
	}
	if u := r.UsageMetadata; u != nil {
		g.answer.usage = &Usage{InputTokens: u.PromptTokens, OutputTokens: u.CandidateTokens + u.ThoughtTokens}
	}
	if reason := r.PromptFeedback.BlockReason; reason != "" {
		g.finish = reason
		g.answer.finishReason = finishFiltered
		g.answer.empty = geminiBlocked(reason, r.PromptFeedback.BlockReasonMessage, "The prompt was blocked")
	}
	if len(r.Candidates) == 0 {
		return false, nil
	}
	candidate := r.Candidates[0]
	for _, part := range candidate.Content.Parts {
		g.answer.calledTool = g.answer.calledTool || part.FunctionCall != nil
		useful = useful || part.Text != "" || part.FunctionCall != nil
		switch {
		case part.Text == "":
		case part.Thought:
			g.answer.reasoned = true
		default:
			emit(part.Text)
		}
	}
	if candidate.FinishReason != "" {
		g.finish = candidate.FinishReason
		g.stop(candidate.FinishMessage)
	}
	return useful, nil
}

// end says whether all of the answer came: it is whole once there is a reason
// why it ended.
func (g *geminiAnswer) end() error {
	switch {
	case g.finish != "":
		return nil
	case g.seen:
		return errBrokeOff
	}
	return errNoAnswer
}

// stop names the reason why the answer ended in the words that are common to all
// types.
func (g *geminiAnswer) stop(message string) {
	switch g.finish {
	case "STOP":
		g.answer.finishReason = finishStop
	case "MAX_TOKENS":
		g.answer.finishReason = finishLength
	case "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "MODEL_ARMOR":
		g.answer.finishReason = finishFiltered
		g.answer.empty = geminiBlocked(g.finish, message, "The answer was blocked")
	default:
		g.answer.finishReason = strings.ToLower(g.finish)
		if message != "" {
			g.answer.empty = &Failure{Kind: UpstreamError, Message: message, Code: g.finish}
		}
	}
}

func geminiBlocked(reason, message, otherwise string) *Failure {
	return &Failure{
		Kind:    ContentFiltered,
		Message: cmp.Or(message, otherwise+" ("+reason+")."),
		Code:    reason,
		Hint:    "A safety filter stopped the answer: try another prompt. Provider and model work.",
	}
}
