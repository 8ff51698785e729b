package provider_test

import (
	"strings"
	"testing"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// TestOpenAIProjectIsNamedInEveryRequest: in chats, in requests to the Responses API, and
// for the list of models.
func TestOpenAIProjectIsNamedInEveryRequest(t *testing.T) {
	server := providertest.Start(t, providertest.OpenAIProject())
	client := open(t, server)
	for _, mode := range []providertest.Mode{providertest.Success, providertest.OnlyResponses} {
		server.Use(mode)
		for _, stream := range []bool{false, true} {
			result, _ := client.generate(t, stream)
			succeeded(t, result)
		}
	}
	server.Use(providertest.Success)
	if _, err := client.Models(t.Context()); err != nil {
		t.Error(err)
	}
	paths := map[string]bool{}
	for _, r := range server.Requests() {
		paths[r.Path] = true
		if r.Header.Get("OpenAI-Organization") != server.Config["organization"] || r.Header.Get("OpenAI-Project") != server.Config["project"] {
			t.Errorf("%s: headers %v", r.Path, r.Header)
		}
	}
	if len(paths) != 3 {
		t.Errorf("requests to %v", paths)
	}
}

func TestOpenAIProjectOfAnotherKey(t *testing.T) {
	for field, test := range map[string]struct{ value, code, hint string }{
		"organization": {"org-another", "mismatched_organization", "this organization"},
		"project":      {"proj_another", "mismatched_project", "this project"},
	} {
		client := open(t, providertest.Start(t, providertest.OpenAIProject()), map[string]any{field: test.value})
		result, _ := client.generate(t, false)
		f := failure(t, result, provider.Authentication)
		if f.Code != test.code || !strings.Contains(f.Hint, test.hint) || !f.OfProvider() {
			t.Errorf("%s: %+v", field, f)
		}
		if check := client.Check(t.Context()); check.Failure == nil || check.Failure.Code != test.code {
			t.Errorf("%s: check %+v", field, check)
		}
	}
}

// TestOpenAIProjectSettings: what OpenAI does not accept is left to it to refuse, unless
// it can't be a header, or is a name instead of an ID.
func TestOpenAIProjectSettings(t *testing.T) {
	for value, want := range map[string]fault.Code{
		"org-abc123": "", " proj_abc123 ": "", "user-x.y:z/1": "", "": "",
		"My Company": fault.Invalid, "org-ä": fault.Invalid, "org-a\r\nX: y": fault.Invalid, strings.Repeat("a", 257): fault.TooLong,
	} {
		for _, field := range []string{"organization", "project"} {
			settings, faults := read(t, lookup(t, "openai"), encode(t, map[string]string{"api_key": "sk-1"}), encode(t, map[string]string{field: value}), provider.Stored{})
			if codes(faults)["config."+field] != want {
				t.Errorf("%s %q: %v", field, value, faults)
			}
			if want == "" && settings.Config[field] != strings.TrimSpace(value) {
				t.Errorf("%s %q: config %v", field, value, settings.Config)
			}
		}
	}
	stored := provider.Stored{Credentials: []string{"api_key"}, Config: map[string]string{"organization": "org-abc123"}}
	if settings, _ := read(t, lookup(t, "openai"), nil, encode(t, map[string]string{"organization": ""}), stored); settings.Config["organization"] != "" {
		t.Errorf("the organization is not removed: %v", settings.Config)
	}
}
