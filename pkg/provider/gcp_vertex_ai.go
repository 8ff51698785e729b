package provider

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"modelproviders/pkg/secret"
)

var gcpVertexAI = register(spec[vertexCredentials, vertexConfig]{
	name:        "gcp_vertex_ai",
	label:       "GCP Vertex AI",
	description: "Gemini, Claude and open models on Vertex AI, in your own Google Cloud project.",
	docsURL:     "https://cloud.google.com/vertex-ai/generative-ai/docs/start/quickstarts/quickstart-multimodal",
	icon:        "gcp_vertex_ai",

	modelIDLabel:       "Model ID",
	modelIDPlaceholder: "gemini-2.5-flash",

	acceptsEndpoint: true,
	secondEndpoint:  "google_token",
	// Gemini says its id in the body, Claude in a header.
	requestIDHeaders: []string{"Request-Id", "X-Goog-Request-Id", "X-Request-Id"},
	parse:            map[string]func(string) (string, error){"service_account_json": checkServiceAccount},
	open:             openVertex,
})

type vertexCredentials struct {
	ServiceAccount secret.Text `json:"service_account_json" label:"Service account JSON" kind:"secret_json" validate:"required,max_bytes=16384" help:"The whole key file of a service account with the role Vertex AI User."`
}

// The patterns keep region and project a part of a host name and of a path:
// anything else could make the request go to another host or resource.
type vertexConfig struct {
	Project string `json:"project" label:"Project" kind:"text" validate:"required,max=100" pattern:"^(([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]|[0-9]{6,20})$" placeholder:"my-project" help:"The id or number of the project whose Vertex AI is called and billed."`
	Region  string `json:"region" label:"Region" kind:"text" validate:"required,max=64" pattern:"^(global|us|eu|[a-z]+-[a-z]+[0-9]{1,2})$" placeholder:"us-central1" help:"A region such as us-central1, or global, us or eu; models differ from region to region."`
}

// checkServiceAccount keeps the text as it is, so that what is revealed is what
// was entered.
func checkServiceAccount(text string) (string, error) {
	_, err := parseServiceAccount(text)
	return text, err
}

// vertexUpstream talks to Vertex AI, which serves each family of models in a
// form of its own.
type vertexUpstream struct {
	http    *http.Client
	base    string // scheme://host of the API
	public  bool   // it is Google's own
	project string
	region  string
	account serviceAccount
	tokens  *googleTokens
	open    *openAIChat
}

func openVertex(creds vertexCredentials, config vertexConfig, env environment) (upstream, error) {
	account, err := parseServiceAccount(creds.ServiceAccount.Reveal())
	if err != nil {
		return nil, errors.New("the service account " + err.Error())
	}
	env.hide(account.PrivateKey)
	env.hide(account.PrivateKeyID)
	tokens, err := newGoogleTokens(account, env)
	if err != nil {
		return nil, err
	}
	v := &vertexUpstream{
		http: env.http, base: env.endpoint, public: env.endpoint == "",
		project: config.Project, region: config.Region, account: account, tokens: tokens,
	}
	if v.base == "" {
		v.base = "https://" + vertexHost(config.Region)
	}
	v.open = v.openModels(env)
	return v, nil
}

// vertexHost is the host that serves a region. Source: Vertex AI locations;
// global and the multi-regions have names of their own.
func vertexHost(region string) string {
	switch region {
	case "global":
		return "aiplatform.googleapis.com"
	case "us", "eu":
		return "aiplatform." + region + ".rep.googleapis.com"
	}
	return region + "-aiplatform.googleapis.com"
}

// location is the URL of the project's location, under which everything that is
// called lies.
func (v *vertexUpstream) location(version string) string {
	return v.base + "/" + version + "/projects/" + url.PathEscape(v.project) + "/locations/" + url.PathEscape(v.region)
}

// vertexModel is a model id, taken apart.
type vertexModel struct {
	publisher string
	name      string // without the publisher
}

// parseVertexModel takes the spellings that Google's pages and other systems
// use: gemini-…, claude-…@date, publisher/model,
// publishers/google/models/gemini-…, and the latter within a project.
func parseVertexModel(id string) vertexModel {
	if i := strings.Index(id, "publishers/"); i == 0 || (i > 0 && strings.HasPrefix(id, "projects/")) {
		publisher, name, found := strings.Cut(id[i+len("publishers/"):], "/models/")
		if found {
			return vertexModel{publisher, name}
		}
	}
	id = strings.TrimPrefix(id, "models/")
	if publisher, name, found := strings.Cut(id, "/"); found {
		return vertexModel{publisher, name}
	}
	if strings.HasPrefix(id, "claude-") {
		return vertexModel{"anthropic", id}
	}
	return vertexModel{"google", id}
}

// path is the model's place under a location, for a method of its own. A colon
// in the name would begin another method.
func (m vertexModel) path(method string) string {
	name := strings.ReplaceAll(url.PathEscape(m.name), ":", "%3A")
	return "/publishers/" + url.PathEscape(m.publisher) + "/models/" + name + ":" + method
}

func (v *vertexUpstream) generate(ctx context.Context, p Prompt, emit func(string)) (answer, error) {
	token, err := v.tokens.get(ctx)
	if err != nil {
		return answer{}, err
	}
	var a answer
	switch model := parseVertexModel(p.ModelID); model.publisher {
	case "google":
		a, err = v.generateGemini(ctx, token, model, p, emit)
	case "anthropic":
		a, err = v.generateClaude(ctx, token, model, p, emit)
	default:
		a, err = v.generateOpen(ctx, token, model, p, emit)
	}
	if err == nil {
		return a, nil
	}
	if c := lastCall(ctx); c != nil && a.requestID == "" {
		a.requestID = c.problem().requestID
	}
	return a, v.failure(ctx, err, token, p.ModelID)
}
