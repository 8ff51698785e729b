package provider_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// TestVertexFamilies runs the scenarios for the two families of models that the
// table of all types has no row for.
func TestVertexFamilies(t *testing.T) {
	for name, fake := range map[string]providertest.Fake{"Claude": providertest.GCPVertexAIClaude(), "open": providertest.GCPVertexAIOpen()} {
		for _, s := range scenarios() {
			if !s.fits(fake) || s.name == "discovery" {
				continue
			}
			t.Run(name+"/"+s.name, func(t *testing.T) { s.run(t, providertest.Start(t, withRequestID(fake))) })
		}
	}
}

// withRequestID puts an id into the headers of answers that have none: Google
// gives open models no id.
func withRequestID(fake providertest.Fake) providertest.Fake {
	answer := fake.Answer
	fake.Answer = func(r *providertest.Request, mode providertest.Mode) (providertest.Answer, bool) {
		a, ok := answer(r, mode)
		if ok && a.Header.Get("Request-Id") == "" {
			a.Header.Set("X-Request-Id", providertest.RequestID)
		}
		return a, ok
	}
	return fake
}

// TestVertexModelSpellingsReachTheirModel sends each spelling of a model's id.
func TestVertexModelSpellingsReachTheirModel(t *testing.T) {
	for _, test := range []struct {
		fake providertest.Fake
		ids  []string
	}{
		{providertest.GCPVertexAI(), []string{"gemini-2.5-flash", "google/gemini-2.5-flash", "publishers/google/models/gemini-2.5-flash"}},
		{providertest.GCPVertexAIClaude(), []string{"claude-sonnet-4@20250514", "anthropic/claude-sonnet-4@20250514"}},
		{providertest.GCPVertexAIOpen(), []string{"meta/llama-3.3-70b-instruct-maas", "publishers/meta/models/llama-3.3-70b-instruct-maas"}},
	} {
		client := open(t, providertest.Start(t, test.fake))
		for _, id := range test.ids {
			succeeded(t, client.Generate(t.Context(), provider.Prompt{ModelID: id, Text: "Hi"}, nil))
		}
	}
}

// TestVertexHintsAtAnotherProject: a service account of another project is
// allowed, and the first thing to look at when it is refused.
func TestVertexHintsAtAnotherProject(t *testing.T) {
	for _, test := range []struct {
		account, called string
		want            bool
	}{{"my-project", "my-project", false}, {"their-project", "my-project", true}, {"their-project", "123456789012", false}} {
		fake := answering(providertest.GCPVertexAI(), func(*providertest.Request) providertest.Answer {
			return providertest.GoogleError(403, "PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied.", "IAM_PERMISSION_DENIED")
		})
		fake.Check = func(*providertest.Request) error { return nil } // the path has another project
		server := providertest.Start(t, fake)
		file := server.Credentials["service_account_json"].(string)
		server.Credentials["service_account_json"] = strings.Replace(file, `"project_id": "my-project"`, `"project_id": "`+test.account+`"`, 1)
		result, _ := open(t, server, map[string]any{"project": test.called}).generate(t, false)
		f := failure(t, result, provider.Permission)
		if got := strings.Contains(f.Hint, "does not belong to project"); got != test.want || strings.Contains(f.Hint, "their-project") || strings.Contains(f.Hint, "@") {
			t.Errorf("account of %s calling %s: hint %q", test.account, test.called, f.Hint)
		}
	}
}

func TestVertexDiscovery(t *testing.T) {
	server := providertest.Start(t, providertest.GCPVertexAI())
	client := open(t, server)
	d, err := client.Models(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := provider.Discovery{Supported: true, Models: []provider.DiscoveredModel{
		{ModelID: "claude-sonnet-4@20250514", DisplayName: "claude-sonnet-4@20250514"},
		{ModelID: "gemini-2.5-flash", DisplayName: "gemini-2.5-flash"},
		{ModelID: "meta/llama-3.3-70b-instruct-maas", DisplayName: "meta/llama-3.3-70b-instruct-maas"},
	}}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("models (-want +got):\n%s", diff)
	}
	server.Use(providertest.AccountPermission)
	_, err = client.Models(t.Context())
	if f := asFailure(t, err); f.Kind != provider.Permission || f.OfProvider() {
		t.Errorf("without permission: %+v", f)
	}
}
