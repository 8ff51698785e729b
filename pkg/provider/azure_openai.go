package provider

import (
	"errors"
	"maps"
	"net/url"
	"regexp"
	"strings"

	"modelproviders/pkg/secret"
)

var azureOpenAI = register(Type{
	form: Form{
		Type:               "azure_openai",
		Label:              "Azure OpenAI",
		Description:        "OpenAI models, deployed in your own Azure resource.",
		DocsURL:            "https://portal.azure.com/#view/Microsoft_Azure_ProjectOxford/CognitiveServicesHub/~/OpenAI",
		ModelIDLabel:       "Deployment name",
		ModelIDPlaceholder: "gpt-4o-prod",
		AuthMethods:        []AuthMethod{{"api_key", "API key"}, {"entra_id", "Microsoft Entra ID"}},
	},

	endpointNames:    []string{"entra"},
	requestIDHeaders: []string{"Apim-Request-Id", "X-Ms-Request-Id", "X-Request-Id"},
	parse:            map[string]func(string) (string, error){"base_url": cleanAzureURL},
	origin:           originOf,
	unproven:         "Azure does not list deployments. Test a model to check its deployment name.",
}, openAzure)

type azureCredentials struct {
	APIKey       secret.Text `json:"api_key" label:"API Key" kind:"secret" auth_method:"api_key" validate:"required,max=4096,printascii" placeholder:"0123456789abcdef…" help:"One of the two keys of the resource, under Keys and Endpoint in the Azure portal."`
	ClientSecret secret.Text `json:"client_secret" label:"Client secret" kind:"secret" auth_method:"entra_id" validate:"required,max=4096,printascii" placeholder:"abc8Q~…" help:"The value of a client secret of the app registration, not its secret ID."`
}

// The pattern keeps tenant_id one segment of a path.
type azureConfig struct {
	BaseURL    string `json:"base_url" label:"Base URL" kind:"url" group:"endpoint,Endpoint" validate:"required,max=2048" placeholder:"https://my-resource.openai.azure.com" help:"The endpoint of the resource, or of a gateway in front of it."`
	APIVersion string `json:"api_version" label:"API Version" kind:"text" group:"endpoint,Endpoint" validate:"required,max=64" pattern:"^(v1|preview|latest|[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?)$" message:"must be v1, preview, latest or YYYY-MM-DD, optionally with -preview" placeholder:"2024-10-21" suggestions:"2024-10-21 v1 2025-04-01-preview" help:"A dated version such as 2024-10-21, or v1 for the v1 API."`
	TenantID   string `json:"tenant_id" label:"Tenant ID" kind:"text" group:"entra,Microsoft Entra ID" auth_method:"entra_id" validate:"required,max=253" pattern:"^([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|([0-9A-Za-z-]{1,63}\\.)+[0-9A-Za-z-]{2,63})$" message:"must be a GUID, or a domain of the tenant such as contoso.onmicrosoft.com" placeholder:"11111111-2222-3333-4444-555555555555" help:"The Directory (tenant) ID of the app registration, or a domain of the tenant."`
	ClientID   string `json:"client_id" label:"Client ID" kind:"text" group:"entra,Microsoft Entra ID" auth_method:"entra_id" validate:"required,max=36" pattern:"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$" message:"must be a GUID" placeholder:"66666666-7777-8888-9999-000000000000" help:"The Application (client) ID of the app registration. It needs the role Cognitive Services OpenAI User on the resource."`
}

// azurePasted is the path of an example call that people paste with the endpoint.
var azurePasted = regexp.MustCompile(`(?i)/openai(/(v1|deployments|responses|models|chat)(/.*)?)?$`)

// cleanAzureURL takes the endpoint out of what was pasted. The rest of the path
// stays, as it may belong to a gateway.
func cleanAzureURL(address string) (string, error) {
	u, err := parseBaseURL(address)
	if err != nil {
		return "", err
	}
	if u.Scheme != "https" {
		return "", errors.New("must begin with https://")
	}
	query, err := url.ParseQuery(u.RawQuery)
	query.Del("api-version")
	if err != nil || len(query) > 0 {
		return "", errors.New("must not have a query")
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	for azurePasted.MatchString(path) {
		path = strings.TrimRight(azurePasted.ReplaceAllString(path, ""), "/")
	}
	return u.Scheme + "://" + u.Host + path, nil
}

// openAzure opens a client of an Azure resource. Its API has no list of
// deployments: models are those that the resource can deploy.
func openAzure(creds azureCredentials, config azureConfig, env environment) (upstream, error) {
	tables := azureTables
	client := withHeader(env.http, "Api-Key", creds.APIKey.Reveal())
	if creds.APIKey.Empty() {
		client = withToken(env, entraTokenConfig(creds, config, env.endpoints["entra"]), entraTokenTables)
		tables.rules, tables.also = azureEntraRules, azureTables.rules
		tables.hints = maps.Clone(azureTables.hints)
		tables.hints[Authentication] = hintAzureToken
	}
	tables.values = func(string, problem) []string { return []string{"{api_version}", "`" + config.APIVersion + "`"} }
	chat := newOpenAIChat(client, config.BaseURL+"/openai", tables)
	chat.usable = listedModel.answersChat
	switch config.APIVersion {
	case "v1", "preview", "latest":
		chat.base += "/v1"
	default:
		chat.version = config.APIVersion
	}
	return chat, nil
}

// azureTables are what Azure OpenAI says, and the API Management before it.
// Source: Azure OpenAI REST API reference; Azure API Management, "Error handling".
var azureTables = tables{
	rules: []rule{
		{words: "missing subscription key", kind: Authentication, hint: "API Management, the gateway in front of the resource, refused the key. Enter its subscription key. Check that the gateway accepts it in the header api-key, and that base_url is the gateway's address."},
		{code: "authenticationtypedisabled", kind: Permission, scope: ofAccount, hint: hintKeysOff},
		{words: "key based authentication is disabled|local authentication is disabled|disablelocalauth", kind: Permission, scope: ofAccount, hint: hintKeysOff},
		{status: "401 403", words: "firewall|virtual network|public access|private endpoint", kind: Permission, scope: ofAccount, hint: "The network rules of this resource refuse this server. Allow its address under Networking in the Azure portal."},
		{words: "lacks the required data action", kind: Permission, hint: "Give the caller the role Cognitive Services OpenAI User on this resource, in the Azure portal."},
		{words: "only for api version*and later|enabled only for api versions", kind: Misconfigured, scope: ofModel, hint: "Model {model} needs a newer api_version than {api_version}. Choose the version that the message names, or v1."},
		{words: "api version not supported|unsupported api version|api-version", kind: Misconfigured, hint: "Azure does not accept api_version {api_version} here. Choose a newer version, or v1."},
	},
	hints: map[FailureKind]string{
		Authentication: "Replace the API key, and check that it belongs to the resource in base_url.",
		Misconfigured:  "There is no API at {endpoint}. Check base_url, and check that api_version {api_version} exists. A resource of Microsoft Foundry needs api_version `v1`.",
		ModelNotFound:  "Deployment {model} does not exist on this resource. Azure needs the name of the deployment, not of the model. A new deployment takes a few minutes to appear.",
		QuotaExceeded:  "Raise the quota or the spending limit of this resource in the Azure portal.",
		RateLimited:    "The deployment has used up its tokens or requests per minute. Wait, or raise its quota in the Azure portal.",
	},
}

const hintKeysOff = "API keys are switched off on this resource. Use Microsoft Entra ID instead: enter tenant_id, client_id and client_secret in the place of the key. Or allow key-based (local) authentication in the Azure portal."
