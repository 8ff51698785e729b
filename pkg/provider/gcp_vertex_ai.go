package provider

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"strings"

	"modelproviders/pkg/secret"
)

var gcpVertexAI = register(Type{
	form: Form{
		Type:               "gcp_vertex_ai",
		Label:              "GCP Vertex AI",
		Description:        "Gemini, Claude and open models on Vertex AI, in your own Google Cloud project.",
		DocsURL:            "https://console.cloud.google.com/iam-admin/serviceaccounts",
		ModelIDLabel:       "Model ID",
		ModelIDPlaceholder: "gemini-2.5-flash",
	},

	endpointNames: []string{"gcp_vertex_ai", "google_token"},
	// Claude has the id in a header, Gemini in the body.
	requestIDHeaders: []string{"Request-Id", "X-Goog-Request-Id", "X-Request-Id"},
	parse:            map[string]func(string) (string, error){"service_account_json": checkServiceAccount},
	unproven:         "The list of models is the same for all projects and regions. Test a model to check the project and the region.",
}, openVertex)

type vertexCredentials struct {
	ServiceAccount secret.Text `json:"service_account_json" label:"Service Account JSON" kind:"secret_json" validate:"required,max_bytes=16384" placeholder:"{\"type\": \"service_account\", \"project_id\": \"my-project\", …}" help:"The whole key file of a service account with the role Vertex AI User."`
}

// The patterns keep region and project a part of a host name and of a path:
// anything else could make the request go to another host or resource.
type vertexConfig struct {
	Project string `json:"project" label:"Project" kind:"text" group:"project,Project and region" validate:"required,max=100" pattern:"^(([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]|[0-9]{6,20})$" message:"must be the ID or the number of a Google Cloud project, such as my-project" placeholder:"my-project" help:"The ID or number of the Google Cloud project that is called and billed."`
	Region  string `json:"region" label:"Region" kind:"text" group:"project,Project and region" validate:"required,max=64" pattern:"^(global|us|eu|[a-z]+-[a-z]+[0-9]{1,2})$" message:"must be global, us, eu or a region such as us-central1" placeholder:"us-central1" suggestions:"global us eu us-central1 us-east1 us-east4 us-east5 us-south1 us-west1 us-west4 northamerica-northeast1 southamerica-east1 europe-central2 europe-north1 europe-southwest1 europe-west1 europe-west2 europe-west3 europe-west4 europe-west6 europe-west8 europe-west9 asia-east1 asia-northeast1 asia-northeast3 asia-south1 asia-southeast1 australia-southeast1 me-central1 me-west1" help:"A region such as us-central1, or global, us or eu. Regions offer different models."`
}

// checkServiceAccount keeps the text as it is, so that what is revealed is what
// was entered.
func checkServiceAccount(text string) (string, error) {
	_, err := parseServiceAccount(text)
	return text, err
}

// vertexUpstream talks to Vertex AI, which has a different API for each family of
// models.
type vertexUpstream struct {
	service
	base    string // scheme://host of the API
	public  bool   // it is Google's own
	project string
	region  string
	account serviceAccount
}

func openVertex(creds vertexCredentials, config vertexConfig, env environment) (upstream, error) {
	account, err := parseServiceAccount(creds.ServiceAccount.Reveal())
	if err != nil {
		return nil, errors.New("the service account " + err.Error())
	}
	env.hide(account.PrivateKey)
	env.hide(account.PrivateKeyID)
	endpoint := env.endpoints["gcp_vertex_ai"]
	return &vertexUpstream{
		service: service{withToken(env, googleTokenConfig(account, env.endpoints["google_token"]), googleTokenTables)},
		base:    cmp.Or(endpoint, "https://"+vertexHost(config.Region)), public: endpoint == "",
		project: config.Project, region: config.Region, account: account,
	}, nil
}

// vertexHost is the host that serves a region. Source: Vertex AI locations.
func vertexHost(region string) string {
	switch region {
	case "global":
		return "aiplatform.googleapis.com"
	case "us", "eu":
		return "aiplatform." + region + ".rep.googleapis.com"
	}
	return region + "-aiplatform.googleapis.com"
}

// location returns the URL under which the models are.
func (v *vertexUpstream) location(version string) string {
	return v.base + "/" + version + "/projects/" + url.PathEscape(v.project) + "/locations/" + url.PathEscape(v.region)
}

// vertexModel contains the parts of a model id.
type vertexModel struct {
	publisher string
	name      string // without the publisher
}

// parseVertexModel takes the spellings of Google's pages and of other systems:
// gemini-…, claude-…@date, publisher/model, publishers/google/models/gemini-…, and
// the latter after projects/….
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

// path returns the path of a method of the model, relative to a location.
func (m vertexModel) path(method string) string {
	return "/publishers/" + pathSegment(m.publisher) + "/models/" + pathSegment(m.name) + ":" + method
}

func (v *vertexUpstream) generate(ctx context.Context, p prompt) (a answer, err error) {
	switch model := parseVertexModel(p.ModelID); model.publisher {
	case "google":
		a, err = v.generateGemini(ctx, model, p)
	case "anthropic":
		a, err = v.generateClaude(ctx, model, p)
	default:
		a, err = v.generateOpen(ctx, model, p)
	}
	if c := lastCall(ctx); err != nil && c != nil && a.requestID == "" {
		a.requestID = c.problem().requestID
	}
	return a, err
}

// generateClaude calls a model of Anthropic's: body and stream are those of the
// Messages API, but the path has the model and says whether to stream, and the
// body has the version of the API. Source: Anthropic, "Claude on Vertex AI".
func (v *vertexUpstream) generateClaude(ctx context.Context, model vertexModel, p prompt) (answer, error) {
	method := "rawPredict"
	if p.stream {
		method = "streamRawPredict"
	}
	return p.send(ctx, optionalOf(p), func(optional optionalParams) (answer, error) {
		sent, body := claudeRequest(p, optional)
		delete(body, "model")
		body["anthropic_version"] = "vertex-2023-10-16"
		return v.prompt(ctx, p, v.location("v1")+model.path(method), sent, body, readClaude)
	})
}

// generateOpen calls an open model, which Vertex AI serves in OpenAI's form.
// Source: Vertex AI, "Call MaaS APIs for open models".
func (v *vertexUpstream) generateOpen(ctx context.Context, model vertexModel, p prompt) (answer, error) {
	p.ModelID = model.publisher + "/" + model.name
	return newOpenAIChat(v.http, v.location("v1")+"/endpoints/openapi", v).generate(ctx, p)
}
