package provider

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/secret"
)

// twoMethods is a made-up type with two authentication methods, and with optional fields
// of one method and of both.
var twoMethods = register(Type{
	form: Form{
		Type: "two_methods", Label: "Two",
		AuthMethods: []AuthMethod{{"pair", "Key pair"}, {"login", "Login"}},
	},
}, func(c twoMethodsCredentials, f twoMethodsConfig, _ environment) (upstream, error) {
	return openedWith{credentials: c, config: f}, nil
})

type twoMethodsCredentials struct {
	ID       secret.Text `json:"id" label:"ID" kind:"secret" auth_method:"pair" validate:"required,max=10,printascii"`
	Key      secret.Text `json:"key" label:"Key" kind:"secret" auth_method:"pair" validate:"required,max=10,printascii"`
	Session  secret.Text `json:"session" label:"Session" kind:"secret" auth_method:"pair" validate:"max=10,printascii"`
	Password secret.Text `json:"password" label:"Password" kind:"secret" auth_method:"login" validate:"required,max=10,printascii"`
	Extra    secret.Text `json:"extra" label:"Extra" kind:"secret" validate:"max=10,printascii"`
}

type twoMethodsConfig struct {
	Region string `json:"region" label:"Region" kind:"text" validate:"required,max=10"`
	Role   string `json:"role" label:"Role" kind:"text" auth_method:"pair" validate:"max=10" pattern:"^r[0-9]$" message:"must be a role"`
	Proof  string `json:"proof" label:"Proof" kind:"text" auth_method:"pair" needs:"role" validate:"max=10"`
	Note   string `json:"note" label:"Note" kind:"text" validate:"max=10"`
	User   string `json:"user" label:"User" kind:"text" auth_method:"login" validate:"required,max=10"`
}

type openedWith struct {
	upstream
	credentials twoMethodsCredentials
	config      twoMethodsConfig
}

// settingsRead is what [Type.Read] makes of a request.
type settingsRead struct {
	credentials, removed []string
	config               map[string]string
	problems             []string
}

func readTwoMethods(t *testing.T, credentials, config string, stored Stored) settingsRead {
	t.Helper()
	var request Request
	for text, into := range map[string]*map[string]json.RawMessage{credentials: &request.Credentials, config: &request.Config} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	settings, problems := twoMethods.Read(request, stored)
	got := settingsRead{removed: settings.Removed, config: settings.Config}
	for name := range settings.Credentials {
		got.credentials = append(got.credentials, name)
	}
	slices.Sort(got.credentials)
	for _, f := range slices.Concat(problems.Malformed, problems.Invalid) {
		got.problems = append(got.problems, f.Name+" "+string(f.Code))
	}
	return got
}

const (
	pair   = `{"id":"a","key":"b"}`
	login  = `{"password":"p"}`
	region = `{"region":"x"}`
	user   = `{"region":"x","user":"u"}`
)

