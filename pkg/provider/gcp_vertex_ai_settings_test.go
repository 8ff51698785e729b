package provider_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// TestVertexSettings: what could lead a call elsewhere, or could not be used, is
// refused when it is entered.
func TestVertexSettings(t *testing.T) {
	server := providertest.Start(t, providertest.GCPVertexAI())
	file := server.Credentials["service_account_json"].(string)
	typ, _ := provider.Lookup("gcp_vertex_ai")
	with := func(old, new string) string { return string(encode(t, strings.Replace(file, old, new, 1))) }
	good := `{"project":"my-project","region":"global"}`
	for name, test := range map[string]struct {
		account string // JSON of service_account_json
		config  string
		field   string // the broken one; empty: none
		code    fault.Code
	}{
		"a string":           {string(encode(t, file)), good, "", ""},
		"the object itself":  {file, good, "", ""},
		"with white space":   {string(encode(t, "\n "+file+"\n")), good, "", ""},
		"a project number":   {file, `{"project":"123456789012","region":"us"}`, "", ""},
		"a domain's project": {file, `{"project":"example.com:my-project","region":"europe-west4"}`, "", ""},
		"external_account":   {with("service_account", "external_account"), good, "credentials.service_account_json", fault.Invalid},
		"foreign token_uri":  {with("https://oauth2.googleapis.com/token", "https://evil.example/token"), good, "credentials.service_account_json", fault.Invalid},
		"another universe":   {with(`"googleapis.com"`, `"evil.example"`), good, "credentials.service_account_json", fault.Invalid},
		"not JSON":           {`"hello"`, good, "credentials.service_account_json", fault.Invalid},
		"a broken key":       {with("-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY----"), good, "credentials.service_account_json", fault.Invalid},
		"too long":           {string(encode(t, strings.Replace(file, "{", `{"padding":"`+strings.Repeat("x", 16<<10)+`",`, 1))), good, "credentials.service_account_json", fault.TooLong},
		"nothing":            {`""`, good, "credentials.service_account_json", fault.Required},
		"a host as region":   {file, `{"project":"my-project","region":"evil.example/"}`, "config.region", fault.Invalid},
		"a region and more":  {file, `{"project":"my-project","region":"us-central1.evil.example#"}`, "config.region", fault.Invalid},
		"lines in a region":  {file, `{"project":"my-project","region":"us-\ncentral1"}`, "config.region", fault.Invalid},
		"a path as project":  {file, `{"project":"../../x","region":"global"}`, "config.project", fault.Invalid},
		"no project":         {file, `{"region":"global"}`, "config.project", fault.Required},
		"capitals":           {file, `{"project":"My-Project","region":"global"}`, "config.project", fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			settings, faults := read(t, typ, json.RawMessage(`{"service_account_json":`+test.account+`}`), json.RawMessage(test.config), provider.Stored{})
			if test.field == "" {
				if len(faults) > 0 {
					t.Fatalf("refused: %+v", faults)
				}
				if _, err := typ.Open(settings.Credentials, settings.Config, provider.OpenOptions{Transport: noNetwork{t}}); err != nil {
					t.Errorf("accepted, but: %v", err)
				}
				return
			}
			if len(faults) != 1 || faults[0].Name != test.field || faults[0].Code != test.code {
				t.Fatalf("got %+v, want %s of %s", faults, test.code, test.field)
			}
			if strings.Contains(fmt.Sprint(faults), "evil") {
				t.Errorf("the message holds the value: %+v", faults)
			}
		})
	}
}
