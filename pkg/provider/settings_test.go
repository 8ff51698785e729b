package provider_test

import (
	"encoding/json"
	"maps"
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

func TestOpenNeedsEveryCredential(t *testing.T) {
	_, err := lookup(t, "aws_bedrock").Open(map[string]secret.Text{"access_key_id": secret.NewText("AKIA")}, map[string]string{"region": "us-east-1"}, provider.OpenOptions{})
	if !fault.Is(err, fault.Internal) {
		t.Errorf("error %v", err)
	}
}
