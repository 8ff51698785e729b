package provider_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/egress"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// TestEntraCloud checks where a client gets its token, and for what, if no operator leads
// it elsewhere.
func TestEntraCloud(t *testing.T) {
	const public, government, china = "https://login.microsoftonline.com/", "https://login.microsoftonline.us/", "https://login.partner.microsoftonline.cn/"
	for base, want := range map[string][2]string{
		"https://r.openai.azure.com":             {public, "https://cognitiveservices.azure.com/.default"},
		"https://gateway.example.com/azure.us/x": {public, "https://cognitiveservices.azure.com/.default"},
		"https://r.openai.azure.us.example.com":  {public, "https://cognitiveservices.azure.com/.default"},
		"https://notazure.us":                    {public, "https://cognitiveservices.azure.com/.default"},
		"https://r.openai.azure.us":              {government, "https://cognitiveservices.azure.us/.default"},
		"https://R.Openai.Azure.US.:443/openai":  {government, "https://cognitiveservices.azure.us/.default"},
		"https://r.openai.azure.cn":              {china, "https://cognitiveservices.azure.cn/.default"},
	} {
		server := providertest.Start(t, providertest.AzureOpenAIEntra())
		asked := &tokenRequests{}
		client := openWith(t, server, func(o *provider.OpenOptions) {
			o.Endpoints, o.Transport = provider.Endpoints{}, asked
		}, map[string]any{"base_url": base, "tenant_id": "contoso.onmicrosoft.com"})
		result, _ := client.generate(t, false)
		if result.Failure == nil || len(asked.urls) != 1 || asked.urls[0] != want[0]+"contoso.onmicrosoft.com/oauth2/v2.0/token" || asked.form.Get("scope") != want[1] {
			t.Errorf("%s: asked %q for %q, want %q", base, asked.urls, asked.form, want)
		}
	}
}

// tokenRequests takes note of requests, and answers none.
type tokenRequests struct {
	urls []string
	form url.Values
}

func (a *tokenRequests) RoundTrip(req *http.Request) (*http.Response, error) {
	a.urls = append(a.urls, req.URL.String())
	body, _ := io.ReadAll(req.Body)
	a.form, _ = url.ParseQuery(string(body))
	return nil, errors.New("there is no network")
}

// TestEntraRefusals: the token endpoint's words are shown without what only Microsoft's
// support needs.
func TestEntraRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		credentials, config map[string]any
		code, message       string
		status              int
	}{
		"a wrong secret": {credentials: map[string]any{"client_secret": "abc8Q~another-secret"}, status: 401, code: "AADSTS7000215",
			message: "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app 'c2b4e6f8-1111-4111-8111-0123456789ab'."},
		"another tenant": {config: map[string]any{"tenant_id": "contoso.onmicrosoft.com"}, status: 400, code: "AADSTS90002",
			message: "Tenant 'contoso.onmicrosoft.com' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."},
	} {
		server := providertest.Start(t, providertest.AzureOpenAIEntra())
		if test.credentials != nil {
			server.Credentials = test.credentials
		}
		client := open(t, server, test.config)
		result, _ := client.generate(t, true)
		f := failure(t, result, provider.Authentication)
		if f.Code != test.code || f.Message != test.message || f.HTTPStatus != test.status || f.Hint == "" || !f.OfProvider() {
			t.Errorf("%s: %+v", name, f)
		}
		if result.RequestID != "6f6c4645-0202-4486-b625-fa957dfc4700" || !strings.HasPrefix(result.Endpoint, server.URL) || !strings.HasSuffix(result.Endpoint, "/oauth2/v2.0/token") {
			t.Errorf("%s: request id %q, endpoint %q", name, result.RequestID, result.Endpoint)
		}
		check := client.Check(t.Context())
		if check.Failure == nil || check.Failure.Code != test.code || len(server.Requests()) > 0 {
			t.Errorf("%s: check %+v after %d requests to the resource", name, check, len(server.Requests()))
		}
	}
}

// TestEntraRoleIsMissing: without a role the check fails, unless only the list of models
// is refused.
func TestEntraRoleIsMissing(t *testing.T) {
	server := providertest.Start(t, providertest.AzureOpenAIEntra())
	client := open(t, server)
	server.Use(providertest.AccountPermission)
	check := client.Check(t.Context())
	if f := check.Failure; f == nil || f.Kind != provider.Permission || !strings.Contains(f.Hint, "Cognitive Services OpenAI User") {
		t.Errorf("check %+v", check)
	}
	server.Use(providertest.Permission)
	if check := client.Check(t.Context()); check.Failure != nil || check.Proven {
		t.Errorf("check of the list %+v", check)
	}
}

// TestUsersCannotUseTheTrustOfTokenCalls: the operator's token endpoint is trusted with
// requests for tokens, not with a base URL that a user enters.
func TestUsersCannotUseTheTrustOfTokenCalls(t *testing.T) {
	server := providertest.Start(t, providertest.AzureOpenAIEntra())
	endpoints := parseEndpoints(t, server.ProviderEndpoints())
	guard, err := egress.New(egress.Config{RootCAs: server.RootCAs})
	if err != nil {
		t.Fatal(err)
	}
	client := openWith(t, server, func(o *provider.OpenOptions) { o.Transport = guard.Transport(endpoints.Origins(server.Type)...) })
	result, _ := client.generate(t, false)
	failed(t, result, provider.Blocked)
	if !strings.Contains(result.Endpoint, "/openai/deployments/") || len(server.Requests()) > 0 {
		t.Errorf("the token was not fetched, or the model was called: endpoint %s, %d requests", result.Endpoint, len(server.Requests()))
	}
}

func TestEntraSettings(t *testing.T) {
	const guid = "8f1d3a52-0000-4000-8000-0123456789AB"
	typ := lookup(t, "azure_openai")
	for _, c := range []struct {
		tenant, client string
		want           map[string]fault.Code
	}{
		{guid, guid, nil},
		{"contoso.onmicrosoft.com", guid, nil},
		{"xn--mller-kva.example", strings.ToLower(guid), nil},
		{"", "", map[string]fault.Code{"config.tenant_id": fault.Required, "config.client_id": fault.Required}},
		{"common", guid, map[string]fault.Code{"config.tenant_id": fault.Invalid}},
		{guid + "/x", guid, map[string]fault.Code{"config.tenant_id": fault.Invalid}},
		{"..", guid, map[string]fault.Code{"config.tenant_id": fault.Invalid}},
		{"a..b", guid, map[string]fault.Code{"config.tenant_id": fault.Invalid}},
		{"contoso.com?x=1", guid, map[string]fault.Code{"config.tenant_id": fault.Invalid}},
		{guid, "my-app", map[string]fault.Code{"config.client_id": fault.Invalid}},
		{guid, guid[1:], map[string]fault.Code{"config.client_id": fault.Invalid}},
	} {
		config := map[string]string{"base_url": "https://r.openai.azure.com", "api_version": "v1", "tenant_id": c.tenant, "client_id": c.client}
		_, faults := read(t, typ, encode(t, map[string]string{"client_secret": "abc8Q~secret"}), encode(t, config), provider.Stored{})
		if c.want == nil {
			c.want = map[string]fault.Code{}
		}
		if diff := cmp.Diff(c.want, codes(faults)); diff != "" {
			t.Errorf("tenant %q, client %q: %s", c.tenant, c.client, diff)
		}
	}
}
