package provider

import (
	"cmp"

	"modelproviders/pkg/secret"
)

var openAI = register(spec[openAICredentials, openAIConfig]{
	form: Form{
		Type:               "openai",
		Label:              "OpenAI",
		Description:        "GPT and reasoning models, directly from OpenAI.",
		DocsURL:            "https://platform.openai.com/api-keys",
		ModelIDLabel:       "Model ID",
		ModelIDPlaceholder: "gpt-4-turbo",
	},

	endpointNames:    []string{"openai"},
	requestIDHeaders: []string{"X-Request-Id"},
	open:             openOpenAI,
})

type openAICredentials struct {
	APIKey secret.Text `json:"api_key" label:"API Key" kind:"secret" validate:"required,max=4096,printascii" placeholder:"sk-proj-…" help:"An API key from platform.openai.com, under API keys. It begins with sk-."`
}

type openAIConfig struct{}

func openOpenAI(creds openAICredentials, _ openAIConfig, env environment) (upstream, error) {
	base := cmp.Or(env.endpoints["openai"], "https://api.openai.com/v1")
	return newOpenAIChat(withBearer(env.http, creds.APIKey), base, openAITables), nil
}

var openAITables = tables{
	hints: map[FailureKind]string{
		Authentication: "Replace the API key of this provider.",
		QuotaExceeded:  "Add credit to the OpenAI account or raise its monthly limit, under Billing at platform.openai.com.",
		ModelNotFound:  "Check the model ID {model} for a typo, and check that this key has access to it. The list of available models shows what it can use.",
	},
}
