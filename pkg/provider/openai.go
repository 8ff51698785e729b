package provider

import (
	"cmp"
	"context"

	"modelproviders/pkg/secret"
)

var openAI = register(spec[openAICredentials, openAIConfig]{
	form: Form{
		Type:               "openai",
		Label:              "OpenAI",
		Description:        "GPT and reasoning models, directly from OpenAI.",
		DocsURL:            "https://platform.openai.com/docs/api-reference",
		Icon:               "openai",
		ModelIDLabel:       "Model ID",
		ModelIDPlaceholder: "gpt-4-turbo",
	},

	endpointNames:    []string{"openai"},
	requestIDHeaders: []string{"X-Request-Id"},
	open:             openOpenAI,
})

type openAICredentials struct {
	APIKey secret.Text `json:"api_key" label:"API Key" kind:"secret" validate:"required,max=4096,printascii" help:"An API key from the OpenAI platform, under API keys; it begins with sk-."`
}

type openAIConfig struct{}

// openAIUpstream talks to a service that has OpenAI's API in one place.
type openAIUpstream struct {
	*openAIChat
	openAIPlaces
}

func openOpenAI(creds openAICredentials, _ openAIConfig, env environment) (upstream, error) {
	chat := newOpenAIChat(env.http, creds.APIKey, openAITables)
	return &openAIUpstream{chat, placesAt(cmp.Or(env.endpoints["openai"], "https://api.openai.com/v1"))}, nil
}

func (o *openAIUpstream) generate(ctx context.Context, p Prompt, emit func(string)) (answer, error) {
	return o.generateAt(ctx, o.openAIPlaces, p, emit)
}

func (o *openAIUpstream) models(ctx context.Context) (Discovery, error) {
	return o.modelsAt(ctx, o.openAIPlaces, nil)
}

var openAITables = tables{
	hints: map[FailureKind]string{
		Authentication: "Replace the API key of this provider.",
		QuotaExceeded:  "Add credit to the OpenAI account or raise its monthly limit, under Billing at platform.openai.com.",
		ModelNotFound:  "Check the model ID {model} for a typo, and check that this key has access to it. The list of available models shows what it can use.",
	},
}
