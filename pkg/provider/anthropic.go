package provider

import (
	"context"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"modelproviders/pkg/secret"
)

var anthropicAPI = register(spec[anthropicCredentials, anthropicConfig]{
	name:        "anthropic",
	label:       "Anthropic",
	description: "Claude models, directly from Anthropic.",
	docsURL:     "https://docs.anthropic.com/en/api/overview",
	icon:        "anthropic",

	modelIDLabel:       "Model ID",
	modelIDPlaceholder: "claude-sonnet-4-20250514",

	acceptsEndpoint:  true,
	requestIDHeaders: []string{"Request-Id"},
	open:             openAnthropic,
})

type anthropicCredentials struct {
	APIKey secret.Text `json:"api_key" label:"API Key" kind:"secret" validate:"required,max=4096,printascii" help:"A key of the Claude Console, under API keys; it begins with sk-ant-."`
}

type anthropicConfig struct{}

const anthropicBaseURL = "https://api.anthropic.com"

// anthropicUpstream talks to Anthropic's own API.
type anthropicUpstream struct {
	claude claude
	list   anthropic.ModelService
}

// openAnthropic uses the services of the SDK rather than its client, which
// would look for credentials, profiles and a base URL in the environment.
func openAnthropic(creds anthropicCredentials, _ anthropicConfig, env environment) (upstream, error) {
	base := env.endpoint
	if base == "" {
		base = anthropicBaseURL
	}
	opts := append(anthropicOptions(env), option.WithBaseURL(base), option.WithAPIKey(creds.APIKey.Reveal()))
	return &anthropicUpstream{
		claude: claude{messages: anthropic.NewMessageService(opts...)},
		list:   anthropic.NewModelService(opts...),
	}, nil
}

// anthropicOptions are what every use of the SDK needs. Its traces are off
// because environment variables would decide whether prompts are part of them.
func anthropicOptions(env environment) []option.RequestOption {
	return []option.RequestOption{
		option.WithoutEnvironmentDefaults(),
		option.WithoutOpenTelemetry(),
		option.WithOpenTelemetryPropagation(false),
		option.WithHTTPClient(env.http),
		option.WithMaxRetries(0),
	}
}

func (a *anthropicUpstream) generate(ctx context.Context, p Prompt, emit func(string)) (answer, error) {
	said, err := a.claude.generate(ctx, p, emit)
	if err != nil {
		return said, claudeFailure(ctx, err)
	}
	return said, nil
}

func claudeFailure(ctx context.Context, err error) *Failure {
	return explain(ctx, err, func(c *call) *Failure { return readClaudeFault(c, err) })
}

// maxDiscoveryPages bounds how often a list of models is asked on, so that an
// upstream whose pages never end costs only so many calls.
const maxDiscoveryPages = 10

// models reads the list a page at a time; one page holds as many as are wanted.
func (a *anthropicUpstream) models(ctx context.Context) (Discovery, error) {
	var found []DiscoveredModel
	params := anthropic.ModelListParams{Limit: anthropic.Int(MaxDiscovered)}
	for range maxDiscoveryPages {
		page, err := a.list.List(ctx, params)
		if err != nil {
			return Discovery{}, claudeFailure(ctx, err)
		}
		if page == nil || !page.JSON.Data.Valid() {
			return Discovery{}, claudeFailure(ctx, errNoList)
		}
		for _, m := range page.Data {
			found = append(found, DiscoveredModel{ModelID: m.ID, DisplayName: m.DisplayName})
		}
		if !page.HasMore || page.LastID == "" {
			return Discovery{Supported: true, Models: found}, nil
		}
		if len(found) >= MaxDiscovered {
			break
		}
		params.AfterID = anthropic.String(page.LastID)
	}
	return Discovery{Supported: true, Truncated: true, Models: found}, nil
}
