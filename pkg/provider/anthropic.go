package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"strconv"

	"modelproviders/pkg/secret"
)

var anthropicAPI = register(Type{
	form: Form{
		Type:               "anthropic",
		Label:              "Anthropic",
		Description:        "Claude models, directly from Anthropic.",
		DocsURL:            "https://console.anthropic.com/settings/keys",
		ModelIDLabel:       "Model ID",
		ModelIDPlaceholder: "claude-sonnet-4-20250514",
	},

	endpointNames:    []string{"anthropic"},
	requestIDHeaders: []string{"Request-Id"},
}, openAnthropic)

type anthropicCredentials struct {
	APIKey secret.Text `json:"api_key" label:"API Key" kind:"secret" validate:"required,max=4096,printascii" placeholder:"sk-ant-…" help:"An API key from the Claude Console, under API keys. It begins with sk-ant-."`
}

type anthropicConfig struct{}

// anthropicUpstream talks to Anthropic's own API.
type anthropicUpstream struct {
	service
	tables
	base string
}

func openAnthropic(creds anthropicCredentials, _ anthropicConfig, env environment) (upstream, error) {
	client := withHeader(env.http, "X-Api-Key", creds.APIKey.Reveal())
	return &anthropicUpstream{
		service: service{withHeader(client, "Anthropic-Version", "2023-06-01")}, tables: claudeTables,
		base: cmp.Or(env.endpoints["anthropic"], "https://api.anthropic.com"),
	}, nil
}

func (a *anthropicUpstream) generate(ctx context.Context, p prompt) (answer, error) {
	return p.send(ctx, optionalOf(p), func(optional optionalParams) (answer, error) {
		sent, body := claudeRequest(p, optional)
		return a.prompt(ctx, p, a.base+"/v1/messages", sent, body, readClaude)
	})
}

// models reads the list of models; one page holds as many as are wanted.
// Source: Anthropic API reference, "List Models".
func (a *anthropicUpstream) models(ctx context.Context) (Discovery, error) {
	address := a.base + "/v1/models?limit=" + strconv.Itoa(MaxDiscovered)
	return readPages(ctx, a.service, address, "after_id", func(body json.RawMessage) (found []DiscoveredModel, next string, err error) {
		var page struct {
			HasMore bool   `json:"has_more"`
			LastID  string `json:"last_id"`
		}
		if found, err = parseModelList(body, nil); err != nil || json.Unmarshal(body, &page) != nil {
			return nil, "", errNoList
		}
		if page.HasMore {
			next = page.LastID
		}
		return found, next, nil
	})
}

// claudeTables are what the Messages API says. Sources: Anthropic API
// reference, "Errors"; the phrases are the API's own.
var claudeTables = tables{
	rules: []rule{
		{words: "only authorized for use with claude code", kind: Authentication, hint: "This is the token of a Claude subscription, not an API key. Create a key in the Claude Console. It begins with `sk-ant-api`."},
		{words: "organization has been disabled|organization is disabled|not allowed for this organization|request not allowed", kind: Permission, scope: ofAccount, hint: "Anthropic has disabled this organization. Its administrator can find the reason in the Claude Console."},
		{words: "credit balance|usage limits|spend limit", kind: QuotaExceeded},
		{code: "request_too_large", kind: InvalidRequest, hint: "The request is too large. Shorten the prompt."},
		{code: "timeout_error", kind: Timeout, hint: "Anthropic took too long to answer. Lower max_output_tokens, or stream the answer."},
		{code: "overloaded_error", kind: UpstreamError, hint: "Anthropic is overloaded. Nothing is wrong with this provider. Try again in a few minutes."},
		{code: "api_error", kind: UpstreamError, hint: "Anthropic had an internal error. Nothing is wrong with this provider. Try again."},
		{code: "invalid_request_error", words: "temperature", kind: InvalidRequest, hint: "Leave temperature out, or choose a value from 0 to 1. Some models accept no temperature."},
	},
	hints: map[FailureKind]string{
		Authentication: "Replace the API key of this provider. A key of the Claude Console begins with `sk-ant-`.",
		Permission:     "Check in the Claude Console that this key's workspace may use the model, and that no IP allowlist excludes this server.",
		ModelNotFound:  "Check the model ID for a typo, and check that the model is not retired. The list of available models shows what this key can use.",
		QuotaExceeded:  "Add credit or raise the spend limit of the account in the Claude Console, under Billing.",
		RateLimited:    "The account has reached its rate limit for this model. Try again in a minute, or raise the limit in the Claude Console.",
	},
}
