package provider

import (
	"context"

	"github.com/openai/openai-go/v3/option"
)

// openModels makes the client of Vertex AI's OpenAI-compatible endpoint, which
// serves the open models. Source: Vertex AI, "Call MaaS APIs for open models".
func (v *vertexUpstream) openModels(env environment) *openAIChat {
	return newOpenAIChat(env.http, v.readOpen, option.WithBaseURL(v.location("v1")+"/endpoints/openapi/"))
}

func (v *vertexUpstream) generateOpen(ctx context.Context, token string, model vertexModel, p Prompt, emit func(string)) (answer, error) {
	p.ModelID = model.publisher + "/" + model.name
	return v.open.generate(ctx, p, emit, option.WithHeader("Authorization", "Bearer "+token))
}

// readOpen explains an error of the endpoint: Google's own form, or OpenAI's,
// which the model's server writes.
func (v *vertexUpstream) readOpen(p Prompt, c *call, said problem) *Failure {
	if fault, ok := parseGoogleFault(c.page()); ok {
		return v.explainFault(fault, c.status, p.ModelID)
	}
	f := openAITables.read(p, c, said)
	if f.Kind == ModelNotFound || f.Kind == Misconfigured {
		google := v.explainFault(googleFault{Message: f.Message, Status: "NOT_FOUND"}, c.status, p.ModelID)
		google.Code = f.Code
		return google
	}
	return f
}
