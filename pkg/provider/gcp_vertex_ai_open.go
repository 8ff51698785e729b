package provider

import (
	"context"

	"github.com/openai/openai-go/v3/option"
)

// openModels makes the client of Vertex AI's OpenAI-compatible endpoint, which
// serves the open models. Source: Vertex AI, "Call MaaS APIs for open models".
func (v *vertexUpstream) openModels(env environment) *openAIChat {
	return newOpenAIChat(env.http, v.tables(), option.WithBaseURL(v.location("v1")+"/endpoints/openapi/"))
}

func (v *vertexUpstream) generateOpen(ctx context.Context, token string, model vertexModel, p Prompt, emit func(string)) (answer, error) {
	p.ModelID = model.publisher + "/" + model.name
	return v.open.generate(ctx, p, emit, option.WithHeader("Authorization", "Bearer "+token))
}
