package provider

import (
	"context"

	"github.com/openai/openai-go/v3/option"

	"modelproviders/pkg/secret"
)

var openAI = register(spec[openAICredentials, openAIConfig]{
	name:        "openai",
	label:       "OpenAI",
	description: "GPT and reasoning models, directly from OpenAI.",
	docsURL:     "https://platform.openai.com/docs/api-reference",
	icon:        "openai",

	modelIDLabel:       "Model ID",
	modelIDPlaceholder: "gpt-4-turbo",

	acceptsEndpoint:  true,
	requestIDHeaders: []string{"X-Request-Id"},
	open:             openOpenAI,
})

type openAICredentials struct {
	APIKey secret.Text `json:"api_key" label:"API Key" kind:"secret" validate:"required,max=4096,printascii" help:"A key of the OpenAI platform, under API keys; it begins with sk-."`
}

type openAIConfig struct{}

const openAIBaseURL = "https://api.openai.com/v1"

// openAIUpstream talks to OpenAI's own API.
type openAIUpstream struct{ chat *openAIChat }

func openOpenAI(creds openAICredentials, _ openAIConfig, env environment) (upstream, error) {
	base := env.endpoint
	if base == "" {
		base = openAIBaseURL
	}
	return &openAIUpstream{chat: newOpenAIChat(env.http, openAITables, option.WithBaseURL(base+"/"), withBearer(creds.APIKey))}, nil
}

func (o *openAIUpstream) generate(ctx context.Context, p Prompt, emit func(string)) (answer, error) {
	return o.chat.generate(ctx, p, emit)
}

func (o *openAIUpstream) models(ctx context.Context) (Discovery, error) {
	return o.chat.models(ctx, nil)
}

var openAITables = tables{
	hints: map[FailureKind]string{
		Authentication: "Replace the API key of this provider.",
		QuotaExceeded:  "Add credit to the OpenAI account or raise its monthly limit, under Billing at platform.openai.com.",
		ModelNotFound:  hintModelNames,
	},
}

const hintModelNames = "Check model {model} for a typo, and that this key has access to it: the list of available models shows what it can use."
