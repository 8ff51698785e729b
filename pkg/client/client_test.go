package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
	"modelproviders/pkg/client"
	"modelproviders/pkg/provider/providertest"
)

// serve starts a service that can reach the fake, if there is one.
func serve(t *testing.T, fake *providertest.Server, options ...apitest.Option) *apitest.Server {
	t.Helper()
	if fake != nil {
		options = append(options, func(cfg *app.Config) { cfg.ProviderEndpoints = fake.ProviderEndpoints() })
	}
	return apitest.Start(t, func(base http.RoundTripper, _ string) http.RoundTripper { return base }, "SQLite", options...)
}

// wrap changes what happens between a client and the service.
type wrap func(base http.RoundTripper) http.RoundTripper

// connect returns an admin's client of the service.
func connect(t *testing.T, s *apitest.Server, wraps ...wrap) *client.Client {
	t.Helper()
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	var transport http.RoundTripper = base
	for _, w := range wraps {
		transport = w(transport)
	}
	return must(client.New(s.URL, s.Admin(t).Token, client.WithHTTPClient(&http.Client{Transport: transport})))(t)
}

// must returns a function that fails the test if there is an error.
func must[T any](value T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// roundTrip is a transport that is a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// counting counts requests by method.
func counting(n *atomic.Int64, method string) wrap {
	return func(base http.RoundTripper) http.RoundTripper {
		return roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method == method {
				n.Add(1)
			}
			return base.RoundTrip(r)
		})
	}
}

// openAI is a provider that the fake of OpenAI accepts, with a model.
func openAI(name string) client.ProviderCreate {
	return client.ProviderCreate{
		Name: name, Type: client.ProviderTypeNameOpenAI, Credentials: client.OpenAICredentials{APIKey: "sk-" + apitest.Secret},
		Models: []client.ModelCreate{gpt("gpt-4o")},
	}
}

func gpt(modelID string) client.ModelCreate {
	return client.ModelCreate{ModelID: modelID, SupportedStages: []client.StageName{client.StageNamePlanning}}
}

func TestEveryOperationIsAMethod(t *testing.T) {
	var spec struct {
		Paths map[string]map[string]struct {
			OperationID string `yaml:"operationId"`
		}
	}
	if err := yaml.Unmarshal(must(os.ReadFile("../../openapi.yaml"))(t), &spec); err != nil {
		t.Fatal(err)
	}
	methods := map[string]bool{}
	for method := range reflect.TypeFor[*client.Client]().Methods() {
		methods[strings.ToLower(method.Name)] = true
	}
	for path, operations := range spec.Paths {
		for method, operation := range operations {
			if operation.OperationID != "" && !methods[strings.ToLower(operation.OperationID)] {
				t.Errorf("the client has no method for %s, %s %s", operation.OperationID, method, path)
			}
		}
	}
}

