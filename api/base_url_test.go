package api_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"modelproviders/api/apitest"
)

// A stored credential does not follow base_url to another address: new ones
// have to come along.
func TestCredentialsRequired(t *testing.T) {
	moves := map[string][]string{ // from: where it leads elsewhere
		"https://llm.example.com": {
			"http://llm.example.com", "https://llm.example.org", "https://evil.example.com", "https://llm.example.com:8443", "https://llm.example.com:80",
			"https://llm.example.com/proxy", "https://llm.example.com/v1/proxy", "https://llm.example.com/v2", "https://llm.example.com/v1x", "https://llm.example.com/V1",
			"https://llm.example.com.evil.org", "https://llm-example.com", "https://llm.example.com//x", "https://127.0.0.1",
		},
		"http://llm.example.com:8080/a/v1": {
			"http://llm.example.com:8080", "http://llm.example.com:8080/A", "http://llm.example.com:8080/a/b", "http://llm.example.com:8080/v1/a",
			"http://llm.example.com/a", "http://llm.example.com:8081/a", "https://llm.example.com:8080/a",
		},
		"https://[2001:db8::1]:8443": {"https://[2001:db8::2]:8443", "https://[2001:db8::1]"},
	}
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		for from, elsewhere := range moves {
			p := c.CreateProvider(apitest.Custom(from, object{"models": list{apitest.GPT("a", nil)}}))
			for _, to := range elsewhere {
				config := object{"base_url": to}
				refused := func(body object) {
					t.Helper()
					body["config"] = config
					c.Patch(p.Path(), body).Problem(http.StatusUnprocessableEntity, "credentials_required", "credentials.api_key required")
					draft := maps.Clone(body)
					draft["model_id"], draft["prompt"] = "a", "Hi"
					c.Post(p.Path()+"/test", draft).Problem(http.StatusUnprocessableEntity, "credentials_required", "credentials.api_key required")
				}
				refused(object{})
				for _, none := range []any{nil, "", "  ", mask, p.Credentials["api_key"]} {
					refused(object{"credentials": object{"api_key": none}})
				}
				c.Patch(p.Path(), object{"config": config, "credentials": p.Credentials, "type": "custom", "status": "inactive", "version": 1}).
					Problem(http.StatusUnprocessableEntity, "credentials_required", "credentials.api_key required")
				c.Patch(p.Path(), object{"config": config, "name": " "}).
					Problem(http.StatusUnprocessableEntity, "validation_failed", "credentials.api_key required", "name required")
				c.Patch(p.Path(), object{"config": config, "credentials": object{"api_key": "•"}}).
					Problem(http.StatusUnprocessableEntity, "validation_failed", "credentials.api_key invalid")
			}
			unchanged(t, c, p)
			if got := reveal(c, p, "api_key"); got != "sk-"+apitest.Secret {
				t.Errorf("the key became %q", got)
			}
			moved := c.EditProvider(p.ID, object{"config": object{"base_url": elsewhere[0]}, "credentials": object{"api_key": "sk-new-" + apitest.Secret}})
			if got := reveal(c, p, "api_key"); got != "sk-new-"+apitest.Secret || moved.Config["base_url"] != elsewhere[0] || moved.Version != 2 {
				t.Errorf("moved with a new key %q the provider is %+v", got, moved)
			}
			// Back again is elsewhere too.
			c.Patch(p.Path(), object{"config": object{"base_url": from}}).Problem(http.StatusUnprocessableEntity, "credentials_required", "credentials.api_key required")
		}
	})
}

// Another way to write the same address needs no new credentials.
func TestCredentialsStay(t *testing.T) {
	same := map[string][]string{
		"https://llm.example.com": {
			"https://llm.example.com/", "https://llm.example.com/v1", "https://llm.example.com/v1/", "HTTPS://LLM.Example.COM", "https://llm.example.com:443",
			"https://LLM.example.com:443/v1/", "https://llm.example.com:0443", "  https://llm.example.com\n",
		},
		"http://llm.example.com:80/a/v1/": {"http://llm.example.com/a", "http://LLM.EXAMPLE.COM:80/a/", "http://llm.example.com/a/v1"},
		"https://[2001:DB8::1]/v1":        {"https://[2001:db8:0:0:0:0:0:1]", "https://[2001:db8::1]:443/"},
	}
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		for from, ways := range same {
			p := c.CreateProvider(apitest.Custom(from, nil))
			for _, to := range ways {
				after := c.EditProvider(p.ID, object{"config": object{"base_url": to}})
				if after.Config["base_url"] != strings.TrimSpace(to) {
					t.Errorf("base_url %q was stored as %q", to, after.Config["base_url"])
				}
				if got := reveal(c, p, "api_key"); got != "sk-"+apitest.Secret {
					t.Errorf("after base_url became %q the key is %q", to, got)
				}
			}
		}
		// Other parts of a config are no address.
		settings := apitest.Settings(t)["azure_openai"]
		azure := c.CreateProvider(object{"name": "Azure", "type": "azure_openai", "credentials": settings["credentials"], "config": settings["config"]})
		after := c.EditProvider(azure.ID, object{"config": object{"api_version": "v1"}})
		if after.Config["api_version"] != "v1" || after.Config["base_url"] != azure.Config["base_url"] {
			t.Errorf("config is merged to %v", after.Config)
		}
		c.Patch(azure.Path(), object{"config": object{"base_url": "https://other.openai.azure.com"}}).
			Problem(http.StatusUnprocessableEntity, "credentials_required", "credentials.api_key required")
		settings = apitest.Settings(t)["aws_bedrock"]
		bedrock := c.CreateProvider(object{"name": "Bedrock", "type": "aws_bedrock", "credentials": settings["credentials"], "config": settings["config"]})
		if after := c.EditProvider(bedrock.ID, object{"config": object{"region": "eu-west-1"}}); after.Config["region"] != "eu-west-1" {
			t.Errorf("the region became %v", after.Config)
		}
	})
}

// What people paste behind the endpoint of an Azure resource is dropped.
func TestAzureBaseURL(t *testing.T) {
	pasted := map[string]string{
		"https://r.openai.azure.com":                                                                   "https://r.openai.azure.com",
		"https://r.openai.azure.com/":                                                                  "https://r.openai.azure.com",
		"HTTPS://R.OpenAI.Azure.com:443/":                                                              "https://r.openai.azure.com",
		"https://r.openai.azure.com/openai":                                                            "https://r.openai.azure.com",
		"https://r.openai.azure.com/openai/v1/":                                                        "https://r.openai.azure.com",
		"https://r.openai.azure.com?api-version=2024-10-21":                                            "https://r.openai.azure.com",
		"https://r.openai.azure.com/openai/deployments/gpt-4o-prod":                                    "https://r.openai.azure.com",
		"https://r.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21": "https://r.openai.azure.com",
		"https://gateway.example.com/team-a/openai/v1":                                                 "https://gateway.example.com/team-a",
		"https://r.openai.azure.us":                                                                    "https://r.openai.azure.us",
	}
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		for from, want := range pasted {
			settings := apitest.Settings(t)["azure_openai"]
			p := c.CreateProvider(object{"name": apitest.UniqueName("Azure"), "type": "azure_openai", "credentials": settings["credentials"],
				"config": object{"base_url": from, "api_version": " 2024-10-21 "}})
			if p.Config["base_url"] != want || p.Config["api_version"] != "2024-10-21" {
				t.Errorf("%s is stored as %v", from, p.Config)
			}
			c.Patch(p.Path(), object{"config": object{"base_url": want}}).Is(http.StatusOK).Has("ETag", `"1"`)
		}
	})
}
