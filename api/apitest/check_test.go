package apitest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

const (
	testID      = "0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10"
	testVersion = `"1"`
)

// canned is a service that gives one answer, whatever is asked.
type canned struct {
	status int
	header map[string]string
	body   string
}

// answering is what a service that keeps to the description says of itself.
func answering(status int, body string) canned {
	c := canned{status: status, body: body, header: map[string]string{
		"X-Request-Id": "r1", "Cache-Control": "private, no-cache", "Content-Type": mediaJSON,
	}}
	if status >= http.StatusBadRequest {
		c.header["Content-Type"] = mediaProblem
	}
	if body == "" {
		delete(c.header, "Content-Type")
	}
	return c
}

// with is the same answer with another header; an empty value takes it away.
func (c canned) with(name, value string) canned {
	header := map[string]string{}
	for k, v := range c.header {
		header[k] = v
	}
	header[name] = value
	c.header = header
	return c
}

// as is the same answer with a text in its body replaced.
func (c canned) as(old, with string) canned {
	if !strings.Contains(c.body, old) {
		panic("the body has no " + old)
	}
	c.body = strings.Replace(c.body, old, with, 1)
	return c
}

func (c canned) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	for name, value := range c.header {
		if value != "" {
			w.Header().Set(name, value)
		} else {
			w.Header()[name] = nil
		}
	}
	w.WriteHeader(c.status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, c.body)
	}
}

func checker(t *testing.T) *Checker {
	t.Helper()
	c, err := NewChecker()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// exchanged sends a request to a service through the checker and reads the whole
// answer. The request is a method, a path and, if any, a body.
func exchanged(t *testing.T, c *Checker, basePath string, service http.Handler, request string) error {
	t.Helper()
	server := httptest.NewServer(service)
	defer server.Close()
	method, rest, _ := strings.Cut(request, " ")
	path, body, _ := strings.Cut(rest, " ")
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", mediaJSON)
	}
	client := http.Client{Transport: c.RoundTripper(http.DefaultTransport, basePath)}
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	got, err := io.ReadAll(response.Body)
	if sent, ok := service.(canned); ok && err == nil && method != http.MethodHead && string(got) != sent.body {
		t.Errorf("the checker changed the body %q into %q", sent.body, got)
	}
	return err
}

// exampleOf is the example of a schema in the description, as JSON.
func exampleOf(t *testing.T, c *Checker, schema string) string {
	t.Helper()
	_, described := c.spec.resolve(schemaPrefix + schema)
	text, err := json.Marshal(described["example"])
	if err != nil || described == nil {
		t.Fatalf("the example of %s: %v", schema, err)
	}
	return string(text)
}

func problemOf(status, path string) string {
	return `{"type":"urn:modelproviders:problem:not_found","title":"t","status":` + status + `,"detail":"d","instance":"` + path +
		`","code":"not_found","request_id":"r1"}`
}

const deltaAndResult = "event: delta\ndata: {\"text\":\"Hel\"}\n\n: still waiting\n\nevent: result\ndata: RESULT\n\n"

func TestWhatIsDocumentedPasses(t *testing.T) {
	t.Parallel()
	c := checker(t)
	provider, model := exampleOf(t, c, "Provider"), exampleOf(t, c, "Model")
	stream := strings.Replace(deltaAndResult, "RESULT", exampleOf(t, c, "TestResult"), 1)
	for request, service := range map[string]canned{
		"GET /stages":                      answering(200, exampleOf(t, c, "StageList")),
		"HEAD /stages":                     answering(200, exampleOf(t, c, "StageList")),
		"GET /providers?limit=5&sort=name": answering(200, exampleOf(t, c, "ProviderList")),
		"POST /providers " + exampleOf(t, c, "ProviderCreate"):                                                                                            answering(201, provider).with("ETag", testVersion).with("Location", "/providers/"+testID),
		`POST /providers {"name":" x ","type":"openai","credentials":{"api_key":"sk-1\n"}}`:                                                               answering(201, provider).with("ETag", testVersion).with("Location", "/providers/"+testID),
		"PATCH /providers/" + testID + " " + provider:                                                                                                     answering(200, provider).with("ETag", testVersion),
		"PATCH /providers/" + testID + ` {"id":1,"error":null,"credentials":{"api_key":null}}`:                                                            answering(200, provider).with("ETag", testVersion),
		"PATCH /providers/" + testID + ` {"credentials":{"api_key":"","secret_access_key":"••••••••","service_account_json":{"type":"service_account"}}}`: answering(200, provider).with("ETag", testVersion),
		"PATCH /providers/" + testID + "/models/" + testID + " " + model:                                                                                  answering(200, model).with("ETag", testVersion),
		"DELETE /providers/" + testID:                               answering(204, ""),
		"POST /providers/" + testID + "/credentials/api_key/reveal": answering(200, exampleOf(t, c, "RevealedCredential")).with("Cache-Control", "no-store"),
		"GET /openapi.yaml":                                         answering(200, "openapi: 3.1.0").with("Content-Type", "application/yaml"),
		"POST /models/" + testID + `/test {"prompt":"p"}`:           answering(200, stream).with("Content-Type", mediaEvents),
		"POST /models/" + testID + `/test {"prompt":"q"}`:           answering(429, problemOf("429", "/models/"+testID+"/test")).with("Retry-After", "3"),
		"POST /providers nonsense":                                  answering(400, problemOf("400", "/providers")),
		"GET /nowhere":                                              answering(404, problemOf("404", "/nowhere")),
		"PUT /stages":                                               answering(405, problemOf("405", "/stages")).with("Allow", "GET"),
		"GET /nowhere/at/all":                                       answering(403, problemOf("403", "/nowhere/at/all")),
		"OPTIONS /providers":                                        answering(204, ""),
	} {
		if err := exchanged(t, c, "", service, request); err != nil {
			t.Errorf("%s: %v", request, err)
		}
	}
}

