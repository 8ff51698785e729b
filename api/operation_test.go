package api_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"modelproviders/api"
	"modelproviders/api/apitest"
	"modelproviders/pkg/auth"
)

// Abbreviations for what the scenarios write most.
type (
	object = apitest.Object
	list   = apitest.List
)

// unknownID is a UUIDv7 of nothing.
const unknownID = "0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10"

// blockedURL is an address that the egress policy refuses: a call to it fails
// at once, without a network.
const blockedURL = "http://127.0.0.1:9"

// operation is one operation of the API with a request that it accepts.
type operation struct {
	method string
	path   string
	body   any        // nil: it takes none
	scope  auth.Scope // empty: every principal may
}

// allows reports whether these scopes are enough.
func (o operation) allows(scopes []auth.Scope) bool {
	return o.scope == "" || slices.Contains(scopes, o.scope)
}

func (o operation) String() string { return o.method + " " + o.path }

// bodyIsOptional reports whether the operation does without its body.
func (o operation) bodyIsOptional() bool {
	return strings.HasSuffix(o.path, "/reveal") || strings.HasSuffix(o.path, "/verify") || strings.HasPrefix(o.path, "/providers/") &&
		(strings.HasSuffix(o.path, "/check") || strings.HasSuffix(o.path, "/available-models"))
}

// do calls the operation.
func (o operation) do(c *apitest.Client, edits ...apitest.Edit) *apitest.Answer {
	return c.Do(o.method, o.path, o.body, edits...)
}

// operations are all operations that a token of any workspace may use, on a provider
// and one of its models. Those that take things away come last.
func operations(p apitest.Provider) []operation {
	const (
		read   = auth.ProvidersRead
		write  = auth.ProvidersWrite
		test   = auth.ModelsTest
		refer  = auth.ReferencesWrite
		reveal = auth.CredentialsReveal
		tokens = auth.TokensWrite
		events = auth.AuditRead
	)
	settings := object{"credentials": object{"api_key": "sk-" + apitest.Secret}, "config": object{"base_url": blockedURL}}
	draft := object{"credentials": settings["credentials"], "config": settings["config"], "model_id": "m", "prompt": "Hi"}
	m := p.Models[0]
	return []operation{
		{http.MethodGet, "/provider-types", nil, read},
		{http.MethodGet, "/provider-types/openai", nil, read},
		{http.MethodPost, "/provider-types/custom/test", draft, test},
		{http.MethodPost, "/provider-types/custom/check", settings, test},
		{http.MethodPost, "/provider-types/custom/available-models", settings, test},
		{http.MethodGet, "/stages", nil, read},
		{http.MethodGet, "/changes", nil, read},
		{http.MethodGet, "/providers", nil, read},
		{http.MethodPost, "/providers", apitest.OpenAI(nil), write},
		{http.MethodPost, p.Path() + "/clone", object{"name": apitest.UniqueName("Clone")}, write},
		{http.MethodGet, p.Path(), nil, read},
		{http.MethodPatch, p.Path(), object{"status": "inactive"}, write},
		{http.MethodPost, p.Path() + "/test", object{"model_id": "m", "prompt": "Hi"}, test},
		{http.MethodPost, p.Path() + "/test-models", object{"prompt": "Hi"}, test},
		{http.MethodPost, p.Path() + "/check", object{"credentials": settings["credentials"]}, test},
		{http.MethodGet, p.Path() + "/available-models", nil, test},
		{http.MethodPost, p.Path() + "/available-models", object{"credentials": settings["credentials"]}, test},
		{http.MethodPost, p.Path() + "/credentials/api_key/reveal", object{"reason": "a look"}, reveal},
		{http.MethodPost, "/credentials/lookup", object{"value": "sk-" + apitest.Secret}, reveal},
		{http.MethodGet, p.Path() + "/models", nil, read},
		{http.MethodPost, p.Path() + "/models", apitest.GPT("added", nil), write},
		{http.MethodPost, p.Path() + "/models/bulk", object{"models": list{apitest.GPT("added together", nil)}}, write},
		{http.MethodGet, m.Path(), nil, read},
		{http.MethodPatch, m.Path(), object{"enabled": false}, write},
		{http.MethodGet, "/models", nil, read},
		{http.MethodGet, "/models/" + m.ID, nil, read},
		{http.MethodPost, "/models/" + m.ID + "/test", object{"prompt": "Hi"}, test},
		{http.MethodPost, "/models/" + m.ID + "/verify", object{"stages": list{"planning"}}, test},
		{http.MethodPut, "/models/" + m.ID + "/references/rule", object{"label": "Rule"}, refer},
		{http.MethodGet, "/models/" + m.ID + "/references", nil, read},
		{http.MethodGet, "/models/" + m.ID + "/references/rule", nil, read},
		{http.MethodDelete, "/models/" + m.ID + "/references/rule", nil, refer},
		{http.MethodGet, "/me", nil, ""},
		{http.MethodGet, "/tokens", nil, tokens},
		{http.MethodPost, "/tokens", object{"name": "another", "scopes": list{string(tokens)}}, tokens},
		{http.MethodDelete, "/tokens/" + unknownID, nil, tokens},
		{http.MethodGet, "/audit-events", nil, events},
		{http.MethodDelete, m.Path(), nil, write},
		{http.MethodDelete, p.Path(), nil, write},
	}
}

// TestOperationsAreAllRoutes fails by name for a route that the tests of access,
// bodies and errors leave out.
func TestOperationsAreAllRoutes(t *testing.T) {
	p := apitest.Provider{ID: unknownID, Models: []apitest.Model{{ID: unknownID, ProviderID: unknownID}}}
	var patterns []string
	for _, o := range operations(p) {
		patterns = append(patterns, o.String())
	}
	for _, group := range api.Routes() {
		for _, route := range group.Routes {
			if route.Path == "/metrics" { // of the default workspace only; see metrics_test.go
				continue
			}
			pattern := regexp.MustCompile("^" + regexp.MustCompile(`:\w+`).ReplaceAllString(route.Method+" "+route.Path, "[^/]+") + "$")
			if !slices.ContainsFunc(patterns, pattern.MatchString) {
				t.Errorf("operations in operation_test.go lacks %s %s", route.Method, route.Path)
			}
		}
	}
}

// withBody are the operations that take a body.
func withBody(p apitest.Provider) []operation {
	var out []operation
	for _, o := range operations(p) {
		if o.body != nil {
			out = append(out, o)
		}
	}
	return out
}

// blockedProvider creates a provider with a model, whose upstream can't be
// called.
func blockedProvider(c *apitest.Client) apitest.Provider {
	return c.CreateProvider(apitest.Custom(blockedURL, object{"models": list{apitest.GPT("gpt-4", nil)}}))
}

// unchanged demands that a provider is as it was.
func unchanged(t *testing.T, c *apitest.Client, before apitest.Provider) {
	t.Helper()
	if after := c.Provider(before.ID); after.Version != before.Version || after.UpdatedAt != before.UpdatedAt {
		t.Errorf("the provider changed from version %d to %d", before.Version, after.Version)
	}
}
