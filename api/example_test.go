package api_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/provider/providertest"
)

// The ids in the examples of openapi.yaml.
const (
	exampleProviderID = "0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10"
	exampleModelID    = "0199d1a4-7c1f-7b02-8e11-6d0f6c1b2a3d"
	exampleTokenID    = "0199d1a4-7c20-7c44-a1b5-93d1e5f0c8aa"
)

// TestExamples sends every operation as openapi.yaml shows it, to a workspace with
// the objects of the examples. The service must accept it, and a test must succeed.
func TestExamples(t *testing.T) {
	anyKey := func() providertest.Fake {
		fake := providertest.OpenAI()
		fake.Authentic = func(*providertest.Request) bool { return true }
		return fake
	}
	onEachWithFake(t, anyKey, func(t *testing.T, s *apitest.Server, _ *providertest.Server) {
		for _, op := range describedOperations(t) {
			for _, body := range op.examples(t) {
				t.Run(op.id, func(t *testing.T) {
					c := s.Workspace(t)
					if op.id == "getMetrics" { // of the default workspace only
						c = s.Admin(t)
					}
					ids := op.seed(t, c)
					path, edits := op.exampleParameters(t)
					answer := c.Do(op.method, ids.Replace(path), ids.Replace(body), edits...)
					if answer.Status >= http.StatusMultipleChoices {
						t.Fatalf("%s %s with the example %s is answered with %d: %s", op.method, path, body, answer.Status, answer.Body)
					}
					if (strings.HasSuffix(path, "/test") || strings.HasSuffix(path, "/check")) && answer.Object()["status"] != "success" {
						t.Errorf("the test with the example %s fails: %s", body, answer.Body)
					}
				})
			}
		}
	})
}

// seed creates the objects of the examples, and returns what replaces their ids, and the
// key file, which has no example because it contains a private key. If the request
// creates the model, another one is created.
func (op describedOperation) seed(t *testing.T, c *apitest.Client) *strings.Replacer {
	t.Helper()
	provider := apitest.OpenAI(object{"models": list{apitest.GPT("gpt-4-turbo", nil)}})
	if op.creates {
		provider["models"] = list{apitest.GPT("gpt-4", nil)}
	}
	p := c.CreateProvider(provider)
	if strings.Contains(op.path, "/references") { // with a reference, the model can't be deleted
		refer(c, p.Models[0], "rule-7")
	}
	token := c.Post("/tokens", object{"name": "CI", "role": "viewer"}).Is(http.StatusCreated).Object()
	keyFile, err := json.Marshal(apitest.Settings(t)["gcp_vertex_ai"]["credentials"].(object)["service_account_json"])
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(
		exampleProviderID, p.ID, exampleModelID, p.Models[0].ID, exampleTokenID, token["id"].(string),
		`"your-service-account-json"`, string(keyFile),
	)
}

// examples returns the examples of the body as JSON: the one of the schema, and those
// of its variants. For an operation without a body it is one empty text.
func (op describedOperation) examples(t *testing.T) (examples []string) {
	t.Helper()
	if op.body == nil {
		return []string{""}
	}
	values := []any{op.body.Example}
	for _, variant := range op.body.OneOf {
		values = append(values, variant.Value.Example)
	}
	for _, value := range values {
		text, err := json.Marshal(value)
		if err != nil || value == nil {
			t.Fatalf("the body of %s has no example: %v", op.id, err)
		}
		examples = append(examples, string(text))
	}
	return examples
}

// exampleParameters returns the path with the examples of all parameters, and the
// headers. A parameter of the path must have an example.
func (op describedOperation) exampleParameters(t *testing.T) (path string, headers []apitest.Edit) {
	t.Helper()
	path = op.path
	query := url.Values{}
	for _, parameter := range op.parameters {
		p := parameter.Value
		example := p.Example
		if example == nil {
			example = exampleOf(p.Schema.Value)
		}
		value, given := example.(string)
		switch {
		case p.In == "path" && !given:
			t.Errorf("the parameter %s of %s has no example", p.Name, op.id)
		case p.In == "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", value)
		case p.In == "query" && given:
			query.Set(p.Name, value)
		case p.In == "header" && given:
			headers = append(headers, apitest.Header(p.Name, value))
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path, headers
}
