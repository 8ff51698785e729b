package provider

import (
	"net/url"
	"strings"
	"testing"
)

func TestOrigin(t *testing.T) {
	for address, want := range map[string]string{
		"https://Host.Example":               "https://host.example",
		"https://host.example/":              "https://host.example",
		"https://host.example/v1":            "https://host.example",
		"https://host.example/v1/":           "https://host.example",
		"https://host.example//v1//":         "https://host.example",
		"HTTPS://host.example:443/v1":        "https://host.example",
		"http://host.example:80":             "http://host.example",
		"http://host.example:0443":           "http://host.example:443",
		"http://host.example:443":            "http://host.example:443",
		"http://127.0.0.1:4000/v1":           "http://127.0.0.1:4000",
		"http://[::1]:4000/v1":               "http://[::1]:4000",
		"http://[0:0:0:0:0:0:0:1]":           "http://[::1]",
		"https://openrouter.ai/api/v1":       "https://openrouter.ai/api",
		"https://host.example/v1/v1":         "https://host.example/v1",
		"https://host.example/v10":           "https://host.example/v10",
		"https://host.example/V1":            "https://host.example/V1",
		"https://host.example/a%20b":         "https://host.example/a%20b",
		"http://my_litellm:4000":             "http://my_litellm:4000",
		"http://host.example.":               "http://host.example.",
		"https://gw.example/openai/azure/v1": "https://gw.example/openai/azure",
	} {
		if got := originOf(address); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}

func TestBaseURLThatIsRefused(t *testing.T) {
	for _, address := range []string{
		"", "host", "host:4000", "//host", "/path", "ftp://host", "file:///etc/passwd", "https:host", "https://", "https:///v1",
		"https://user@host", "https://user:pass@host", "https://@host", "https://host#f", "https://host#", "https://host/#",
		"https://host/../x", "https://host/.", "https://host/%2e%2e/x", "https://host/a/%2E/b", "https://host/a%2fb", `https://host/a\b`, "https://host/%5c",
		"https://host/%00", "https://host/%0a", "https://ho st", "https://host:0", "https://host:65536", "https://host:abc", "https://höst.example",
		"https://-host", "https://host-.example", "https://a..b", "https://.", "https://[::1", "https://[fe80::1%25eth0]", "https://[::ffff]x", "https://ex%41mple",
		"https://" + strings.Repeat("a", 254), "javascript:alert(1)", "https://host\t", "https://host,evil.example", "https://host;x",
	} {
		if u, err := parseBaseURL(address); err == nil {
			t.Errorf("%q is accepted, as %s", address, u)
		} else if strings.HasSuffix(err.Error(), ".") {
			t.Errorf("%q: %v", address, err)
		}
	}
	for _, address := range []string{"https://host?x=1", "https://host/v1?", "https://host?api-version=2024-10-21"} {
		if _, err := checkCustomURL(address); err == nil {
			t.Errorf("%q is accepted", address)
		}
	}
}

func TestAzureURLIsCleaned(t *testing.T) {
	const resource = "https://r.openai.azure.com"
	for address, want := range map[string]string{
		resource:                                 resource,
		resource + "/":                           resource,
		"https://R.OpenAI.Azure.com:443":         resource,
		resource + "/openai":                     resource,
		resource + "/openai/":                    resource,
		resource + "/openai/v1":                  resource,
		resource + "/openai/v1/":                 resource,
		resource + "/openai/v1/chat/completions": resource,
		resource + "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21":          resource,
		resource + "/OpenAI/Deployments/gpt.4o":                                                  resource,
		resource + "/openai/responses?api-version=2025-04-01-preview":                            resource,
		resource + "?api-version=2024-10-21":                                                     resource,
		"https://apim.example/team-a":                                                            "https://apim.example/team-a",
		"https://apim.example/team-a/openai":                                                     "https://apim.example/team-a",
		"https://apim.example/openai-proxy/openai/deployments/x/chat/completions?api-version=v1": "https://apim.example/openai-proxy",
		"https://apim.example/openai/team-a":                                                     "https://apim.example/openai/team-a",
		"https://apim.example/team/v1":                                                           "https://apim.example/team/v1",
		"https://r.openai.azure.us":                                                              "https://r.openai.azure.us",
		"https://my.own.name.example:8443":                                                       "https://my.own.name.example:8443",
	} {
		got, err := cleanAzureURL(address)
		if err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", address, got, err, want)
		}
	}
	for _, address := range []string{"http://r.openai.azure.com", resource + "?x=1", resource + "?api-version=1&subscription-key=abc", resource + "?%zz"} {
		if got, err := cleanAzureURL(address); err == nil {
			t.Errorf("%s is accepted, as %s", address, got)
		}
	}
}

// Whatever is accepted leads to the host that it seems to lead to.
func FuzzBaseURL(f *testing.F) {
	for _, seed := range []string{
		"https://host/v1/", "http://[::1]:4000", "https://user@host", "https://host/openai/deployments/x?api-version=1", "https://host/..%2f",
		"https://a.b-c_d.:443/v1/v1", "http://h:0080//", "https://h/%41?",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		u, err := parseBaseURL(address)
		if err != nil {
			return
		}
		if u.User != nil || u.Fragment != "" || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			t.Errorf("%q is accepted", address)
		}
		origin := originOf(address)
		again, err := parseBaseURL(origin)
		if err != nil || again.Host != u.Host || again.Scheme != u.Scheme {
			t.Fatalf("the origin of %q is %q: %v", address, origin, err)
		}
		if originOf(origin+"/v1/") != origin {
			t.Errorf("%q: /v1 makes another origin of %q", address, origin)
		}
		base, first, _ := customBase(address)
		for _, called := range []string{base, first} {
			if to, err := url.Parse(called); err != nil || to.Host != u.Host || to.Scheme != u.Scheme {
				t.Errorf("%q is called at %q", address, called)
			}
		}
		if strings.ContainsAny(origin, "?# ") {
			t.Errorf("the origin of %q is %q", address, origin)
		}
		clean, err := cleanAzureURL(address)
		if err != nil {
			return
		}
		parsed, err := url.Parse(clean)
		if err != nil || parsed.Host != u.Host || parsed.Scheme != "https" || parsed.RawQuery != "" {
			t.Errorf("%q is cleaned to %q", address, clean)
		}
		if twice, err := cleanAzureURL(clean); err != nil || twice != clean {
			t.Errorf("%q is cleaned to %q, and that to %q: %v", address, clean, twice, err)
		}
	})
}
