package provider

import (
	"cmp"
	"net/url"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// azureCloudOf returns the URL of Microsoft Entra ID in the cloud of a resource, and the
// scope of its access tokens. Sources: Microsoft Entra, "National clouds"; Azure SDK, the
// audiences of Cognitive Services.
func azureCloudOf(baseURL string) (login, scope string) {
	host := ""
	if u, err := url.Parse(baseURL); err == nil {
		host = strings.TrimSuffix(u.Hostname(), ".")
	}
	switch {
	case strings.HasSuffix(host, ".azure.us"):
		return "https://login.microsoftonline.us", "https://cognitiveservices.azure.us/.default"
	case strings.HasSuffix(host, ".azure.cn"):
		return "https://login.partner.microsoftonline.cn", "https://cognitiveservices.azure.cn/.default"
	}
	return "https://login.microsoftonline.com", "https://cognitiveservices.azure.com/.default"
}

// entraTokenConfig exchanges the secret of an application for access tokens (RFC 6749,
// section 4.4), at Microsoft Entra ID or at the operator's endpoint.
func entraTokenConfig(creds azureCredentials, config azureConfig, endpoint string) *clientcredentials.Config {
	login, scope := azureCloudOf(config.BaseURL)
	return &clientcredentials.Config{
		ClientID:     config.ClientID,
		ClientSecret: creds.ClientSecret.Reveal(),
		TokenURL:     cmp.Or(endpoint, login) + "/" + url.PathEscape(config.TenantID) + "/oauth2/v2.0/token",
		Scopes:       []string{scope},
		AuthStyle:    oauth2.AuthStyleInParams,
	}
}

// entraTokenTables are what the token endpoint of Microsoft Entra ID says. [problemOf]
// reads the code out of the message. Source: Microsoft Entra authentication and
// authorization error codes.
var entraTokenTables = tables{
	rules: []rule{
		{status: "429", kind: RateLimited, hint: "Microsoft Entra ID limits how often access tokens are fetched. Try again in a minute."},
		{status: "5xx", kind: UpstreamError, hint: hintEntraToken},
		{code: "temporarily_unavailable|server_error", kind: UpstreamError, hint: hintEntraToken},
		{code: "aadsts7000215", kind: Authentication, hint: "The client secret is wrong. Enter the value of a client secret of this application, not its secret ID. Azure shows the value only when the secret is created."},
		{code: "aadsts7000222", kind: Authentication, hint: "The client secret has expired. Create a new one under Certificates & secrets of the app registration, and enter its value."},
		{code: "aadsts700016|aadsts7000229", kind: Authentication, hint: "The tenant has no application with this client_id. Check client_id and tenant_id. An application that is registered in another tenant must first be added to this one by an administrator."},
		{code: "aadsts90002|aadsts900023|aadsts900382", kind: Authentication, hint: "There is no tenant with this tenant_id in the cloud of base_url. Enter the Directory (tenant) ID, or a domain of the tenant."},
		{code: "aadsts7000112", kind: Authentication, hint: "The application is disabled. Enable it under Enterprise applications in the Azure portal, or use another one."},
		{code: "aadsts500011", kind: Authentication, hint: "The tenant does not use Azure OpenAI. Check that tenant_id is the tenant of the resource in base_url."},
		{code: "aadsts53003", kind: Permission, scope: ofAccount, hint: "A Conditional Access policy of the tenant refuses this server. Ask an administrator of the tenant to allow its address for this application."},
		{status: "400 401 403", code: "*", kind: Authentication, hint: "Microsoft Entra ID refused the application. Check tenant_id, client_id and the client secret."},
		{status: "404 405", kind: Misconfigured, hint: "The configured address is not the token endpoint of Microsoft Entra ID. Ask the operator of this service to correct it."},
	},
	hints: map[FailureKind]string{
		InvalidRequest: "Microsoft Entra ID refused the application before the model was called. Check tenant_id, client_id and the client secret.",
	},
}

const hintEntraToken = "Microsoft Entra ID failed. Nothing is wrong with this provider. Try again."

// azureEntraRules are what a resource says about the access token of an application.
// Source: answers of the service.
var azureEntraRules = []rule{
	{words: "lacks the required data action*/read", kind: Permission, hint: hintAzureRole}, // only of the list
	{words: "lacks the required data action|principal does not have access", kind: Permission, scope: ofAccount, hint: hintAzureRole},
	{words: "custom subdomain", kind: Misconfigured, hint: "Microsoft Entra ID needs the resource's own endpoint, such as https://my-resource.openai.azure.com. Enter it as base_url. If the resource has none, give it a custom subdomain, or use an API key."},
	{words: "token tenant*does not match|tenant provided in token does not match", kind: Authentication, hint: "The application signed in to another tenant than that of the resource. Enter the tenant_id of the resource's tenant."},
}

const (
	hintAzureRole  = "Give the application the role Cognitive Services OpenAI User on this resource, under Access control (IAM) in the Azure portal. It takes some minutes to take effect."
	hintAzureToken = "The resource did not accept the access token. Check that tenant_id is the tenant of the resource, and that base_url is its endpoint."
)
