package api_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"

	"modelproviders/api/apitest"
)

// setting is one value of one setting of a type.
type setting struct {
	typ, part, field string
	value            any
}

// body is an accepted provider with that one setting in it.
func (s setting) body(t *testing.T) object {
	body := object{"name": apitest.UniqueName(s.typ)}
	maps.Copy(body, apitest.Settings(t)[s.typ])
	body[s.part].(object)[s.field] = s.value
	return body
}

func TestSettingsRefused(t *testing.T) {
	type refusal struct {
		setting
		code string
	}
	var refusals []refusal
	refuse := func(typ, field, code string, values ...any) {
		part, name, _ := strings.Cut(field, ".")
		for _, value := range values {
			refusals = append(refusals, refusal{setting{typ, part, name, value}, code})
		}
	}
	long := strings.Repeat("k", 4097)
	for typ, fields := range map[string][]string{
		"openai": {"api_key"}, "anthropic": {"api_key"}, "azure_openai": {"api_key"}, "custom": {"api_key"},
		"aws_bedrock": {"access_key_id", "secret_access_key"},
	} {
		for _, field := range fields {
			refuse(typ, "credentials."+field, "too_long", long)
			refuse(typ, "credentials."+field, "invalid", "sk-ключ", "a\nb", "a\x00b", "a\tb", "a\u00a0b", "a\x7fb", "“quoted”")
		}
	}
	refuse("aws_bedrock", "config.region", "required", "", " ", nil)
	refuse("aws_bedrock", "config.region", "invalid", "us-east", "US-EAST-1", "us_east_1", "useast1", "us-east-1a", "u-east-1", "us-east-1.evil.com", "us-east-1/x",
		"us-east-1@evil.com", "us-east-1#", "us-east-1?x=", "us-east-1:443", "us-east-1\n.evil.com", "us-east-１", "us--east-1", "evil.com/us-east-1", "%2e%2e")
	refuse("gcp_vertex_ai", "config.region", "required", "", nil)
	refuse("gcp_vertex_ai", "config.region", "invalid", "us-central", "central1", "GLOBAL", "asia", "us-central1-a", "us-central123", "us-central1.evil.com", "evil.com/us-central1",
		"us-central1@evil", "us-central1#", "us-central1/", "..", "global.evil.com", "us-central1\n")
	refusals = refusals[:len(refusals)-1] // a line break behind is dropped
	refuse("gcp_vertex_ai", "config.project", "required", "", nil)
	refuse("gcp_vertex_ai", "config.project", "invalid", "My-Project", "short", "1project", "my-project-", "my_project", "my-project/../other", "my-project/locations", "..", "12345",
		strings.Repeat("p", 31), "example.com:", "exa mple:my-project", "my-project?x=1", "123456789012345678901")
	refuse("azure_openai", "config.api_version", "required", "", nil)
	refuse("azure_openai", "config.api_version", "invalid", "v2", "2024", "2024-10", "2024-10-21-beta", "2024-10-21-preview2", "2024/10/21", "20241021", "V1", "v1&x=y", "2024-10-21#", "stable")
	for _, typ := range []string{"azure_openai", "custom"} {
		refuse(typ, "config.base_url", "required", "", "  ", nil)
		refuse(typ, "config.base_url", "too_long", "https://example.com/"+strings.Repeat("p", 2048))
		refuse(typ, "config.base_url", "invalid", "example.com", "//example.com", "/v1", "https://", "https:///v1", "https:example.com", "ftp://example.com", "file:///etc/passwd",
			"javascript:alert(1)", "https://user@example.com", "https://user:pass@example.com", "https://:@example.com", "https://example.com#", "https://example.com/#x",
			"https://example.com?x=1", "https://example.com/?key=k", "https://example.com:0", "https://example.com:65536", "https://example.com:http", "https://exa mple.com",
			"https://example.com/a/../b", "https://example.com/./b", "https://example.com/%2e%2e/b", "https://example.com/%2E./b", "https://example.com/..", "https://example.com/a%2fb",
			"https://example.com/a%5cb", "https://example.com\\@evil.com", "https://exämple.com", "https://[::1", "https://[fe80::1%25eth0]", "https://[1.2.3.4]", "https://-example.com",
			"https://example..com", "https://example.com/a%00b", "https://example.com/a%0ab", "https://example.com/%zz", "https://example.com/a\nb", "http:\n//example.com", "https://"+strings.Repeat("a.", 130)+"com",
			"https://example.com https://evil.com", "unix:///var/run/x.sock", "data:text/html,x", "ＨＴＴＰＳ://example.com", "https://example。com")
	}
	refuse("azure_openai", "config.base_url", "invalid", "http://my-resource.openai.azure.com", "https://r.openai.azure.com?api-version=1&x=1")
	refuse("custom", "config.base_url", "invalid", "https://example.com?", "https://example.com?api-version=1")

	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		for _, r := range refusals {
			c.Post("/providers", r.body(t)).Problem(http.StatusUnprocessableEntity, "validation_failed", r.part+"."+r.field+" "+r.code)
		}
		if got := walk[apitest.Provider](c, "/providers", 100); len(got) != 0 {
			t.Errorf("%d providers were made of refused settings", len(got))
		}
	})
}