// TestEveryOperation calls every operation and compares each exchange with openapi.yaml.
func TestEveryOperation(t *testing.T) {
	checker := must(apitest.NewChecker())(t)
	fake := providertest.Start(t, providertest.OpenAI())
	s := serve(t, fake)
	c := connect(t, s, func(base http.RoundTripper) http.RoundTripper { return checker.RoundTripper(base, "") })
	ctx := t.Context()

	start := must(c.ListChanges(ctx, client.ListChangesParams{}))(t)
	p := must(c.CreateProvider(ctx, openAI("OpenAI")))(t)
	for change, err := range c.StreamChanges(ctx, start.NextCursor) {
		if check(t, err); change.ID != p.ID {
			t.Errorf("a change is %+v", change)
		}
		break
	}
	m := must(c.CreateModel(ctx, p.ID, gpt("gpt-5")))(t)
	must(c.CreateModels(ctx, p.ID, []client.ModelCreate{gpt("o1"), gpt("o2")}))(t)
	must(c.UpdateModel(ctx, p.ID, m.ID, client.ModelUpdate{DisplayName: "GPT-5", Enabled: new(false), Version: m.Version}))(t)
	must(c.GetModel(ctx, m.ID))(t)
	must(c.GetProviderModel(ctx, p.ID, m.ID))(t)
	must(c.GetProvider(ctx, p.ID))(t)
	must(c.UpdateProvider(ctx, p.ID, client.ProviderUpdate{Name: "Renamed", Status: client.ProviderStatusInactive,
		Credentials: client.OpenAICredentials{APIKey: "sk-other"}}))(t)
	all(t, c.ListProviders(ctx, client.ListProvidersParams{Status: client.ProviderStatusInactive, View: client.ListProvidersParamsViewSummary}))
	all(t, c.ListModels(ctx, client.ListModelsParams{Enabled: new(false), Stage: client.StageNamePlanning}))
	all(t, c.ListProviderModels(ctx, p.ID, client.ListProviderModelsParams{Q: "GPT", Stage: client.StageNamePlanning, Verified: new(false)}))

	must(c.TestModel(ctx, m.ID, client.TestRequest{Prompt: "Hi", Temperature: new(0.0)}))(t)
	must(must(c.StreamTestModel(ctx, m.ID, client.TestRequest{Prompt: "Hi"}))(t).Result())(t)
	must(c.TestModels(ctx, p.ID, client.ModelsTestRequest{Prompt: "Hi", ModelIDs: []string{"o1"}}))(t)
	must(must(c.StreamTestModels(ctx, p.ID, client.ModelsTestRequest{Prompt: "Hi"}))(t).Result())(t)
	must(c.VerifyModel(ctx, m.ID, client.VerifyRequest{}))(t)
	must(must(c.StreamVerifyModel(ctx, m.ID, client.VerifyRequest{Stages: []client.StageName{client.StageNamePlanning}}))(t).Result())(t)
	edit := client.EditTestRequest{ModelID: "gpt-5", Prompt: "Hi", Credentials: map[string]any{"api_key": "sk-new"}}
	must(c.TestProvider(ctx, p.ID, edit))(t)
	must(must(c.StreamTestProvider(ctx, p.ID, edit))(t).Result())(t)
	draft := client.DraftTestRequest{ModelID: "gpt-5", Prompt: "Hi", Credentials: client.OpenAICredentials{APIKey: "sk-draft"}}
	must(c.TestProviderType(ctx, p.Type, draft))(t)
	must(must(c.StreamTestProviderType(ctx, p.Type, draft))(t).Result())(t)

	settings := client.DraftSettings{Credentials: fake.Credentials}
	must(c.UpdateProvider(ctx, p.ID, client.ProviderUpdate{Credentials: fake.Credentials}))(t)
	must(c.CheckProvider(ctx, p.ID, client.SettingsUpdate{}))(t)
	must(c.CheckProviderType(ctx, p.Type, settings))(t)
	must(c.ListAvailableModels(ctx, p.ID, client.ListAvailableModelsParams{Q: "gpt"}))(t)
	must(c.ListAvailableModelsOfEdit(ctx, p.ID, client.SettingsUpdate{}, client.ListAvailableModelsOfEditParams{}))(t)
	must(c.ListAvailableModelsOfType(ctx, p.Type, settings, client.ListAvailableModelsOfTypeParams{}))(t)
	must(c.RevealCredential(ctx, p.ID, "api_key", "a test"))(t)
	if found := must(c.LookupCredential(ctx, fmt.Sprint(fake.Credentials["api_key"])))(t); len(found.Data) != 1 || found.Data[0].ProviderID != p.ID {
		t.Errorf("the credential is found in %+v", found)
	}

	token := must(c.CreateToken(ctx, client.TokenCreate{Name: "reader", Role: client.RoleViewer}))(t)
	all(t, c.ListTokens(ctx, client.ListTokensParams{}))
	check(t, c.RevokeToken(ctx, token.ID))
	all(t, c.ListAuditEvents(ctx, client.ListAuditEventsParams{ProviderID: p.ID, Outcome: client.AuditOutcomeSuccess, From: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)}))
	reference := must(c.PutReference(ctx, m.ID, "rules/EU support", client.ReferencePut{Label: "Rule: EU support", URL: "https://routing.example.com/7"}))(t)
	must(c.PutReference(ctx, m.ID, reference.Ref, client.ReferencePut{Label: reference.Label, URL: reference.URL}))(t)
	if again := must(c.GetReference(ctx, m.ID, reference.Ref))(t); again != reference || reference.Ref != "rules/EU support" {
		t.Errorf("the reference %+v is read as %+v", reference, again)
	}
	must(c.PutReference(ctx, m.ID, "other", client.ReferencePut{Label: "Other"}))(t)
	if references := all(t, c.ListReferences(ctx, m.ID, client.ListReferencesParams{Limit: 1})); len(references) != 2 {
		t.Errorf("the references are %+v", references)
	}
	check(t, c.DeleteReference(ctx, m.ID, "other"))
	var problem *client.Problem
	if err := c.DeleteModel(ctx, p.ID, m.ID); !errors.Is(err, client.ProblemCodeInUse) || !errors.As(err, &problem) || len(problem.References) != 1 ||
		problem.ReferenceCount != 1 || problem.References[0].Ref != reference.Ref || problem.References[0].ID != m.ID {
		t.Errorf("a model that is used is deleted: %v", err)
	}
	must(c.UpdateModel(ctx, p.ID, m.ID, client.ModelUpdate{Enabled: new(false)}, client.Force()))(t)
	must(c.UpdateProvider(ctx, p.ID, client.ProviderUpdate{Status: client.ProviderStatusActive}, client.Force()))(t)
	check(t, c.DeleteModel(ctx, p.ID, m.ID, client.Force(), client.IfVersion(must(c.GetModel(ctx, m.ID))(t).Version)))
	if clone := must(c.CloneProvider(ctx, p.ID, client.ProviderClone{Name: "Clone"}))(t); clone.ClonedFrom != p.ID {
		t.Errorf("the clone is of %q", clone.ClonedFrom)
	}
	check(t, c.DeleteProvider(ctx, p.ID))

	must(c.GetMe(ctx))(t)
	must(c.ListStages(ctx))(t)
	types := must(c.ListProviderTypes(ctx))(t)
	must(c.GetProviderType(ctx, types[0].Type))(t)
	must(c.GetProviderTypeIcon(ctx, types[0].Type))(t)
	must(c.GetHealth(ctx))(t)
	must(c.GetMetrics(ctx))(t)
	must(c.GetReadiness(ctx))(t)
	must(c.GetConsoleConfig(ctx))(t)
	must(c.GetOpenAPIYAML(ctx))(t)
	must(c.GetOpenAPIJSON(ctx))(t)

	for _, place := range checker.Uncovered() {
		if strings.Contains(place, " 2") {
			t.Errorf("the client did not cause %s", place)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTokenIsInNoText(t *testing.T) {
	const token = "mp_secret-token"
	c := must(client.New("http://127.0.0.1:1/api", token, client.WithRetries(0)))(t)
	texts := []string{c.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		texts = append(texts, fmt.Sprintf(verb, c), fmt.Sprintf(verb, *c))
	}
	_, err := c.GetMe(t.Context())
	texts = append(texts, err.Error(), fmt.Sprintf("%#v", err))
	_, err = client.New("https://models.example.com", "mp_two\nlines")
	texts = append(texts, err.Error())
	for _, text := range texts {
		if strings.Contains(text, "mp_") || strings.Contains(text, "6d705f") {
			t.Errorf("the token is in %s", text)
		}
	}
}

func TestURL(t *testing.T) {
	for _, url := range []string{"", "models.example.com", "ftp://models.example.com", "https://", "https://user:pass@host", "https://host?x=1", "https://host/#x", "http://a b"} {
		if _, err := client.New(url, "mp_token"); err == nil || strings.Contains(err.Error(), "pass") {
			t.Errorf("the URL %q: %v", url, err)
		}
	}
}

func TestBasePath(t *testing.T) {
	s := serve(t, nil, func(cfg *app.Config) { cfg.BasePath = "/api/v1" })
	c := must(client.New(s.URL+"/", s.Admin(t).Token+"\n"))(t)
	if me := must(c.GetMe(t.Context()))(t); me.Workspace != "default" {
		t.Errorf("the caller is %+v", me)
	}
}

// TestIDs: an id that is not one must not address another resource.
func TestIDs(t *testing.T) {
	c := connect(t, serve(t, nil))
	for _, id := range []string{"", ".", ".."} {
		var problem *client.Problem
		if _, err := c.GetProvider(t.Context(), id); err == nil || errors.As(err, &problem) {
			t.Errorf("the id %q was sent: %v", id, err)
		}
	}
	p := must(c.CreateProvider(t.Context(), openAI("OpenAI")))(t)
	if _, err := c.GetProvider(t.Context(), p.ID+"/models"); !errors.Is(err, client.ProblemCodeNotFound) {
		t.Errorf("an id that is the path of a list: %v", err)
	}
	if _, err := c.GetProvider(t.Context(), "../me?x#y/%2e"); !errors.Is(err, client.ProblemCodeNotFound) {
		t.Errorf("an id that is a path: %v", err)
	}
}

// TestRedirect: token and credentials stay with the service.
func TestRedirect(t *testing.T) {
	var reached atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer elsewhere.Close()
	redirecting := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/providers", http.StatusTemporaryRedirect))
	defer redirecting.Close()
	c := must(client.New(redirecting.URL, "mp_token"))(t)
	_, err := c.CreateProvider(t.Context(), openAI("OpenAI"))
	var problem *client.Problem
	if !errors.As(err, &problem) || problem.Status != http.StatusTemporaryRedirect || !strings.Contains(err.Error(), elsewhere.URL) {
		t.Errorf("a redirect: %v", err)
	}
	if reached.Load() {
		t.Error("the redirect was followed")
	}
}

// TestProviderCreateHasEveryField: overlay.yaml defines the type by hand.
func TestProviderCreateHasEveryField(t *testing.T) {
	var spec struct {
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	if err := yaml.Unmarshal(must(os.ReadFile("../../openapi.yaml"))(t), &spec); err != nil {
		t.Fatal(err)
	}
	fields := []string{}
	for field := range reflect.TypeFor[client.ProviderCreate]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		fields = append(fields, name)
	}
	for field := range spec.Components.Schemas["OpenAIProviderCreate"].Properties {
		if !slices.Contains(fields, field) {
			t.Errorf("ProviderCreate lacks %s", field)
		}
	}
}
