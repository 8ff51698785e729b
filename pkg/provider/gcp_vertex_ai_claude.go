package provider

import (
	"context"
	"net/http"
)

// vertexClaudeVersion is the version of the Messages API that Vertex AI speaks.
// It stands in the body, where the model would be.
// Source: Anthropic, "Claude on Vertex AI".
const vertexClaudeVersion = "vertex-2023-10-16"

// generateClaude calls a model of Anthropic's: its body and stream are those of
// the Messages API, but for the model, which is part of the path, and so is
// whether the answer is streamed.
func (v *vertexUpstream) generateClaude(ctx context.Context, token string, model vertexModel, p Prompt, emit func(string)) (answer, error) {
	request, sent := newClaudeRequest(p, emit != nil)
	request.Model, request.Version = "", vertexClaudeVersion
	method := "rawPredict"
	if emit != nil {
		method = "streamRawPredict"
	}
	res, err := v.call(ctx, http.MethodPost, v.location("v1")+model.path(method), token, request)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	a, err := readClaude(ctx, res, emit)
	a.sent = sent
	return a, err
}
