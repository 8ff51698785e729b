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

const (
	anthropicBaseURL = "https://api.anthropic.com"
	anthropicVersion = "2023-06-01"
)

// anthropicUpstream talks to Anthropic's own API, without its SDK: what is used
// of it is two calls, and the SDK took a fifth of the time to build the program.
type anthropicUpstream struct {
	http      *http.Client
	base      string
	authorize func(http.Header) // by a key of which there is one copy for all calls
}

func openAnthropic(creds anthropicCredentials, _ anthropicConfig, env environment) (upstream, error) {
	key := creds.APIKey.Reveal()
	authorize := func(h http.Header) { h.Set("X-Api-Key", key) }
	return &anthropicUpstream{http: env.http, base: cmp.Or(env.endpoint, anthropicBaseURL), authorize: authorize}, nil
}

func (a *anthropicUpstream) call(ctx context.Context, method, path string, body any) (*http.Response, error) {
	req, err := newRequest(ctx, method, a.base+path, body)
	if err != nil {
		return nil, err
	}
	a.authorize(req.Header)
	req.Header.Set("Anthropic-Version", anthropicVersion)
	return send(a.http, req)
}

func (a *anthropicUpstream) generate(ctx context.Context, p Prompt, emit func(string)) (answer, error) {
	request, sent := newClaudeRequest(p, emit != nil)
	res, err := a.call(ctx, http.MethodPost, "/v1/messages", request)
	if err != nil {
		return answer{}, claudeTables.explain(ctx, p.ModelID, err)
	}
	defer res.Body.Close()
	said, err := readClaude(ctx, res, emit)
	if err != nil {
		return answer{}, claudeTables.explain(ctx, p.ModelID, err)
	}
	said.sent = sent
	return said, nil
}

// maxDiscoveryPages bounds how often a list of models is asked on, so that an
// upstream whose pages never end costs only so many calls.
const maxDiscoveryPages = 10

// models reads the list a page at a time; one page holds as many as are wanted.
func (a *anthropicUpstream) models(ctx context.Context) (Discovery, error) {
	var found []DiscoveredModel
	query := url.Values{"limit": {strconv.Itoa(MaxDiscovered)}}
	for range maxDiscoveryPages {
		page, err := a.modelPage(ctx, query)
		if err != nil {
			return Discovery{}, claudeTables.explain(ctx, "", err)
		}
		for _, m := range page.models {
			found = append(found, DiscoveredModel{ModelID: m.ID, DisplayName: m.DisplayName})
		}
		if !page.HasMore || page.LastID == "" {
			return Discovery{Supported: true, Models: found}, nil
		}
		if len(found) >= MaxDiscovered {
			break
		}
		query.Set("after_id", page.LastID)
	}
	return Discovery{Supported: true, Truncated: true, Models: found}, nil
}

// claudeModels is a page of the list of models.
// Source: Anthropic API reference, "List Models".
type claudeModels struct {
	Data    json.RawMessage `json:"data"`
	HasMore bool            `json:"has_more"`
	LastID  string          `json:"last_id"`

	models []struct {
		ID          string `json:"id"`
		DisplayName string `json:"display_name"`
	}
}

func (a *anthropicUpstream) modelPage(ctx context.Context, query url.Values) (page claudeModels, err error) {
	res, err := a.call(ctx, http.MethodGet, "/v1/models?"+query.Encode(), nil)
	if err != nil {
		return page, err
	}
	if err := readJSON(res, &page); err != nil {
		return page, err
	}
	if json.Unmarshal(page.Data, &page.models) != nil {
		return page, errNoList
	}
	return page, nil
}
