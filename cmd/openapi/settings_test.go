package main

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/provider"
)

// TestEveryTypeIsDescribed loops over the table of types, so that a new type
// needs nothing here.
func TestEveryTypeIsDescribed(t *testing.T) {
	schemas := at(description(t), "components", "schemas")
	names, _ := at(schemas, "ProviderTypeName")["enum"].([]any)
	credentialsEdit := at(schemas, "ProviderCredentialsUpdate", "properties")
	configEdit := at(schemas, "ProviderConfigUpdate", "properties")
	for _, typ := range provider.Types() {
		form := typ.Form()
		if !slices.Contains(names, any(form.Type)) {
			t.Errorf("%s is no provider type name", form.Type)
		}
		for suffix, fields := range map[string][]provider.FormField{"Credentials": form.Credentials, "Config": form.Config} {
			described := map[string]bool{}
			for i := range max(1, len(form.AuthMethods)) {
				name := schemaName(form.Label)
				if i > 0 {
					name += schemaName(form.AuthMethods[i].Label)
				}
				s := at(schemas, name+suffix)
				if s == nil && i > 0 {
					continue // one schema is for all methods
				}
				checkSettings(t, name+suffix, s, fields)
				for field := range at(s, "properties") {
					described[field] = true
				}
				if choices := at(schemas, "Provider"+suffix)["anyOf"].([]any); !slices.ContainsFunc(choices, func(c any) bool { return refOf(c.(object)) == name+suffix }) {
					t.Errorf("%s is not among the choices of a request", name+suffix)
				}
			}
			if len(described) != len(fields) {
				t.Errorf("%s: %v are described, not %d fields", form.Type, described, len(fields))
			}
		}
		for _, f := range form.Credentials {
			if credentialsEdit[f.Name] == nil {
				t.Errorf("an edit can't replace the credential %s", f.Name)
			}
		}
		for _, f := range form.Config {
			if configEdit[f.Name] == nil {
				t.Errorf("an edit can't change %s", f.Name)
			}
		}
	}
	if len(names) != len(provider.Types()) {
		t.Errorf("the provider type names are %v", names)
	}
}

// checkSettings checks that a schema is closed, and requires the fields that are
// required by themselves.
func checkSettings(t *testing.T, name string, s object, fields []provider.FormField) {
	t.Helper()
	if s == nil || s["additionalProperties"] != false {
		t.Fatalf("%s is no closed schema: %v", name, s)
	}
	required, _ := s["required"].([]any)
	for _, f := range fields {
		_, has := at(s, "properties")[f.Name]
		if isRequired := slices.Contains(required, any(f.Name)); has && f.Required != isRequired {
			t.Errorf("%s.%s: required is %v", name, f.Name, isRequired)
		}
	}
}

func TestSchemaNames(t *testing.T) {
	for label, want := range map[string]string{"OpenAI": "OpenAI", "GCP Vertex AI": "GCPVertexAI", "Custom (LiteLLM)": "Custom", "API key": "APIKey"} {
		if got := schemaName(label); got != want {
			t.Errorf("%q is named %s, not %s", label, got, want)
		}
	}
}

func TestSecretJSONIsTextOrObject(t *testing.T) {
	property := map[string]any{"type": []string{"string", "object"}, "maxLength": 9, "writeOnly": true, "title": "Key", "description": "d"}
	finishField(property, provider.FormField{Name: "key", Label: "Key", Help: "d", Kind: "secret_json"})
	want := parse(t, `{title: Key, description: d, example: your-key, anyOf: [{type: string, maxLength: 9}, {$ref: '#/components/schemas/SecretObject'}]}`)
	if diff := cmp.Diff(want, property); diff != "" {
		t.Error(diff)
	}
}

func TestRulesOfAnEditHoldForEveryType(t *testing.T) {
	edited := parse(t, `{type: string, minLength: 1, maxLength: 5, pattern: ^a$, format: uri}`)
	keepShared(edited, parse(t, `{type: string, minLength: 1, maxLength: 9, pattern: ^b$}`))
	if diff := cmp.Diff(parse(t, `{type: string, minLength: 1, maxLength: 9}`), edited); diff != "" {
		t.Error(diff)
	}
}

func TestTypesMustNotShareSchemas(t *testing.T) {
	types := provider.Types()
	if _, _, err := settingsSchemas(append(types, types[0])); err == nil {
		t.Error("two types of one name are taken")
	}
}
