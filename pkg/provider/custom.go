package provider

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"

	"modelproviders/pkg/secret"
)

var custom = register(Type{
	form: Form{
		Type:               "custom",
		Label:              "Custom (LiteLLM)",
		Description:        "Any server that speaks OpenAI's API: LiteLLM, vLLM, Ollama, llama.cpp, OpenRouter and others.",
		DocsURL:            "https://docs.litellm.ai/docs/proxy/virtual_keys",
		ModelIDLabel:       "Model name",
		ModelIDPlaceholder: "my-model",
	},

	requestIDHeaders: []string{"X-Request-Id", "X-Litellm-Call-Id", "Request-Id", "Apim-Request-Id", "Cf-Ray"},
	parse:            map[string]func(string) (string, error){"base_url": checkCustomURL, "headers": headerName},
	origin: func(baseURL string) string {
		origin, _, _ := customBase(baseURL)
		return origin
	},
}, openCustom)

type customCredentials struct {
	APIKey  secret.Text `json:"api_key" label:"API Key" kind:"secret" excludes:"headers.authorization" validate:"max=4096,printascii" placeholder:"sk-…" help:"The API key of the server. Leave it empty if the server needs none."`
	Headers secretMap   `json:"headers" label:"Headers" kind:"secret_map" max_entries:"10" validate:"max=4096,printascii" placeholder:"X-Gateway-Key" help:"HTTP headers that are sent with every request, for a gateway that needs them. Their values are encrypted like the API key."`
}

type customConfig struct {
	BaseURL string `json:"base_url" label:"Base URL" kind:"url" validate:"required,max=2048" placeholder:"https://litellm.example.com" help:"The address of the server, with or without /v1."`
}

// OpenAICompatible returns the type and the settings of a provider whose server
// speaks OpenAI's API at baseURL.
func OpenAICompatible(baseURL, apiKey string) (typeName string, settings Request) {
	text := func(value string) json.RawMessage { return json.RawMessage(strconv.Quote(value)) }
	return custom.form.Type, Request{
		Credentials: map[string]json.RawMessage{"api_key": text(apiKey)},
		Config:      map[string]json.RawMessage{"base_url": text(baseURL)},
	}
}

// checkCustomURL keeps the address as it was typed.
func checkCustomURL(address string) (string, error) {
	u, err := parseBaseURL(address)
	if err != nil {
		return "", err
	}
	if u.RawQuery != "" || u.ForceQuery {
		return "", errors.New("must not have a query")
	}
	return address, nil
}

// customPasted is the path of a call that people paste with the address of a server.
// Most paths are recognised only after /v1, because elsewhere they may belong to the
// address.
var customPasted = regexp.MustCompile(`(?i)(?:/chat/+completions|(/v1)/+(?:chat|responses|models|completions))$`)

// customBase splits an accepted address. origin is without /v1 and what was pasted
// after it, first is where the API is tried first, and named says that the address has
// /v1. /V1 is a different path, and is kept in origin.
func customBase(address string) (origin, first string, named bool) {
	u, err := parseBaseURL(address)
	if err != nil {
		return "", "", false
	}
	path := customPasted.ReplaceAllString(strings.TrimRight(u.EscapedPath(), "/"), "$1")
	path = strings.TrimRight(path, "/")
	host := u.Scheme + "://" + u.Host
	origin, first = host+strings.TrimRight(strings.TrimSuffix(path, "/v1"), "/"), host+path
	if named = strings.HasSuffix(strings.ToLower(path), "/v1"); !named {
		first += "/v1"
	}
	return origin, first, named
}

// customUpstream talks to a user's own server. Its API is under /v1. If nothing is
// there, and the address does not contain /v1, the API may be at the address itself, as
// behind some gateways.
type customUpstream struct {
	tables
	v1, origin *openAIChat
	// without is a client that sends no key, or no headers if there is no key; nil if
	// there is neither. openly says that the list can be read with it.
	without *http.Client
	openly  string
	named   bool        // the address has /v1
	bare    atomic.Bool // the API was found at the address itself
}

func openCustom(creds customCredentials, config customConfig, env environment) (upstream, error) {
	origin, first, named := customBase(config.BaseURL)
	c := &customUpstream{tables: customTables, named: named, without: env.http}
	c.hints = maps.Clone(c.hints)
	c.openly = "The server lists its models to anyone, so the credentials were not checked. Test a model to check them."
	client := withHeaders(env.http, creds.Headers)
	switch hasKey, hasHeaders := !creds.APIKey.Empty(), len(creds.Headers) > 0; {
	case hasKey && hasHeaders:
		c.hints[Authentication] = "Replace the API key of this provider, or check its headers."
		c.openly = "The server lists its models without the API key, so the key was not checked. Test a model to check it."
		fallthrough
	case hasKey:
		c.without, client = client, withBearer(client, creds.APIKey)
	case hasHeaders:
		c.hints[Authentication] = "Check the headers of this provider, or enter an API key if the server needs one."
	default:
		c.hints[Authentication] = "The server needs credentials. Enter an API key, or a header with it."
		c.without, c.openly = nil, "The server answers without credentials."
	}
	c.v1, c.origin = newOpenAIChat(client, first, c.tables), newOpenAIChat(client, origin, c.tables)
	c.v1.limit, c.origin.limit = "max_tokens", "max_tokens"
	return c, nil
}

