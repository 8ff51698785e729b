package provider

import (
	"cmp"
	"context"
	"encoding/json"
)

// geminiPart is a part of a prompt or of an answer of generateContent.
// Source: Vertex AI REST reference, projects.locations.publishers.models.
type geminiPart struct {
	Text    string `json:"text"`
	Thought bool   `json:"thought,omitempty"` // the text is reasoning

	FunctionCall json.RawMessage `json:"functionCall,omitempty"`
}

// geminiResponse is the answer of generateContent, and one event of its stream.
type geminiResponse struct {
	Candidates []struct {
		Content struct {
			Parts []geminiPart `json:"parts"`
		} `json:"content"`
		FinishReason  string `json:"finishReason"`
		FinishMessage string `json:"finishMessage"`
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
	ModelVersion string `json:"modelVersion"`
	ResponseID   string `json:"responseId"`
}

// generateGemini calls a model of Google's own.
func (v *vertexUpstream) generateGemini(ctx context.Context, model vertexModel, p Prompt, emit func(string)) (answer, error) {
	sent := p.parameters("maxOutputTokens")
	parts := func(text string) []geminiPart { return []geminiPart{{Text: text}} }
	body := map[string]any{
		"contents":         []any{map[string]any{"role": "user", "parts": parts(p.Text)}},
		"generationConfig": sent,
	}
	if p.System != "" {
		body["systemInstruction"] = map[string]any{"parts": parts(p.System)}
	}
	method := "generateContent"
	if emit != nil {
		method = "streamGenerateContent?alt=sse"
	}
	reading := &geminiReading{}
	a, err := v.prompt(ctx, v.location("v1")+model.path(method), sent, body, emit, reading)
	a.requestID = reading.answer.requestID
	return a, err
}

// geminiReading puts an answer together from one response, or from the events of
// a stream.
type geminiReading struct {
	answer answer
	seen   bool // a response of the right form came
}

// read reads a response. A whole body may be a list of them: what a stream is where
// a proxy drops `alt=sse`.
func (g *geminiReading) read(data []byte, whole bool, emit func(string)) (useful bool, err error) {
	var list []json.RawMessage
	if whole && json.Unmarshal(data, &list) == nil {
		for _, part := range list {
			if holdsError(part) {
				return false, answerError(problemOf(part))
			}
			if _, err := g.read(part, false, emit); err != nil {
				return false, err
			}
		}
		return true, nil
	}
	var r geminiResponse
	if json.Unmarshal(data, &r) != nil {
		return false, errNoAnswer
	}
	g.seen = g.seen || r.Candidates != nil || r.UsageMetadata != nil
	g.answer.model = cmp.Or(r.ModelVersion, g.answer.model)
	g.answer.requestID = cmp.Or(r.ResponseID, g.answer.requestID)
	if u := r.UsageMetadata; u != nil {
		g.answer.usage = &Usage{InputTokens: u.PromptTokens, OutputTokens: u.CandidateTokens + u.ThoughtTokens}
	}
	if reason := r.PromptFeedback.BlockReason; reason != "" {
		g.answer.filtered(reason, cmp.Or(r.PromptFeedback.BlockReasonMessage, "The prompt was blocked ("+reason+")."))
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
	if reason := candidate.FinishReason; reason != "" {
		g.answer.finish(reason, candidate.FinishMessage)
		if g.answer.empty == nil && candidate.FinishMessage != "" && g.answer.finishReason != finishStop {
			g.answer.empty = &Failure{Kind: UpstreamError, Message: candidate.FinishMessage, Code: reason}
		}
	}
	return useful, nil
}

// end is the answer: it is complete once there is a reason why it ended.
func (g *geminiReading) end(bool) (answer, error) {
	switch {
	case g.answer.finishReason != "":
		return g.answer, nil
	case g.seen:
		return answer{}, errBrokeOff
	}
	return answer{}, errNoAnswer
}
