package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"modelproviders/pkg/secret"
)

var anthropicAPI = register(spec[anthropicCredentials, anthropicConfig]{
	form: Form{
		Type:               "anthropic",
		Label:              "Anthropic",
		Description:        "Claude models, directly from Anthropic.",
		DocsURL:            "https://docs.anthropic.com/en/api/overview",
		Icon:               "anthropic",
		ModelIDLabel:       "Model ID",
		ModelIDPlaceholder: "claude-sonnet-4-20250514",
	},

	endpointNames:    []string{"anthropic"},
	requestIDHeaders: []string{"Request-Id"},
	errors:           []tables{claudeTables},
	open:             openAnthropic,
})

type anthropicCredentials struct {
	APIKey secret.Text `json:"api_key" label:"API Key" kind:"secret" validate:"required,max=4096,printascii" help:"An API key from the Claude Console, under API keys; it begins with sk-ant-."`
}

type anthropicConfig struct{}

// anthropicUpstream talks to Anthropic's own API.
type anthropicUpstream struct {
	service
	tables
	base string
}

func openAnthropic(creds anthropicCredentials, _ anthropicConfig, env environment) (upstream, error) {
	key := withHeader("X-Api-Key", creds.APIKey.Reveal())
	sign := func(req *http.Request, body []byte) error {
		req.Header.Set("Anthropic-Version", "2023-06-01")
		return key(req, body)
	}
	return &anthropicUpstream{
		service: service{http: env.http, sign: sign}, tables: claudeTables,
		base: cmp.Or(env.endpoints["anthropic"], "https://api.anthropic.com"),
	}, nil
}

func (a *anthropicUpstream) generate(ctx context.Context, p Prompt, emit func(string)) (answer, error) {
	sent, body := claudeRequest(p, emit != nil)
	return a.prompt(ctx, a.base+"/v1/messages", sent, body, emit, &claudeReading{})
}

// models reads the list of models; one page holds as many as are wanted.
// Source: Anthropic API reference, "List Models".
func (a *anthropicUpstream) models(ctx context.Context) (Discovery, error) {
	return readPages(func(cursor string) (found []DiscoveredModel, next string, err error) {
		query := url.Values{"limit": {strconv.Itoa(MaxDiscovered)}}
		if cursor != "" {
			query.Set("after_id", cursor)
		}
		var page struct {
			Data    json.RawMessage `json:"data"`
			HasMore bool            `json:"has_more"`
			LastID  string          `json:"last_id"`
		}
		if err := a.list(ctx, a.base+"/v1/models?"+query.Encode(), &page); err != nil {
			return nil, "", err
		}
		var models []listedModel
		if json.Unmarshal(page.Data, &models) != nil {
			return nil, "", errNoList
		}
		for _, m := range models {
			found = append(found, DiscoveredModel{ModelID: m.ID, DisplayName: m.DisplayName})
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
	name: "Anthropic",
	rules: []rule{
		{words: "only authorized for use with claude code", kind: Authentication, hint: "This is the token of a Claude subscription, not an API key: make a key in the Claude Console; it starts with `sk-ant-api`."},
		{words: "organization has been disabled|organization is disabled|not allowed for this organization|request not allowed", kind: Permission, whose: ofAccount, hint: "Anthropic has disabled this organization: its administrator finds the reason in the Claude Console."},
		{code: "authentication_error", kind: Authentication},
		{code: "permission_error|forbidden", kind: Permission},
		{code: "billing_error", kind: QuotaExceeded},
		{words: "credit balance|usage limits|spend limit", kind: QuotaExceeded},
		{code: "rate_limit_error", kind: RateLimited},
		{code: "request_too_large", kind: InvalidRequest, hint: "Shorten the prompt."},
		{code: "timeout_error", kind: Timeout, hint: "The request took Anthropic too long: lower max_output_tokens, or stream the answer."},
		{code: "overloaded_error", kind: UpstreamError, hint: "Anthropic is overloaded. Nothing is wrong with this provider: try again in a few minutes."},
		{code: "api_error", kind: UpstreamError, hint: "Anthropic had an internal error. Nothing is wrong with this provider: try again."},
		{words: "content filtering policy", kind: ContentFiltered, hint: "Anthropic's content filter stopped the answer: try another prompt."},
		{code: "invalid_request_error", words: "prompt is too long", kind: InvalidRequest, hint: "Shorten the prompt: it does not fit the model's context."},
		{code: "invalid_request_error", words: "max_tokens", kind: InvalidRequest, hint: "Lower max_output_tokens to what the model allows."},
		{code: "invalid_request_error", words: "temperature", kind: InvalidRequest, hint: "Leave temperature out, or choose one from 0 to 1; some models accept none."},
	},
	hints: map[FailureKind]string{
		Authentication: "Replace the API key of this provider; a key of the Claude Console starts with `sk-ant-`.",
		Permission:     "Check in the Claude Console that this key's workspace may use the model, and that no IP allowlist excludes this server.",
		ModelNotFound:  "Check the model id for a typo, and that it is not retired: the list of available models shows what this key can use.",
		QuotaExceeded:  "Add credit or raise the spend limit of the account in the Claude Console, under Billing.",
		RateLimited:    "The account's rate limit for this model is reached: try again in a minute, or raise the limit in the Claude Console.",
	},
}
