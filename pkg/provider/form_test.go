package provider_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"modelproviders/pkg/provider"
)

// TestTypesAreTheContracts: a type of the contract keeps its name, its place
// among the others and its credentials, whatever types and credentials are added.
func TestTypesAreTheContracts(t *testing.T) {
	contract := []string{
		"openai OpenAI api_key",
		"anthropic Anthropic api_key",
		"azure_openai Azure OpenAI api_key",
		"aws_bedrock AWS Bedrock access_key_id,secret_access_key",
		"gcp_vertex_ai GCP Vertex AI service_account_json",
		"custom Custom (LiteLLM) api_key",
	}
	var got []string
	for _, typ := range provider.Types() {
		text := typ.Name() + " " + typ.Form().Label + " " + strings.Join(credentialNames(typ), ",")
		for _, want := range contract {
			if text == want || strings.HasPrefix(text, want+",") {
				got = append(got, want)
			}
		}
	}
	if diff := cmp.Diff(contract, got); diff != "" {
		t.Error(diff)
	}
	if _, ok := provider.Lookup("openrouter"); ok {
		t.Error("an unknown type was found")
	}
}

func TestForm(t *testing.T) {
	form := lookup(t, "azure_openai").Form()
	endpoint := provider.FieldGroup{Name: "endpoint", Label: "Endpoint"}
	entra := provider.FieldGroup{Name: "entra", Label: "Microsoft Entra ID"}
	want := []provider.FormField{
		{Name: "base_url", Label: "Base URL", Kind: "url", Required: true, Placeholder: "https://my-resource.openai.azure.com", Group: endpoint, Help: form.Config[0].Help},
		{Name: "api_version", Label: "API Version", Kind: "text", Required: true, Placeholder: "2024-10-21", Group: endpoint, Help: form.Config[1].Help,
			Suggestions: []string{"2024-10-21", "v1", "2025-04-01-preview"},
			Pattern:     `^(v1|preview|latest|[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?)$`},
		{Name: "tenant_id", Label: "Tenant ID", Kind: "text", Required: true, AuthMethod: "entra_id", Placeholder: "11111111-2222-3333-4444-555555555555", Group: entra,
			Help: form.Config[2].Help, Pattern: form.Config[2].Pattern},
		{Name: "client_id", Label: "Client ID", Kind: "text", Required: true, AuthMethod: "entra_id", Placeholder: "66666666-7777-8888-9999-000000000000", Group: entra,
			Help: form.Config[3].Help, Pattern: form.Config[3].Pattern},
	}
	if diff := cmp.Diff(want, form.Config, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if form.ModelIDLabel != "Deployment name" || form.ModelIDPlaceholder != "gpt-4o-prod" {
		t.Errorf("model id: %q, %q", form.ModelIDLabel, form.ModelIDPlaceholder)
	}
	for _, typ := range provider.Types() {
		form := typ.Form()
		if form.Type != typ.Name() || form.Label == "" || form.Description == "" || form.ModelIDPlaceholder == "" || !strings.HasPrefix(form.DocsURL, "https://") {
			t.Errorf("%s: the form is incomplete: %+v", typ.Name(), form)
		}
		for _, f := range append(slices.Clone(form.Credentials), form.Config...) {
			if f.Label == "" || f.Help == "" || f.Placeholder == "" {
				t.Errorf("%s: field %+v", typ.Name(), f)
			}
		}
		checkGroups(t, typ.Name(), append(slices.Clone(form.Credentials), form.Config...))
		for _, f := range form.Credentials {
			if !strings.HasPrefix(f.Kind, "secret") {
				t.Errorf("%s: credential %+v", typ.Name(), f)
			}
		}
	}
}

// TestRequiredFields: fields that were required stay so. Only the key of a custom
// server may be left out.
func TestRequiredFields(t *testing.T) {
	for name, want := range map[string]string{
		"openai": "api_key", "anthropic": "api_key", "azure_openai": "api_key base_url api_version",
		"aws_bedrock": "access_key_id secret_access_key region", "gcp_vertex_ai": "service_account_json project region", "custom": "base_url",
	} {
		form := lookup(t, name).Form()
		for required := range strings.FieldsSeq(want) {
			isRequired := func(f provider.FormField) bool { return f.Name == required && f.Required }
			if !slices.ContainsFunc(slices.Concat(form.Credentials, form.Config), isRequired) {
				t.Errorf("%s: %s is not required", name, required)
			}
		}
		if len(form.AuthMethods) > 0 && form.Credentials[0].AuthMethod != form.AuthMethods[0].Name {
			t.Errorf("%s: the default is not the method of %s", name, form.Credentials[0].Name)
		}
	}
}

// credentialNames are the names of a type's credentials, in the order of its form.
func credentialNames(typ *provider.Type) []string {
	var names []string
	for _, f := range typ.Form().Credentials {
		names = append(names, f.Name)
	}
	return names
}

// requiredCredentials are those that a type requires with its first authentication
// method.
func requiredCredentials(typ *provider.Type) []string {
	form := typ.Form()
	var names []string
	for _, f := range form.Credentials {
		if f.Required && (f.AuthMethod == "" || f.AuthMethod == form.AuthMethods[0].Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

// checkGroups checks that the fields of a group follow each other under one label.
func checkGroups(t *testing.T, typeName string, fields []provider.FormField) {
	t.Helper()
	ended := map[string]bool{"": true}
	for i, f := range fields {
		begins := i == 0 || fields[i-1].Group.Name != f.Group.Name
		switch {
		case f.Group.Name == "" && f.Group.Label != "", f.Group.Name != "" && f.Group.Label == "":
			t.Errorf("%s: the group of %s is %+v", typeName, f.Name, f.Group)
		case f.Group.Name != "" && begins && ended[f.Group.Name]:
			t.Errorf("%s: %s does not follow the other fields of its group", typeName, f.Name)
		case !begins && fields[i-1].Group != f.Group:
			t.Errorf("%s: the group %s has two labels", typeName, f.Group.Name)
		}
		ended[f.Group.Name] = true
	}
}

// TestExamplesOfFieldsAreAccepted: whoever takes what a form suggests has a valid
// config. The placeholder of a secret is not accepted as one.
func TestExamplesOfFieldsAreAccepted(t *testing.T) {
	text := func(value string) json.RawMessage { return json.RawMessage(strconv.Quote(value)) }
	for _, typ := range provider.Types() {
		form := typ.Form()
		config := map[string]json.RawMessage{}
		for _, f := range form.Config {
			config[f.Name] = text(f.Placeholder)
		}
		for _, f := range form.Config {
			for _, value := range append(slices.Clone(f.Suggestions), f.Placeholder) {
				config[f.Name] = text(value)
				_, problems := typ.Read(provider.Request{Config: config}, provider.Stored{Credentials: credentialNames(typ)})
				if len(problems.Invalid)+len(problems.Malformed) > 0 {
					t.Errorf("%s: %s is not accepted as %s: %v", typ.Name(), value, f.Name, problems)
				}
			}
		}
		for _, f := range form.Credentials {
			request := provider.Request{Credentials: map[string]json.RawMessage{f.Name: text(f.Placeholder)}, Config: config}
			_, problems := typ.Read(request, provider.Stored{Credentials: credentialNames(typ)})
			if f.Kind != provider.KindSecretMap && len(problems.Invalid) == 0 {
				t.Errorf("%s: the placeholder of %s is accepted as a secret", typ.Name(), f.Name)
			}
		}
	}
}

// TestLabels: fields are called what the settings page calls them, whatever fields are
// added.
func TestLabels(t *testing.T) {
	for name, want := range map[string]string{
		"openai":        "API Key|Organization ID|Project ID",
		"anthropic":     "API Key",
		"azure_openai":  "API Key|Client secret|Base URL|API Version|Tenant ID|Client ID",
		"aws_bedrock":   "AWS Access Key ID|AWS Secret Access Key|AWS Session Token|Bedrock API Key|Region|Role ARN|External ID",
		"gcp_vertex_ai": "Service Account JSON|Project|Region",
		"custom":        "API Key|Headers|Base URL",
	} {
		var labels []string
		form := lookup(t, name).Form()
		for _, f := range append(form.Credentials, form.Config...) {
			if slices.Contains(strings.Split(want, "|"), f.Label) {
				labels = append(labels, f.Label)
			}
		}
		if got := strings.Join(labels, "|"); got != want {
			t.Errorf("%s: the labels are %s, not %s", name, got, want)
		}
	}
}

// TestIcons: every type has an image of a square, small enough to be inlined, that
// neither runs nor loads anything.
func TestIcons(t *testing.T) {
	for _, typ := range provider.Types() {
		icon := string(typ.Form().Icon)
		if icon == "" {
			t.Errorf("%s has no icon: draw icons/%s.svg", typ.Name(), typ.Name())
			continue
		}
		if !strings.HasPrefix(icon, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48">`) || len(icon) > 2048 {
			t.Errorf("the icon of %s has %d bytes and begins with %.70s", typ.Name(), len(icon), icon)
		}
		if found := regexp.MustCompile(`(?i)<script|<foreignObject|<image|href|\son\w+=|url\(|@import`).FindString(icon); found != "" {
			t.Errorf("the icon of %s has %s", typ.Name(), found)
		}
	}
}

func TestSchemas(t *testing.T) {
	want := `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "additionalProperties": false,
  "properties": {
    "api_key": {
      "description": "An API key from platform.openai.com, under API keys. It begins with sk-.",
      "format": "password",
      "maxLength": 4096,
      "minLength": 1,
      "pattern": "^[ -~]+$",
      "title": "API Key",
      "type": "string",
      "writeOnly": true
    }
  },
  "required": [
    "api_key"
  ],
  "title": "OpenAI credentials",
  "type": "object"
}`
	got, err := json.MarshalIndent(lookup(t, "openai").Form().CredentialsSchema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	for _, typ := range provider.Types() {
		form := typ.Form()
		checkSchema(t, form.CredentialsSchema, form.Credentials)
		checkSchema(t, form.ConfigSchema, form.Config)
	}
	property := lookup(t, "gcp_vertex_ai").Form().CredentialsSchema["properties"].(map[string]any)["service_account_json"].(map[string]any)
	if diff := cmp.Diff([]string{"string", "object"}, property["type"]); diff != "" {
		t.Error(diff)
	}
}

// checkSchema checks that a schema, or its alternatives, have the fields of a form and no
// others.
func checkSchema(t *testing.T, schema map[string]any, fields []provider.FormField) {
	t.Helper()
	alternatives, several := schema["oneOf"].([]map[string]any)
	if !several {
		alternatives = []map[string]any{schema}
	}
	found := map[string]bool{}
	for _, object := range alternatives {
		if object["type"] != "object" || object["additionalProperties"] != false {
			t.Errorf("schema %v", schema)
		}
		for name := range object["properties"].(map[string]any) {
			found[name] = true
		}
	}
	for _, f := range fields {
		if !found[f.Name] {
			t.Errorf("%s is not in the schema %v", f.Name, schema)
		}
	}
	if len(found) != len(fields) {
		t.Errorf("the schema has the fields %v, the form %d", found, len(fields))
	}
}