func TestWhatIsNotDocumentedFails(t *testing.T) {
	t.Parallel()
	c := checker(t)
	stages := answering(200, exampleOf(t, c, "StageList"))
	provider := answering(200, exampleOf(t, c, "Provider")).with("ETag", testVersion)
	providers := answering(200, exampleOf(t, c, "ProviderList"))
	one := "GET /providers/" + testID
	missing := answering(404, problemOf("404", "/providers/"+testID))
	for _, test := range []struct {
		name, request string
		service       canned
		saying        string
	}{
		{"an extra field", "GET /stages", stages.as(`{"data"`, `{"more":1,"data"`), "more"},
		{"an extra field deep inside", "GET /stages", stages.as(`"label"`, `"api_key":"sk","label"`), "api_key"},
		{"a leaked credential", one, provider.as(`"set":true`, `"set":true,"value":"sk"`), "value"},
		{"a leaked credential in a list", "GET /providers", providers.as(`"set":true`, `"set":true,"value":"sk"`), "value"},
		{"an extra field of a problem", one, missing.as(`"code"`, `"cause":"c","code"`), "cause"},
		{"a missing field", one, provider.as(`"type_label":"OpenAI",`, ``), "type_label"},
		{"null where none is documented", one, provider.as(`"type_label":"OpenAI"`, `"type_label":null`), "type_label"},
		{"a wrong type", one, provider.as(`"enabled_model_count":1`, `"enabled_model_count":"1"`), "enabled_model_count"},
		{"an unknown value", one, provider.as(`"status":"active"`, `"status":"sleepy"`), "status"},
		{"a time without milliseconds", one, provider.as(`:00.000Z`, `:00Z`), "milliseconds"},
		{"a time of another zone", one, provider.as(`:00.000Z`, `:00.000+02:00`), "milliseconds"},
		{"an id of another version", one, provider.as(testID, `0199d1a4-7c1e-4d3a-9a53-3f2c5a8e9b10`), "UUIDv7"},
		{"no JSON", "GET /stages", stages.as(`{`, ``), "no JSON"},
		{"two JSON values", "GET /stages", canned{stages.status, stages.header, stages.body + "{}"}, "no JSON"},
		{"no request id", "GET /stages", stages.with("X-Request-Id", ""), "X-Request-Id is missing"},
		{"a wrong header", "GET /stages", stages.with("Cache-Control", "public"), "Cache-Control"},
		{"a secret that may be stored", "POST /providers/" + testID + "/credentials/api_key/reveal", answering(200, exampleOf(t, c, "RevealedCredential")), "Cache-Control"},
		{"no ETag", one, provider.with("ETag", ""), "ETag is missing"},
		{"no Retry-After", "GET /stages", answering(503, problemOf("503", "/stages")), "Retry-After is missing"},
		{"no challenge", "GET /stages", answering(401, problemOf("401", "/stages")), "WWW-Authenticate is missing"},
		{"an undocumented status", "GET /stages", answering(409, problemOf("409", "/stages")), "does not document the status 409"},
		{"an undocumented media type", "GET /stages", stages.with("Content-Type", "text/html"), `"text/html" is not documented`},
		{"another charset", "GET /stages", stages.with("Content-Type", "application/json; charset=latin1"), "is not documented"},
		{"a problem that is plain JSON", one, missing.with("Content-Type", mediaJSON), "is not documented"},
		{"a problem of another request", one, missing.as("r1", "r2"), "request_id"},
		{"a problem of another status", one, missing.as("404", "403"), "status"},
		{"a problem of another path", one, missing.as("/providers/", "/models/"), "instance"},
		{"a media type without a body", "DELETE /providers/" + testID, answering(204, "").with("Content-Type", mediaJSON), "has no body"},
		{"success on an unknown path", "GET /nowhere", stages, "the status is 404, not 200"},
		{"404 for a wrong method", "PUT /stages", answering(404, problemOf("404", "/stages")), "the status is 405"},
		{"405 without Allow", "PUT /stages", answering(405, problemOf("405", "/stages")), "Allow is missing"},
		{"405 as plain text", "PUT /stages", answering(405, "no").with("Content-Type", "text/plain").with("Allow", "GET"), "no problem document"},
		{"an unknown path without a request id", "GET /nowhere", answering(404, problemOf("404", "/nowhere")).with("X-Request-Id", ""), "X-Request-Id"},
		{"an extra field of a problem outside", "GET /nowhere", answering(404, problemOf("404", "/nowhere")).as(`"code"`, `"cause":"c","code"`), "cause"},
		{"an accepted query parameter", "GET /stages?debug=1", stages, "debug was accepted"},
		{"an accepted query value", "GET /providers?limit=500", providers, "limit was accepted"},
		{"an accepted query text", "GET /providers?limit=many", providers, "limit was accepted"},
		{"an accepted field", "PATCH /providers/" + testID + ` {"naem":"x"}`, provider, "naem"},
		{"an accepted credential of no type", "PATCH /providers/" + testID + ` {"credentials":{"password":"x"}}`, provider, "password"},
		{"an accepted null", "PATCH /providers/" + testID + ` {"name":null}`, provider, "name"},
		{"an accepted lack of a body", "PATCH /providers/" + testID, provider, "without its body"},
	} {
		err := exchanged(t, c, "", test.service, test.request)
		if err == nil || !strings.Contains(err.Error(), test.saying) {
			t.Errorf("%s: got the error %v, want one with %q", test.name, err, test.saying)
		}
	}
}