func TestSettingsAccepted(t *testing.T) {
	var accepted []setting
	accept := func(typ, field string, values ...any) {
		part, name, _ := strings.Cut(field, ".")
		for _, value := range values {
			accepted = append(accepted, setting{typ, part, name, value})
		}
	}
	accept("openai", "credentials.api_key", "k", strings.Repeat("k", 4096), "with space", `"'\~!`, "sk-proj_1.2+3/4=")
	accept("aws_bedrock", "config.region", "us-east-1", "us-gov-west-1", "cn-north-1", "ap-southeast-12", " eu-west-3\n", "eu-isoe-west-1")
	accept("gcp_vertex_ai", "config.region", "global", "us", "eu", "us-central1", "europe-west12", "northamerica-northeast1")
	accept("gcp_vertex_ai", "config.project", "my-project", "example.com:my-project", "123456", "12345678901234567890", strings.Repeat("p", 30), "projec")
	accept("azure_openai", "config.api_version", "v1", "preview", "latest", "2024-10-21", "2025-04-01-preview", " 2024-10-21\n")
	accept("custom", "config.base_url", "http://localhost:4000", "http://10.0.0.7:8000/v1", "https://llm.example.com/a/b%20c/", "https://[2001:db8::1]:8443",
		"https://xn--exmple-cua.com", "http://litellm_proxy:4000", "https://example.com:65535", "HTTPS://EXAMPLE.COM/V1", "http://169.254.169.254") // refused when it is called
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		for _, a := range accepted {
			p := c.CreateProvider(a.body(t))
			want := strings.TrimSpace(a.value.(string))
			if a.part == "config" && p.Config[a.field] != want {
				t.Errorf("%s %q became %q", a.field, want, p.Config[a.field])
			}
			if a.part == "credentials" && reveal(c, p, a.field) != want {
				t.Errorf("%s %q became %q", a.field, want, reveal(c, p, a.field))
			}
		}
	})
}

// A service account is read at once, and nothing but one of Google's is taken.
func TestServiceAccount(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		account := func(value any) object {
			return setting{"gcp_vertex_ai", "credentials", "service_account_json", value}.body(t)
		}
		text := func(changes object) string {
			file, err := json.Marshal(apitest.ServiceAccount(t, changes))
			if err != nil {
				t.Fatal(err)
			}
			return string(file)
		}
		for what, changes := range map[string]object{
			"external account": {"type": "external_account"}, "authorized user": {"type": "authorized_user"}, "impersonated": {"type": "impersonated_service_account"},
			"no type": {"type": nil}, "type in capitals": {"type": "SERVICE_ACCOUNT"}, "type is a number": {"type": 1},
			"foreign token_uri": {"token_uri": "https://evil.example.com/token"}, "token_uri over http": {"token_uri": "http://oauth2.googleapis.com/token"},
			"token_uri that looks like Google's": {"token_uri": "https://oauth2.googleapis.com.evil.com/token"}, "token_uri with a user": {"token_uri": "https://oauth2.googleapis.com@evil.com/token"},
			"token_uri with a query": {"token_uri": "https://oauth2.googleapis.com/token?x=1"},
			"foreign universe":       {"universe_domain": "evil.example.com"},
			"no key":                 {"private_key": nil}, "empty key": {"private_key": ""}, "key that is no PEM": {"private_key": "abc"},
			"key cut short": {"private_key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\n-----END PRIVATE KEY-----\n"},
			"no email":      {"client_email": nil}, "email with a line break": {"client_email": "a@b\nc"},
		} {
			t.Run(what, func(t *testing.T) {
				c := c.In(t)
				for _, value := range []any{apitest.ServiceAccount(t, changes), text(changes)} {
					c.Post("/providers", account(value)).Problem(http.StatusUnprocessableEntity, "validation_failed", "credentials.service_account_json invalid")
				}
			})
		}
		for _, value := range []any{"not JSON", "[]", "null", `"{}"`, "{}", object{}, `{"type":"service_account"`, "/etc/passwd", "••••" + text(nil)} {
			c.Post("/providers", account(value)).Problem(http.StatusUnprocessableEntity, "validation_failed", "credentials.service_account_json invalid")
		}
		for _, value := range []any{1, true, list{apitest.ServiceAccount(t, nil)}} {
			c.Post("/providers", account(value)).Problem(http.StatusBadRequest, "malformed_request", "credentials.service_account_json invalid")
		}
		for _, none := range []any{nil, "", mask} {
			c.Post("/providers", account(none)).Problem(http.StatusUnprocessableEntity, "validation_failed", "credentials.service_account_json required")
		}
		large := object{"comment": strings.Repeat("x", 16<<10)}
		for _, value := range []any{apitest.ServiceAccount(t, large), text(large)} {
			c.Post("/providers", account(value)).Problem(http.StatusUnprocessableEntity, "validation_failed", "credentials.service_account_json too_long")
		}

		key := apitest.ServiceAccount(t, nil)["private_key"].(string)
		for what, changes := range map[string]object{
			"as Google made it": nil, "without token_uri": {"token_uri": nil}, "without universe": {"universe_domain": nil}, "an old token_uri": {"token_uri": "https://accounts.google.com/o/oauth2/token"},
			"another project": {"project_id": "shared-accounts"}, "line breaks escaped twice": {"private_key": strings.ReplaceAll(key, "\n", `\n`)}, "with more in it": {"comment": object{"a": list{1}}},
		} {
			if got := reveal(c, c.CreateProvider(account(text(changes))), "service_account_json"); got != text(changes) {
				t.Errorf("%s: the text became %s", what, got)
			}
			var got, want any
			revealed := reveal(c, c.CreateProvider(account(apitest.ServiceAccount(t, changes))), "service_account_json")
			if json.Unmarshal([]byte(revealed), &got) != nil || json.Unmarshal([]byte(text(changes)), &want) != nil || !equalJSON(got, want) {
				t.Errorf("%s: the object became %s", what, revealed)
			}
		}
	})
}

func equalJSON(a, b any) bool {
	left, errLeft := json.Marshal(a)
	right, errRight := json.Marshal(b)
	return errLeft == nil && errRight == nil && string(left) == string(right)
}