func (c *customUpstream) generate(ctx context.Context, p prompt) (answer, error) {
	var a answer
	begun, emit := false, p.emit
	p.emit = func(text string) {
		begun = begun || text != ""
		emit(text)
	}
	bare, err := c.find(ctx, func(api *openAIChat) (final bool, err error) {
		a, err = api.generate(ctx, p)
		return begun, err
	})
	if bare {
		a.warnings = append(a.warnings, Warning{BaseURLWithoutV1, "The API was found at the base URL itself, not under /v1."})
	}
	return a, err
}

func (c *customUpstream) models(ctx context.Context) (Discovery, error) {
	var d Discovery
	_, err := c.find(ctx, func(api *openAIChat) (final bool, err error) {
		d, err = api.models(ctx)
		return false, err
	})
	return d, err
}

// unchecked implements [openLister]. The result describes the call with the credentials.
func (c *customUpstream) unchecked(ctx context.Context) string {
	if c.without == nil {
		return c.openly
	}
	defer report(ctx, lastCall(ctx))
	api := *c.v1
	if c.bare.Load() {
		api = *c.origin
	}
	api.http = c.without
	_, err := api.models(ctx)
	if refusal := asFailure(err); refusal != nil && (refusal.Kind == Authentication || refusal.Kind == Permission) {
		return ""
	}
	return c.openly
}

// find calls the API where it is, and reports whether that is the address itself. It
// calls the second place only if the first is clearly not an API or, while the place is
// unknown, refuses the key. If neither is an API, the first answer is used. A call is
// final once a part of its answer was passed on.
func (c *customUpstream) find(ctx context.Context, call func(api *openAIChat) (final bool, err error)) (bare bool, err error) {
	apis := map[bool]*openAIChat{true: c.origin, false: c.v1}
	known := c.bare.Load()
	final, err := call(apis[known])
	first := lastCall(ctx)
	if err == nil || final || c.named || first == nil || first.status >= http.StatusTooManyRequests ||
		!isNoAPI(err) && (known || first.status != http.StatusUnauthorized && first.status != http.StatusForbidden) {
		return known, err
	}
	_, again := call(apis[!known])
	if again != nil && isNoAPI(again) {
		report(ctx, first)
		return known, err
	}
	if second := lastCall(ctx).status; !known && (again == nil || isNoAPI(err) && second >= http.StatusBadRequest && second < http.StatusInternalServerError) {
		c.bare.Store(true)
	}
	return !known, again
}

// isNoAPI reports whether there is no API at the address.
func isNoAPI(err error) bool {
	f := asFailure(err)
	return f != nil && f.scope == noAPI
}

var customTables = tables{
	rules: []rule{
		// Gateways that look for a key in a header of their own. Sources: Azure API
		// Management, "Error handling"; Kong, plugin Key Authentication; Portkey,
		// "Headers".
		{words: "missing subscription key", kind: Authentication, hint: "API Management, the gateway in front of the server, needs its subscription key. Add the header Ocp-Apim-Subscription-Key, or the one that the gateway is set up for."},
		{status: "401", words: "no api key found in request", kind: Authentication, hint: "The gateway in front of the server found no key. Add the header in which it looks for one, such as apikey."},
		{words: "x-portkey-config or x-portkey-provider header", kind: Misconfigured, scope: ofAccount, hint: "Portkey needs to know which provider to call. Add the header x-portkey-provider or x-portkey-config."},
		// new-api and one-api name the errors of their channels, and append an id to
		// the messages of other services that they pass on.
		{words: "用户已被封禁", kind: Permission, scope: ofAccount, hint: hintDisabled},
		{words: "不在令牌允许访问", kind: Permission, scope: ofAccount, hint: hintLocation},
		{code: "channel:*|bad_response*|upstream_error|get_channel_failed", scope: ofModel},
		{code: "new_api_error|one_api_error", words: "channel:", scope: ofModel},
		{code: "new_api_error|one_api_error", scope: ofGateway},
		{words: "(request id: 20", scope: ofModel},
	},
	hints: map[FailureKind]string{
		Authentication: "Replace the API key of this provider.",
		Misconfigured:  "There is no OpenAI-compatible API at {endpoint}. Check whether the path in base_url is incomplete or too long.",
		ModelNotFound:  "The server does not know model {model}. The list of available models shows the names that it accepts.",
	},
}