func TestRequestsThatAreRefusedMayBeAnything(t *testing.T) {
	t.Parallel()
	c := checker(t)
	refusal := answering(400, problemOf("400", "/providers"))
	if err := exchanged(t, c, "", refusal, `POST /providers?debug=1 {"naem":`); err != nil {
		t.Error(err)
	}
}

func TestPathsBelowAPrefix(t *testing.T) {
	t.Parallel()
	c := checker(t)
	stages := answering(200, exampleOf(t, c, "StageList"))
	if err := exchanged(t, c, "/api/v1", stages, "GET /api/v1/stages"); err != nil {
		t.Error(err)
	}
	if err := exchanged(t, c, "/api/v1", stages, "GET /stages"); err == nil {
		t.Error("a route outside the prefix passes")
	}
}

func TestLiteralSegmentsWin(t *testing.T) {
	t.Parallel()
	c := checker(t)
	for request, want := range map[string]string{
		"POST /providers/x/models/bulk":  "createModels",
		"PATCH /providers/x/models/bulk": "updateModel",
		"GET /models/x":                  "getModel",
	} {
		method, path, _ := strings.Cut(request, " ")
		if op, _ := c.spec.find(method, path); op == nil || op.id != want {
			t.Errorf("%s is taken for %v", request, op)
		}
	}
	if op, known := c.spec.find(http.MethodGet, "/models/"); op != nil || known {
		t.Error("an empty segment stands for an id")
	}
}

func TestUncoveredAnswersAreNamed(t *testing.T) {
	t.Parallel()
	c := checker(t)
	before := c.Uncovered()
	for _, want := range []string{"listStages 200", "listStages 503", "testModel 200 application/json", "testModel 200 text/event-stream", "deleteProvider 204"} {
		if !slices.Contains(before, want) {
			t.Errorf("%q is not among what is uncovered at first", want)
		}
	}
	if !slices.IsSorted(before) {
		t.Error("the uncovered answers are not in order")
	}
	stages := answering(200, exampleOf(t, c, "StageList"))
	if err := exchanged(t, c, "", stages, "HEAD /stages"); err != nil || len(c.Uncovered()) != len(before) {
		t.Errorf("HEAD covers an operation: %v", err)
	}
	if err := exchanged(t, c, "", stages.as(`{"data"`, `{"more":1,"data"`), "GET /stages"); err == nil || len(c.Uncovered()) != len(before) {
		t.Errorf("a wrong answer covers an operation: %v", err)
	}
	if err := exchanged(t, c, "", stages, "GET /stages"); err != nil {
		t.Fatal(err)
	}
	if after := c.Uncovered(); len(after) != len(before)-1 || slices.Contains(after, "listStages 200") {
		t.Errorf("listStages 200 is still uncovered among %d of %d", len(after), len(before))
	}
}
