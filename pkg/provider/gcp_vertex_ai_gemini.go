package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
)

// geminiPart is a part of a prompt or of an answer of generateContent.
// Source: Vertex AI REST reference, projects.locations.publishers.models.
type geminiPart struct {
	Text    string `json:"text"`
	Thought bool   `json:"thought,omitempty"` // the text is reasoning

	FunctionCall *struct {
		Name string          `json:"name"`
		Args json.RawMessage `json:"args"`
	} `json:"functionCall,omitempty"`
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
func (v *vertexUpstream) generateGemini(ctx context.Context, model vertexModel, p prompt) (answer, error) {
	parts := func(text string) []geminiPart { return []geminiPart{{Text: text}} }
	body := map[string]any{
		"contents": []any{map[string]any{"role": "user", "parts": parts(p.Text)}},
	}
	if p.System != "" {
		body["systemInstruction"] = map[string]any{"parts": parts(p.System)}
	}
	method := "generateContent"
	if p.stream {
		method = "streamGenerateContent?alt=sse"
	}
	return p.send(ctx, optionalOf(p), func(optional optionalParams) (answer, error) {
		config := p.parameters("maxOutputTokens")
		if optional.sends(responseFormat) {
			config["responseMimeType"], config["responseJsonSchema"] = "application/json", p.Output.Schema
		}
		body, sent := maps.Clone(body), maps.Clone(config)
		body["generationConfig"] = config
		addParams(geminiTools(p, optional), sent, body)
		return v.prompt(ctx, p, v.location("v1")+model.path(method), sent, body, readGemini)
	})
}

// geminiTools returns the parameters for the tool of a prompt.
func geminiTools(p prompt, optional optionalParams) map[string]any {
	params := map[string]any{}
	if p.Tool != nil {
		function := map[string]any{"name": p.Tool.Name, "description": p.Tool.Description, "parametersJsonSchema": p.Tool.Parameters}
		params["tools"] = []any{map[string]any{"functionDeclarations": []any{function}}}
	}
	if optional.sends(toolChoice) {
		params["toolConfig"] = map[string]any{"functionCallingConfig": map[string]any{"mode": "ANY", "allowedFunctionNames": []string{p.Tool.Name}}}
	}
	return params
}

// readGemini is the [reader] of generateContent. A whole body may be a list of
// responses, which is the format of a stream if a proxy removes `alt=sse`.
func readGemini(a *answer, data []byte, whole bool) (useful bool, err error) {
	var list []json.RawMessage
	if whole && json.Unmarshal(data, &list) == nil {
		for _, part := range list {
			if holdsError(part) {
				return false, answerError(problemOf(part))
			}
			if _, err := readGemini(a, part, false); err != nil {
				return false, err
			}
		}
		return true, nil
	}
	var r geminiResponse
	if json.Unmarshal(data, &r) != nil {
		return false, errNoAnswer
	}
	a.begun = a.begun || r.Candidates != nil || r.UsageMetadata != nil
	a.model = cmp.Or(r.ModelVersion, a.model)
	a.requestID = cmp.Or(r.ResponseID, a.requestID)
	if u := r.UsageMetadata; u != nil {
		a.usage = &Usage{InputTokens: u.PromptTokens, OutputTokens: u.CandidateTokens + u.ThoughtTokens}
	}
	if reason := r.PromptFeedback.BlockReason; reason != "" {
		a.begun = true
		a.filtered(reason, cmp.Or(r.PromptFeedback.BlockReasonMessage, "The prompt was blocked ("+reason+")."))
	}
	if len(r.Candidates) == 0 {
		return false, nil
	}
	candidate := r.Candidates[0]
	for _, part := range candidate.Content.Parts {
		if call := part.FunctionCall; call != nil { // never in pieces
			arguments, _ := argumentsOf(call.Args)
			if err := a.addToolCall(toolPiece{index: len(a.toolCalls), name: call.Name, arguments: arguments}); err != nil {
				return false, err
			}
		}
		useful = useful || part.Text != "" || part.FunctionCall != nil
		switch {
		case part.Text == "":
		case part.Thought:
			a.reasoned = true
		default:
			a.emit(part.Text)
		}
	}
	if reason := candidate.FinishReason; reason != "" {
		a.finish(reason, candidate.FinishMessage)
		if a.empty == nil && candidate.FinishMessage != "" && a.finishReason != finishStop {
			a.empty = &Failure{Kind: UpstreamError, Message: candidate.FinishMessage, Code: reason, Unsupported: a.malformed()}
		}
	}
	return useful, nil
}
