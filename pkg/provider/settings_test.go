package provider_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/secret"
)

func lookup(t testing.TB, name string) provider.Type {
	t.Helper()
	typ, ok := provider.Lookup(name)
	if !ok {
		t.Fatalf("there is no type %q", name)
	}
	return typ
}

// codes are the broken fields and what is wrong with them.
func codes(faults fault.Fields) map[string]fault.Code {
	out := map[string]fault.Code{}
	for _, f := range faults {
		out[f.Name] = f.Code
	}
	return out
}

func TestTypesAreTheContracts(t *testing.T) {
	names := make([]string, 0, len(provider.Types()))
	for _, typ := range provider.Types() {
		names = append(names, typ.Name()+" "+typ.Form().Label+" "+strings.Join(typ.CredentialFields(), ","))
	}
	want := []string{
		"openai OpenAI api_key",
		"anthropic Anthropic api_key",
		"azure_openai Azure OpenAI api_key",
		"aws_bedrock AWS Bedrock access_key_id,secret_access_key",
		"gcp_vertex_ai GCP Vertex AI service_account_json",
		"custom Custom (LiteLLM) api_key",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	if _, ok := provider.Lookup("openrouter"); ok {
		t.Error("an unknown type was found")
	}
}

// A credential that says nothing new keeps the stored value, and is missing
// where none is stored.
func TestCredentialThatKeepsTheStoredValue(t *testing.T) {
	openAI := lookup(t, "openai")
	for _, raw := range []string{
		``, `null`, `{}`, `{"api_key":null}`, `{"api_key":""}`, `{"api_key":" \n\t "}`,
		`{"api_key":"••••••••"}`, `{"api_key":" •••••••• \n"}`,
		`{"api_key":{"set":true,"masked":"••••••••","updated_at":"2026-01-01T00:00:00.000Z"}}`,
		`{"api_key":{"set":true}}`,
	} {
		request := provider.Request{Credentials: json.RawMessage(raw)}
		if shape := openAI.CheckShape(request.Credentials, nil); len(shape) > 0 {
			t.Errorf("%s is malformed: %+v", raw, shape)
		}
		settings, faults := openAI.Read(request, provider.Stored{Credentials: []string{"api_key"}})
		if len(faults) > 0 || len(settings.Credentials) > 0 {
			t.Errorf("%s over a stored value: %+v, %d credentials", raw, faults, len(settings.Credentials))
		}
		_, faults = openAI.Read(request, provider.Stored{})
		if diff := cmp.Diff(map[string]fault.Code{"credentials.api_key": fault.Required}, codes(faults)); diff != "" {
			t.Errorf("%s without a stored value: %s", raw, diff)
		}
	}
}

func TestCredentialThatIsRefused(t *testing.T) {
	openAI := lookup(t, "openai")
	for value, want := range map[string]fault.Code{
		"•":                       fault.Invalid,
		"•••••••":                 fault.Invalid,
		"•••••••••":               fault.Invalid,
		"sk-••••1234":             fault.Invalid,
		"*":                       fault.Invalid,
		"********":                fault.Invalid,
		"sk-\u00e9":               fault.Invalid,
		"sk-1\nsk-2":              fault.Invalid,
		"sk-\x00":                 fault.Invalid,
		strings.Repeat("k", 4097): fault.TooLong,
	} {
		for _, stored := range []provider.Stored{{}, {Credentials: []string{"api_key"}}} {
			raw := encode(t, map[string]string{"api_key": value})
			_, faults := openAI.Read(provider.Request{Credentials: raw}, stored)
			if diff := cmp.Diff(map[string]fault.Code{"credentials.api_key": want}, codes(faults)); diff != "" {
				t.Errorf("%.20q: %s", value, diff)
			}
			for _, f := range faults {
				if strings.Contains(f.Message, value) {
					t.Errorf("the message holds the value: %q", f.Message)
				}
				if masked := strings.Contains(value, "•") || value[0] == '*'; masked != strings.Contains(f.Message, "looks like a mask") {
					t.Errorf("%.20q: the message is %q", value, f.Message)
				}
			}
		}
	}
}

func TestCredentialIsTrimmed(t *testing.T) {
	for value, want := range map[string]string{
		"  sk-1\n":                "sk-1",
		"sk-1\r\n\t":              "sk-1",
		"a b":                     "a b",
		"**a**":                   "**a**",
		strings.Repeat("k", 4096): strings.Repeat("k", 4096),
	} {
		settings, faults := lookup(t, "openai").Read(provider.Request{Credentials: encode(t, map[string]string{"api_key": value})}, provider.Stored{})
		if len(faults) > 0 || settings.Credentials["api_key"].Reveal() != want {
			t.Errorf("%.20q: %+v", value, faults)
		}
	}
}

func TestCheckShape(t *testing.T) {
	for _, c := range []struct {
		typ, credentials, config string
		want                     map[string]fault.Code
	}{
		{"openai", `{"api_key":"sk-1"}`, `{}`, nil},
		{"openai", ``, ``, nil},
		{"openai", `{"api_key":5}`, ``, map[string]fault.Code{"credentials.api_key": fault.Invalid}},
		{"openai", `{"api_key":["sk"]}`, ``, map[string]fault.Code{"credentials.api_key": fault.Invalid}},
		{"openai", `{"api_key":{}}`, ``, map[string]fault.Code{"credentials.api_key": fault.Invalid}},
		{"openai", `{"api_key":{"set":true,"value":"sk"}}`, ``, map[string]fault.Code{"credentials.api_key": fault.Invalid}},
		{"openai", `{"api_key":"a","api_key":"b"}`, ``, map[string]fault.Code{"credentials.api_key": fault.Duplicate}},
		{"openai", `{"apikey":"a"}`, ``, map[string]fault.Code{"credentials.apikey": fault.Unknown}},
		{"openai", `{"api_key":"a"}`, `{"base_url":"https://a"}`, map[string]fault.Code{"config.base_url": fault.Unknown}},
		{"openai", `[]`, `"x"`, map[string]fault.Code{"credentials": fault.Invalid, "config": fault.Invalid}},
		{"custom", ``, `{"base_url":5}`, map[string]fault.Code{"config.base_url": fault.Invalid}},
		{"custom", ``, `{"base_url":{"set":true}}`, map[string]fault.Code{"config.base_url": fault.Invalid}},
		{"custom", ``, `{"base_url":null}`, nil},
		{"azure_openai", ``, `{"base_url":"https://a","base_url":"https://b","region":"x"}`, map[string]fault.Code{"config.base_url": fault.Duplicate, "config.region": fault.Unknown}},
		{"gcp_vertex_ai", `{"service_account_json":{"type":"service_account"}}`, ``, nil},
		{"gcp_vertex_ai", `{"service_account_json":{"type":"a","type":"b"}}`, ``, map[string]fault.Code{"credentials.service_account_json.type": fault.Duplicate}},
		{"gcp_vertex_ai", `{"service_account_json":[1]}`, ``, map[string]fault.Code{"credentials.service_account_json": fault.Invalid}},
	} {
		faults := lookup(t, c.typ).CheckShape(json.RawMessage(c.credentials), json.RawMessage(c.config))
		if c.want == nil {
			c.want = map[string]fault.Code{}
		}
		if diff := cmp.Diff(c.want, codes(faults)); diff != "" {
			t.Errorf("%s %s %s: %s", c.typ, c.credentials, c.config, diff)
		}
	}
}

func TestConfig(t *testing.T) {
	const base = `"base_url":"https://r.openai.azure.com"`
	for _, c := range []struct {
		typ, config string
		stored      map[string]string
		want        map[string]string // nil: refused
		faults      map[string]fault.Code
	}{
		{typ: "azure_openai", config: `{` + base + `,"api_version":" 2024-10-21 "}`, want: map[string]string{"base_url": "https://r.openai.azure.com", "api_version": "2024-10-21"}},
		{typ: "azure_openai", config: ``, faults: map[string]fault.Code{"config.base_url": fault.Required, "config.api_version": fault.Required}},
		{typ: "azure_openai", config: `null`, faults: map[string]fault.Code{"config": fault.Required}},
		{typ: "azure_openai", config: `{` + base + `,"api_version":null}`, faults: map[string]fault.Code{"config.api_version": fault.Required}},
		{typ: "azure_openai", config: `{` + base + `,"api_version":" "}`, faults: map[string]fault.Code{"config.api_version": fault.Required}},
		{typ: "azure_openai", config: `{"api_version":"v1"}`, stored: map[string]string{"base_url": "https://kept", "api_version": "2024-10-21"}, want: map[string]string{"base_url": "https://kept", "api_version": "v1"}},
		{typ: "azure_openai", config: `{"api_version":""}`, stored: map[string]string{"base_url": "https://kept", "api_version": "2024-10-21"}, faults: map[string]fault.Code{"config.api_version": fault.Required}},
		{typ: "azure_openai", config: `{"api_version":null}`, stored: map[string]string{"base_url": "https://kept", "api_version": "2024-10-21"}, faults: map[string]fault.Code{"config.api_version": fault.Required}},
		{typ: "azure_openai", config: `{` + base + `,"api_version":"2024-10-21/../x"}`, faults: map[string]fault.Code{"config.api_version": fault.Invalid}},
		{typ: "azure_openai", config: `{` + base + `,"api_version":"V1"}`, faults: map[string]fault.Code{"config.api_version": fault.Invalid}},
		{typ: "azure_openai", config: `{"base_url":"http://r.openai.azure.com","api_version":"latest"}`, faults: map[string]fault.Code{"config.base_url": fault.Invalid}},
		{typ: "custom", config: `{"base_url":"http://h:4000/v1/"}`, want: map[string]string{"base_url": "http://h:4000/v1/"}},
		{typ: "custom", config: `{"base_url":"http://h\u0000"}`, faults: map[string]fault.Code{"config.base_url": fault.Invalid}},
		{typ: "custom", config: `{"base_url":"http://h/` + strings.Repeat("a", 2100) + `"}`, faults: map[string]fault.Code{"config.base_url": fault.TooLong}},
		{typ: "openai", config: `{}`, want: map[string]string{}},
		{typ: "openai", config: `null`, faults: map[string]fault.Code{"config": fault.Required}},
		{typ: "openai", stored: map[string]string{"left_over": "x"}, want: map[string]string{}},
	} {
		typ := lookup(t, c.typ)
		settings, faults := typ.Read(provider.Request{Config: json.RawMessage(c.config)}, provider.Stored{Credentials: typ.CredentialFields(), Config: c.stored})
		if c.faults == nil {
			c.faults = map[string]fault.Code{}
		}
		if diff := cmp.Diff(c.faults, codes(faults)); diff != "" {
			t.Errorf("%s %s: %s", c.typ, c.config, diff)
		}
		if c.want != nil && !maps.Equal(c.want, settings.Config) {
			t.Errorf("%s %s: config is %v", c.typ, c.config, settings.Config)
		}
	}
}

func TestReadTellsEveryBrokenField(t *testing.T) {
	_, faults := lookup(t, "azure_openai").Read(provider.Request{
		Credentials: json.RawMessage(`{"api_key":"***"}`),
		Config:      json.RawMessage(`{"base_url":"ftp://h","api_version":"soon"}`),
	}, provider.Stored{})
	want := map[string]fault.Code{"credentials.api_key": fault.Invalid, "config.base_url": fault.Invalid, "config.api_version": fault.Invalid}
	if diff := cmp.Diff(want, codes(faults)); diff != "" {
		t.Error(diff)
	}
}

func TestReadFailsClosedOnMalformedSettings(t *testing.T) {
	_, faults := lookup(t, "custom").Read(provider.Request{
		Credentials: json.RawMessage(`{"api_key":7}`), Config: json.RawMessage(`{"base_url":"https://h","x":1}`),
	}, provider.Stored{Credentials: []string{"api_key"}})
	want := map[string]fault.Code{"credentials.api_key": fault.Invalid, "config.x": fault.Unknown}
	if diff := cmp.Diff(want, codes(faults)); diff != "" {
		t.Error(diff)
	}
}

func TestForm(t *testing.T) {
	form := lookup(t, "azure_openai").Form()
	want := []provider.FormField{
		{Name: "base_url", Label: "Base URL", Kind: "url", Required: true, Placeholder: "https://my-resource.openai.azure.com", Help: form.Config[0].Help},
		{Name: "api_version", Label: "API Version", Kind: "text", Required: true, Placeholder: "2024-10-21", Help: form.Config[1].Help,
			Pattern: `^(v1|preview|latest|[0-9]{4}-[0-9]{2}-[0-9]{2}(-preview)?)$`},
	}
	if diff := cmp.Diff(want, form.Config); diff != "" {
		t.Error(diff)
	}
	if form.ModelIDLabel != "Deployment name" || form.ModelIDPlaceholder != "gpt-4o-prod" {
		t.Errorf("model id: %q, %q", form.ModelIDLabel, form.ModelIDPlaceholder)
	}
	for _, typ := range provider.Types() {
		form := typ.Form()
		if form.Type != typ.Name() || form.Label == "" || form.Description == "" || form.Icon == "" || form.ModelIDPlaceholder == "" || !strings.HasPrefix(form.DocsURL, "https://") {
			t.Errorf("%s: the form is incomplete: %+v", typ.Name(), form)
		}
		for _, f := range append(slices.Clone(form.Credentials), form.Config...) {
			if f.Label == "" || f.Help == "" || !f.Required {
				t.Errorf("%s: field %+v", typ.Name(), f)
			}
		}
		for i, name := range typ.CredentialFields() {
			if form.Credentials[i].Name != name || !strings.HasPrefix(form.Credentials[i].Kind, "secret") {
				t.Errorf("%s: credential %+v", typ.Name(), form.Credentials[i])
			}
		}
	}
}

func TestSchemas(t *testing.T) {
	want := `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "additionalProperties": false,
  "properties": {
    "api_key": {
      "description": "One of the two keys of the resource, under Keys and Endpoint in the Azure portal.",
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
  "title": "Azure OpenAI credentials",
  "type": "object"
}`
	got, err := json.MarshalIndent(lookup(t, "azure_openai").Form().CredentialsSchema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	for _, typ := range provider.Types() {
		form := typ.Form()
		for _, schema := range []map[string]any{form.CredentialsSchema, form.ConfigSchema} {
			if schema["type"] != "object" || schema["additionalProperties"] != false {
				t.Errorf("%s: schema %v", typ.Name(), schema)
			}
		}
		if len(form.ConfigSchema["properties"].(map[string]any)) != len(form.Config) {
			t.Errorf("%s: the schema has other fields than the form", typ.Name())
		}
	}
	property := lookup(t, "gcp_vertex_ai").Form().CredentialsSchema["properties"].(map[string]any)["service_account_json"].(map[string]any)
	if diff := cmp.Diff([]string{"string", "object"}, property["type"]); diff != "" {
		t.Error(diff)
	}
}

func TestOpenNeedsEveryCredential(t *testing.T) {
	_, err := lookup(t, "aws_bedrock").Open(map[string]secret.Text{"access_key_id": secret.NewText("AKIA")}, map[string]string{"region": "us-east-1"}, provider.OpenOptions{})
	if !fault.Is(err, fault.Internal) {
		t.Errorf("error %v", err)
	}
}

func TestEndpoints(t *testing.T) {
	e, err := provider.ParseEndpoints(" openai=https://Host.example/v1/ , anthropic=http://127.0.0.1:9,aws_bedrock=https://b,gcp_vertex_ai=https://v,google_token=http://t:81/token ,")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]string{
		"openai":        {"https://host.example/v1", ""},
		"anthropic":     {"http://127.0.0.1:9", ""},
		"gcp_vertex_ai": {"https://v", "http://t:81/token"},
		"custom":        {"", ""},
		"nonsense":      {"", ""},
	} {
		endpoint, token := e.For(name)
		if got := [2]string{endpoint, token}; got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := e.Origins("gcp_vertex_ai"); !slices.Equal(got, []string{"https://v", "http://t:81"}) {
		t.Errorf("origins %q", got)
	}
	if got := e.Origins("openai"); !slices.Equal(got, []string{"https://host.example"}) {
		t.Errorf("origins %q", got)
	}
	if got := e.Origins("custom"); got != nil {
		t.Errorf("origins %q", got)
	}
	var none provider.Endpoints
	if endpoint, token := none.For("openai"); endpoint+token != "" || none.Origins("openai") != nil {
		t.Error("the zero value has endpoints")
	}
}

func TestEndpointsThatAreRefused(t *testing.T) {
	for _, list := range []string{
		"custom=https://h", "azure_openai=https://h", "openrouter=https://h", "openai", "openai=", "=https://h", "openai=h",
		"openai=ftp://h", "openai=https://u:p@h", "openai=https://h?x=1", "openai=https://h#f", "openai=https://h/../x", "openai=https://",
		"openai=https://a,openai=https://b",
	} {
		if _, err := provider.ParseEndpoints(list); err == nil {
			t.Errorf("%q is accepted", list)
		}
	}
}
