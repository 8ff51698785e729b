package provider_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/secret"
	"modelproviders/pkg/strictjson"
)

func lookup(t testing.TB, name string) *provider.Type {
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

// read reads settings as the API does, and returns all that is wrong with them.
func read(t testing.TB, typ *provider.Type, credentials, config json.RawMessage, stored provider.Stored) (provider.Settings, fault.Fields) {
	t.Helper()
	credentialsRead, problems := members(t, "credentials", credentials)
	configRead, more := members(t, "config", config)
	problems.Add(more)
	settings, more := typ.Read(provider.Request{Credentials: credentialsRead, Config: configRead}, stored)
	problems.Add(more)
	return settings, append(problems.Malformed, problems.Invalid...)
}

// members reads the JSON object of a settings field.
func members(t testing.TB, name string, object json.RawMessage) (map[string]json.RawMessage, fault.Problems) {
	t.Helper()
	var request struct {
		Credentials map[string]json.RawMessage `json:"credentials"`
		Config      map[string]json.RawMessage `json:"config"`
	}
	if len(object) == 0 {
		return nil, fault.Problems{}
	}
	problems, err := strictjson.Decode(fmt.Appendf(nil, "{%q:%s}", name, object), &request)
	if err != nil {
		t.Fatal(err)
	}
	if name == "config" {
		return request.Config, problems
	}
	return request.Credentials, problems
}

// A credential that says nothing new keeps the stored value, and is missing
// where none is stored.
func TestCredentialThatKeepsTheStoredValue(t *testing.T) {
	openAI := lookup(t, "openai")
	for _, raw := range []string{
		``, `{}`, `{"api_key":null}`, `{"api_key":""}`, `{"api_key":" \n\t "}`,
		`{"api_key":"••••••••"}`, `{"api_key":" •••••••• \n"}`,
		`{"api_key":{"set":true,"masked":"••••••••","updated_at":"2026-01-01T00:00:00.000Z"}}`,
		`{"api_key":{"set":true}}`,
	} {
		settings, faults := read(t, openAI, json.RawMessage(raw), nil, provider.Stored{Credentials: []string{"api_key"}})
		if len(faults) > 0 || len(settings.Credentials) > 0 {
			t.Errorf("%s over a stored value: %+v, %d credentials", raw, faults, len(settings.Credentials))
		}
		_, faults = read(t, openAI, json.RawMessage(raw), nil, provider.Stored{})
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
			_, faults := read(t, openAI, raw, nil, stored)
			if diff := cmp.Diff(map[string]fault.Code{"credentials.api_key": want}, codes(faults)); diff != "" {
				t.Errorf("%.20q: %s", value, diff)
			}
			for _, f := range faults {
				if strings.Contains(f.Message, value) {
					t.Errorf("the message holds the value: %q", f.Message)
				}
				if masked := strings.Contains(value, "•") || value[0] == '*'; masked != strings.Contains(f.Message, "not a mask") {
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
		settings, faults := read(t, lookup(t, "openai"), encode(t, map[string]string{"api_key": value}), nil, provider.Stored{})
		if len(faults) > 0 || settings.Credentials["api_key"].Reveal() != want {
			t.Errorf("%.20q: %+v", value, faults)
		}
	}
}

func TestMalformedSettings(t *testing.T) {
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
		_, faults := read(t, lookup(t, c.typ), json.RawMessage(c.credentials), json.RawMessage(c.config), provider.Stored{})
		got := codes(faults)
		for field, code := range got {
			if c.want[field] == "" && (code == fault.Required || strings.HasSuffix(field, "service_account_json")) {
				delete(got, field) // well-formed, but no settings to open a client with
			}
		}
		if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
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
		{typ: "azure_openai", config: `null`, faults: map[string]fault.Code{"config": fault.Required, "config.base_url": fault.Required, "config.api_version": fault.Required}},
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
		{typ: "aws_bedrock", config: `{"region":"us-gov-west-1","role_arn":"arn:aws-us-gov:iam::123456789012:role/team/a+b=c,d.e@f_g-1","external_id":"a:b/c=1"}`,
			want: map[string]string{"region": "us-gov-west-1", "role_arn": "arn:aws-us-gov:iam::123456789012:role/team/a+b=c,d.e@f_g-1", "external_id": "a:b/c=1"}},
		{typ: "aws_bedrock", config: bedrockRole("arn:aws:iam::123456789012:user/app", "ab"), faults: map[string]fault.Code{"config.role_arn": fault.Invalid}},
		{typ: "aws_bedrock", config: bedrockRole("arn:aws:iam::12345:role/app", "ab"), faults: map[string]fault.Code{"config.role_arn": fault.Invalid}},
		{typ: "aws_bedrock", config: bedrockRole("arn:aws:iam::123456789012:role/a&Action=b", "ab"), faults: map[string]fault.Code{"config.role_arn": fault.Invalid}},
		{typ: "aws_bedrock", config: bedrockRole("", "ab"), faults: map[string]fault.Code{"config.role_arn": fault.Required}},
		{typ: "aws_bedrock", config: bedrockRole("arn:aws:iam::123456789012:role/app", "a"), faults: map[string]fault.Code{"config.external_id": fault.Invalid}},
		{typ: "aws_bedrock", config: bedrockRole("arn:aws:iam::123456789012:role/app", "a b"), faults: map[string]fault.Code{"config.external_id": fault.Invalid}},
		{typ: "aws_bedrock", config: bedrockRole("arn:aws:iam::123456789012:role/app", strings.Repeat("a", 1225)), faults: map[string]fault.Code{"config.external_id": fault.TooLong}},
		{typ: "openai", config: `{}`, want: map[string]string{}},
		{typ: "openai", config: `null`, faults: map[string]fault.Code{"config": fault.Required}},
		{typ: "openai", stored: map[string]string{"left_over": "x"}, want: map[string]string{}},
	} {
		typ := lookup(t, c.typ)
		settings, faults := read(t, typ, nil, json.RawMessage(c.config), provider.Stored{Credentials: requiredCredentials(typ), Config: c.stored})
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

// bedrockRole is a config of AWS Bedrock with a role.
func bedrockRole(arn, externalID string) string {
	return `{"region":"us-east-1","role_arn":"` + arn + `","external_id":"` + externalID + `"}`
}

func TestReadTellsEveryBrokenField(t *testing.T) {
	_, faults := read(t, lookup(t, "azure_openai"),
		json.RawMessage(`{"api_key":"***"}`), json.RawMessage(`{"base_url":"ftp://h","api_version":"soon"}`), provider.Stored{})
	want := map[string]fault.Code{"credentials.api_key": fault.Invalid, "config.base_url": fault.Invalid, "config.api_version": fault.Invalid}
	if diff := cmp.Diff(want, codes(faults)); diff != "" {
		t.Error(diff)
	}
}

func TestReadFailsClosedOnMalformedSettings(t *testing.T) {
	_, faults := read(t, lookup(t, "custom"),
		json.RawMessage(`{"api_key":7}`), json.RawMessage(`{"base_url":"https://h","x":1}`), provider.Stored{Credentials: []string{"api_key"}})
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

// TestNullIsNoValue: the message says how to remove a value instead.
func TestNullIsNoValue(t *testing.T) {
	_, faults := read(t, lookup(t, "aws_bedrock"), json.RawMessage(`{"api_key":"ABSK1"}`), json.RawMessage(`{"region":null,"role_arn":null}`), provider.Stored{})
	if len(faults) != 2 || strings.Contains(faults[0].Message, "empty string") || !strings.Contains(faults[1].Message, "an empty string removes") {
		t.Errorf("%+v", faults)
	}
}
