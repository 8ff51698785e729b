package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/anthropics/anthropic-sdk-go/option"
)

// vertexClaudeVersion is the version of the Messages API that Vertex AI speaks.
// It stands in the body, where the model would be.
// Source: Anthropic, "Claude on Vertex AI".
const vertexClaudeVersion = "vertex-2023-10-16"

// claudeOptions let Anthropic's SDK call Claude on Vertex AI: the body of a
// message and its stream are the same, address and authentication are not. The
// SDK's own package for it would load a second transport and escape nothing.
func (v *vertexUpstream) claudeOptions(env environment) []option.RequestOption {
	return append(anthropicOptions(env), option.WithBaseURL(v.base), option.WithMiddleware(v.toVertex))
}

func (v *vertexUpstream) generateClaude(ctx context.Context, token string, model vertexModel, p Prompt, emit func(string)) (answer, error) {
	p.ModelID = model.name
	return v.claude.generate(ctx, p, emit, option.WithHeader("Authorization", "Bearer "+token))
}

// withVertexHint replaces the hints that speak of an account at Anthropic.
func (v *vertexUpstream) withVertexHint(f *Failure) *Failure {
	if f == nil {
		return nil
	}
	switch f.Kind {
	case Authentication:
		f.Hint = "Enter a new key of this service account."
	case Permission, ModelNotFound:
		f.Hint = "Enable Claude in the Model Garden of project `" + v.project + "`, and check that region `" + v.region + "` offers this model."
	case RateLimited, QuotaExceeded:
		f.Hint = "Ask for more quota for this model in region `" + v.region + "` under Quotas in the Google Cloud console, or try again later."
	}
	return f
}

// toVertex rewrites a request to the Messages API: the model goes from the body
// into the path, and whether the answer is streamed into the method.
func (v *vertexUpstream) toVertex(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	_ = req.Body.Close()
	var fields map[string]json.RawMessage
	var model string
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	if err := json.Unmarshal(fields["model"], &model); err != nil {
		return nil, fmt.Errorf("read model: %w", err)
	}
	method := "rawPredict"
	if string(fields["stream"]) == "true" {
		method = "streamRawPredict"
	}
	delete(fields, "model")
	fields["anthropic_version"] = json.RawMessage(`"` + vertexClaudeVersion + `"`)
	if body, err = json.Marshal(fields); err != nil {
		return nil, fmt.Errorf("encode request: %w", err)
	}
	address, err := url.Parse(v.location("v1") + vertexModel{"anthropic", model}.path(method))
	if err != nil {
		return nil, fmt.Errorf("make URL: %w", err)
	}
	req.URL = address
	req.Body = io.NopCloser(bytes.NewReader(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	req.ContentLength = int64(len(body))
	return next(req)
}
