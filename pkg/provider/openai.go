package provider

import (
	"cmp"

	"modelproviders/pkg/secret"
)

var openAI = register(Type{
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
}, openOpenAI)

type openAICredentials struct {
	APIKey secret.Text `json:"api_key" label:"API Key" kind:"secret" validate:"required,max=4096,printascii" placeholder:"sk-proj-…" help:"An API key from platform.openai.com, under API keys. It begins with sk-."`
}

type openAIConfig struct {
	Organization string `json:"organization" label:"Organization ID" kind:"text" group:"account,Organization and project" validate:"max=256" pattern:"^[!-~]+$" message:"must be the ID of an organization, such as org-abc123, not its name" placeholder:"org-abc123" help:"Only needed if the key belongs to several organizations. See Settings, Organization at platform.openai.com."`
	Project      string `json:"project" label:"Project ID" kind:"text" group:"account,Organization and project" validate:"max=256" pattern:"^[!-~]+$" message:"must be the ID of a project, such as proj_abc123, not its name" placeholder:"proj_abc123" help:"Only needed if the key belongs to several projects. See Settings, Project at platform.openai.com."`
}

func openOpenAI(creds openAICredentials, config openAIConfig, env environment) (upstream, error) {
	base := cmp.Or(env.endpoints["openai"], "https://api.openai.com/v1")
	client := withBearer(env.http, creds.APIKey)
	if config.Organization != "" {
		client = withHeader(client, "OpenAI-Organization", config.Organization)
	}
	if config.Project != "" {
		client = withHeader(client, "OpenAI-Project", config.Project)
	}
	return newOpenAIChat(client, base, openAITables), nil
}

// openAITables are what OpenAI says of the organization and the project. Source: answers
// of the service.
var openAITables = tables{
	rules: []rule{
		{code: "invalid_organization|mismatched_organization", kind: Authentication, hint: hintOrganization},
		{words: "no such organization|openai-organization header", kind: Authentication, hint: hintOrganization},
		{code: "invalid_project|mismatched_project", kind: Authentication, hint: hintProject},
		{words: "no such project|openai-project header", kind: Authentication, hint: hintProject},
	},
	hints: map[FailureKind]string{
		Authentication: "Replace the API key of this provider.",
		QuotaExceeded:  "Add credit to the OpenAI account or raise its monthly limit, under Billing at platform.openai.com.",
		ModelNotFound:  "Check the model ID {model} for a typo, and check that this key has access to it. The list of available models shows what it can use.",
	},
}

const (
	hintOrganization = "The key does not belong to this organization. Correct the organization's ID or remove it, or use a key of that organization."
	hintProject      = "The key does not belong to this project. Correct the project's ID or remove it, or use a key of that project."
)