func TestAuthMethodsOfNewSettings(t *testing.T) {
	for _, c := range []struct {
		credentials, config string
		want                settingsRead
	}{
		{pair, region, settingsRead{credentials: []string{"id", "key"}, config: map[string]string{"region": "x"}}},
		{`{"id":"a","key":"b","session":"s","extra":"e"}`, `{"region":"x","role":"r1","proof":"p","note":"n"}`,
			settingsRead{credentials: []string{"extra", "id", "key", "session"}, config: map[string]string{"region": "x", "role": "r1", "proof": "p", "note": "n"}}},
		{`{"id":"a","key":"b","session":"","password":null,"extra":{"set":false}}`, `{"region":"x","role":"","user":" "}`,
			settingsRead{credentials: []string{"id", "key"}, config: map[string]string{"region": "x"}}},
		{login, user, settingsRead{credentials: []string{"password"}, config: map[string]string{"region": "x", "user": "u"}}},

		{`{}`, `{}`, settingsRead{problems: []string{"credentials.id required", "credentials.key required", "config.region required"}}},
		{`{"extra":"e"}`, region, settingsRead{problems: []string{"credentials.id required", "credentials.key required"}}},
		{`{"id":"a"}`, region, settingsRead{problems: []string{"credentials.key required"}}},
		{`{"session":"s"}`, region, settingsRead{problems: []string{"credentials.id required", "credentials.key required"}}},
		{`{}`, `{"region":"x","role":"r1"}`, settingsRead{problems: []string{"credentials.id required", "credentials.key required"}}},
		{login, region, settingsRead{problems: []string{"config.user required"}}},
		{`{}`, user, settingsRead{problems: []string{"credentials.password required"}}},
		{`{"id":"a","key":"b","password":"p"}`, user, settingsRead{problems: []string{"credentials.password invalid", "config.user invalid"}}},
		{`{"id":"a","password":"p"}`, region, settingsRead{problems: []string{"credentials.key required", "credentials.password invalid"}}},
		{login, `{"region":"x","user":"u","role":"r1"}`, settingsRead{problems: []string{"credentials.id required", "credentials.key required", "credentials.password invalid", "config.user invalid"}}},
		{pair, `{"region":"x","proof":"p"}`, settingsRead{problems: []string{"config.role required"}}},
		{`{"id":"a","key":"***"}`, `{"region":"x","role":"x"}`, settingsRead{problems: []string{"credentials.key invalid", "config.role invalid"}}},
		{`{"id":"a","key":5,"password":6}`, `{"region":7}`, settingsRead{problems: []string{"credentials.key invalid", "credentials.password invalid", "config.region invalid"}}},
		{pair, `{"region":"x","role":null}`, settingsRead{problems: []string{"config.role required"}}},
		{`{"id":{"set":"no"},"key":{"set":true,"value":"k"}}`, region, settingsRead{problems: []string{"credentials.id invalid", "credentials.key invalid"}}},
	} {
		got := readTwoMethods(t, c.credentials, c.config, Stored{})
		if len(c.want.problems) > 0 {
			got.credentials, got.config = nil, nil
		}
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(settingsRead{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s %s: %s", c.credentials, c.config, diff)
		}
	}
}

func TestAuthMethodsOfAnEdit(t *testing.T) {
	aPair := Stored{Credentials: []string{"extra", "id", "key", "session"}, Config: map[string]string{"region": "x", "role": "r1", "proof": "p"}}
	aLogin := Stored{Credentials: []string{"password"}, Config: map[string]string{"region": "x", "user": "u"}}
	unchanged := func(s Stored) settingsRead { return settingsRead{config: s.Config} }
	for name, c := range map[string]struct {
		stored              Stored
		credentials, config string
		want                settingsRead
	}{
		"nothing": {aPair, `{}`, `{}`, unchanged(aPair)},
		"what was answered": {aPair,
			`{"id":{"set":true},"key":{"set":true,"masked":"••••••••"},"session":{"set":true},"password":{"set":false},"extra":{"set":true}}`,
			`{"region":"x","role":"r1","proof":"p"}`, unchanged(aPair)},
		"what was answered of a login": {aLogin, `{"id":{"set":false},"password":{"set":true}}`, user, unchanged(aLogin)},
		"a value of the same method":   {aPair, `{"session":"new"}`, `{}`, settingsRead{credentials: []string{"session"}, config: aPair.Config}},
		"an optional one is removed":   {aPair, `{"session":{"set":false},"extra":{"set":false}}`, `{}`, settingsRead{removed: []string{"extra", "session"}, config: aPair.Config}},
		"config is removed":            {aPair, `{}`, `{"role":"","proof":""}`, settingsRead{config: map[string]string{"region": "x"}}},
		"the other method": {aPair, login, `{"user":"u"}`,
			settingsRead{credentials: []string{"password"}, removed: []string{"id", "key", "session"}, config: map[string]string{"region": "x", "user": "u"}}},
		"the other method in what was answered": {aLogin, `{"id":"a","key":"b","password":{"set":true}}`, user,
			settingsRead{credentials: []string{"id", "key"}, removed: []string{"password"}, config: map[string]string{"region": "x"}}},

		"a required one is removed":        {aPair, `{"key":{"set":false}}`, `{}`, settingsRead{problems: []string{"credentials.key required"}}},
		"all of a method are removed":      {aLogin, `{"password":{"set":false}}`, `{"user":""}`, settingsRead{problems: []string{"credentials.id required", "credentials.key required"}}},
		"what another needs is removed":    {aPair, `{}`, `{"role":""}`, settingsRead{problems: []string{"config.role required"}}},
		"a part of the other method":       {aPair, login, `{}`, settingsRead{problems: []string{"config.user required"}}},
		"both methods, pair is stored":     {aPair, `{"key":"new","password":"p"}`, `{"user":"u"}`, settingsRead{problems: []string{"credentials.password invalid", "config.user invalid"}}},
		"both methods, a login is stored":  {aLogin, `{"id":"a","key":"b","password":"p"}`, `{"role":"r1"}`, settingsRead{problems: []string{"credentials.id invalid", "credentials.key invalid", "config.role invalid"}}},
		"a required credential of none":    {Stored{Config: map[string]string{"region": "x"}}, `{}`, `{}`, settingsRead{problems: []string{"credentials.id required", "credentials.key required"}}},
		"an invalid one of another method": {aPair, `{"password":"***"}`, `{"user":"u"}`, settingsRead{problems: []string{"credentials.password invalid"}}},
	} {
		got := readTwoMethods(t, c.credentials, c.config, c.stored)
		slices.Sort(got.removed)
		if len(c.want.problems) > 0 {
			got.credentials, got.config, got.removed = nil, nil, nil
		}
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(settingsRead{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestProblemsSayWhatElseIsPossible: who gives no credentials, or those of two methods,
// learns what the methods are.
func TestProblemsSayWhatElseIsPossible(t *testing.T) {
	for credentials, want := range map[string]string{
		`{}`:                                  "is required, or, for Login, credentials.password and config.user",
		`{"session":"s"}`:                     "is required with Key pair",
		`{"id":"a","key":"b","password":"p"}`: "can't be combined with the fields of Key pair",
	} {
		var request map[string]json.RawMessage
		if err := json.Unmarshal([]byte(credentials), &request); err != nil {
			t.Fatal(err)
		}
		_, problems := twoMethods.Read(Request{Credentials: request}, Stored{Config: map[string]string{"region": "x"}})
		if got := problems.Invalid[0].Message; got != want {
			t.Errorf("%s: %q, want %q", credentials, got, want)
		}
	}
}

// TestSchemasOfAuthMethods: the schemas accept what Read accepts. A rule about fields of
// both parts is in none.
func TestSchemasOfAuthMethods(t *testing.T) {
	form := twoMethods.Form()
	credentials, config := compiled(t, form.CredentialsSchema), compiled(t, form.ConfigSchema)
	for text, valid := range map[string]bool{
		pair: true, `{"id":"a","key":"b","session":"s","extra":"e"}`: true, login: true, `{"password":"p","extra":"e"}`: true, `{"id":"a","key":"b","extra":""}`: true,
		`{}`: false, `{"id":"a"}`: false, `{"extra":"e"}`: false, `{"id":"a","key":"b","password":"p"}`: false, `{"password":"p","session":"s"}`: false, `{"password":""}`: false, `{"password":"p","other":"x"}`: false,
	} {
		if err := credentials.Validate(jsonOf(t, text)); (err == nil) != valid {
			t.Errorf("credentials %s: %v", text, err)
		}
		if got := readTwoMethods(t, text, user, Stored{}); !strings.Contains(text, "id") && (len(got.problems) == 0) != valid {
			t.Errorf("credentials %s are read with %v", text, got.problems)
		}
	}
	for text, valid := range map[string]bool{
		region: true, user: true, `{"region":"x","role":"r1","proof":"p"}`: true, `{"region":"x","role":"","note":"n"}`: true,
		`{}`: false, `{"user":"u"}`: false, `{"region":"x","proof":"p"}`: false, `{"region":"x","user":"u","role":"r1"}`: false, `{"region":"x","role":"s"}`: false,
	} {
		if err := config.Validate(jsonOf(t, text)); (err == nil) != valid {
			t.Errorf("config %s: %v", text, err)
		}
	}
}

// TestSchemaOfMethodsThatRequireNothing: where a part of the settings does not tell which
// method is used, all of its fields may be given.
func TestSchemaOfMethodsThatRequireNothing(t *testing.T) {
	fields := []field{{FormField: FormField{Name: "a", AuthMethod: "pair"}}, {FormField: FormField{Name: "b", AuthMethod: "login"}}}
	schema := schemaOf("x", fields, twoMethods.form.AuthMethods)
	if err := compiled(t, schema).Validate(jsonOf(t, `{"a":"","b":"x"}`)); err != nil || schema["oneOf"] != nil {
		t.Errorf("%v: %v", schema, err)
	}
}

func compiled(t *testing.T, schema map[string]any) *jsonschema.Schema {
	t.Helper()
	text, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("schema.json", jsonOf(t, string(text))); err != nil {
		t.Fatal(err)
	}
	return compiler.MustCompile("schema.json")
}

func jsonOf(t *testing.T, text string) any {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestFormTellsAuthMethods(t *testing.T) {
	form := twoMethods.Form()
	var got []string
	for _, f := range slices.Concat(form.Credentials, form.Config) {
		got = append(got, strings.Join([]string{f.Name, f.AuthMethod, f.Needs}, " "))
	}
	want := []string{"id pair ", "key pair ", "session pair ", "password login ", "extra  ", "region  ", "role pair ", "proof pair role", "note  ", "user login "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]AuthMethod{{"pair", "Key pair"}, {"login", "Login"}}, form.AuthMethods); diff != "" {
		t.Error(diff)
	}
}

func TestOpenWithoutOptionalCredentials(t *testing.T) {
	open := func(config map[string]string, credentials ...string) (openedWith, error) {
		texts := map[string]secret.Text{}
		for _, name := range credentials {
			texts[name] = secret.NewText(name + "-value")
		}
		c, err := twoMethods.Open(texts, config, OpenOptions{})
		if err != nil {
			return openedWith{}, err
		}
		return c.(*client).upstream.(openedWith), nil
	}
	up, err := open(map[string]string{"region": "x"}, "id", "key")
	if err != nil || up.credentials.Key.Reveal() != "key-value" || !up.credentials.Session.Empty() || !up.credentials.Password.Empty() {
		t.Errorf("a key pair: %v", err)
	}
	up, err = open(map[string]string{"region": "x", "user": "u"}, "password")
	if err != nil || up.credentials.Password.Empty() || !up.credentials.ID.Empty() || up.config.User != "u" {
		t.Errorf("a login: %v", err)
	}
	for _, names := range [][]string{nil, {"id"}, {"session"}, {"extra"}} {
		if _, err := open(map[string]string{"region": "x"}, names...); !fault.Is(err, fault.Internal) {
			t.Errorf("with only %v: %v", names, err)
		}
	}
	if _, err := open(map[string]string{"region": "x", "user": "u"}); !fault.Is(err, fault.Internal) {
		t.Errorf("a user without a password: %v", err)
	}
}

func TestUnknownAuthMethodsAndFieldsPanic(t *testing.T) {
	type wrongMethod struct {
		A secret.Text `json:"a" kind:"secret" auth_method:"other" validate:"max=1"`
	}
	type wrongNeed struct {
		A secret.Text `json:"a" kind:"secret" needs:"other" validate:"max=1"`
	}
	for name, call := range map[string]func(){
		"method": func() {
			register(Type{}, func(wrongMethod, struct{}, environment) (upstream, error) { return nil, nil })
		},
		"field": func() { register(Type{}, func(wrongNeed, struct{}, environment) (upstream, error) { return nil, nil }) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("an unknown %s is taken", name)
				}
			}()
			call()
		}()
	}
}
