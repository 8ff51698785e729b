package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"modelproviders/pkg/provider/providertest"
)

// TestSettings starts the program once with each setting, as an environment
// variable and as a flag, and checks its effect on a client.
func TestSettings(t *testing.T) {
	openAI, custom := providertest.Start(t, providertest.OpenAI()), providertest.Start(t, providertest.Custom())
	silent := providertest.Start(t, providertest.OpenAI())
	silent.Use(providertest.Silent)
	proxied := &output{}
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(proxied, r.RequestURI)
	}))
	t.Cleanup(proxy.Close)

	tests := map[string]struct {
		set   map[string]string // the names without the prefix
		check func(t *testing.T, s *service)
	}{
		"base path": {map[string]string{"BASE_PATH": "/api/v1"}, func(t *testing.T, s *service) {
			if !strings.HasSuffix(s.url, "/api/v1") {
				t.Errorf("serves at %s", s.url)
			}
			made := s.must(t, 201, "POST", "/providers", aProvider)
			if got := made.header.Get("Location"); !strings.HasPrefix(got, "/api/v1/providers/") {
				t.Errorf("created at %s", got)
			}
			s.url = strings.TrimSuffix(s.url, "/api/v1")
			s.must(t, 404, "GET", "/providers", "")
		}},
		"no console": {map[string]string{"CONSOLE": "off"}, func(t *testing.T, s *service) {
			s.must(t, 404, "GET", "/console/config.json", "")
		}},
		"no reveals": {map[string]string{"REVEAL": "off"}, func(t *testing.T, s *service) {
			s.reveal(t, "").is(t, 403, map[string]string{"code": "reveal_disabled"})
		}},
		"reveals with a reason": {map[string]string{"REVEAL_REASON": "required"}, func(t *testing.T, s *service) {
			if got := s.reveal(t, ""); got.status != 422 {
				t.Errorf("answered %d %v", got.status, got.body)
			}
		}},
		"one reveal a minute": {map[string]string{"RATE_REVEALS": "1"}, func(t *testing.T, s *service) {
			if got := s.reveal(t, ""); got.status != 200 {
				t.Fatalf("answered %d %v", got.status, got.body)
			}
			path := "/providers/" + s.must(t, 201, "POST", "/providers", strings.Replace(aProvider, "Production", "Second", 1)).text("id")
			limited(t, s.call(t, "POST", path+"/credentials/api_key/reveal", ""))
		}},
		"one failed sign-in a minute": {map[string]string{"RATE_SIGN_INS": "1"}, func(t *testing.T, s *service) {
			right := s.token
			s.token = strings.Repeat("x", len(right))
			s.must(t, 401, "GET", "/providers", "")
			limited(t, s.call(t, "GET", "/providers", ""))
			s.token = right
			s.must(t, 200, "GET", "/providers", "")
		}},
		"endpoint of the operator's": {map[string]string{"PROVIDER_ENDPOINTS": openAI.ProviderEndpoints()}, func(t *testing.T, s *service) {
			s.try(t, openAI).is(t, 200, map[string]string{"status": "success", "response": providertest.Text})
		}},
		"upstreams allowed": {map[string]string{"ALLOW_UPSTREAMS": "10.0.0.0/8," + custom.Host()}, func(t *testing.T, s *service) {
			if got := s.try(t, custom); got.text("status") != "success" {
				t.Errorf("answered %d %v", got.status, got.body)
			}
		}},
		"upstreams not allowed": {nil, func(t *testing.T, s *service) {
			got := s.try(t, custom)
			failure, _ := got.body["error"].(map[string]any)
			if failure["kind"] != "blocked" {
				t.Errorf("answered %d %v", got.status, got.body)
			}
		}},
		"time for a test": {map[string]string{"PROVIDER_ENDPOINTS": silent.ProviderEndpoints(), "TEST_TIMEOUT": "100ms"}, func(t *testing.T, s *service) {
			got := s.try(t, silent)
			failure, _ := got.body["error"].(map[string]any)
			if failure["kind"] != "timeout" {
				t.Errorf("answered %d %v", got.status, got.body)
			}
		}},
		"one test a minute": {map[string]string{"PROVIDER_ENDPOINTS": openAI.ProviderEndpoints(), "RATE_TESTS": "1"}, func(t *testing.T, s *service) {
			s.try(t, openAI)
			limited(t, s.try(t, openAI))
		}},
		"proxy of upstream calls": {map[string]string{"EGRESS_PROXY": proxy.URL, "ALLOW_UPSTREAMS": custom.Host()}, func(t *testing.T, s *service) {
			before := proxied.String()
			s.try(t, custom)
			if asked := strings.TrimPrefix(proxied.String(), before); !strings.HasPrefix(asked, custom.URL) {
				t.Errorf("the proxy was asked for %q", asked)
			}
		}},
		"origins of browser apps": {map[string]string{"CORS_ORIGINS": "https://a.example.com,https://b.example.com"}, func(t *testing.T, s *service) {
			for origin, allowed := range map[string]string{"https://b.example.com": "https://b.example.com", "https://c.example.com": ""} {
				got := s.callWith(t, http.DefaultClient, "GET", "/providers", "", http.Header{"Origin": {origin}})
				if got.header.Get("Access-Control-Allow-Origin") != allowed {
					t.Errorf("%s is answered %q", origin, got.header.Get("Access-Control-Allow-Origin"))
				}
			}
		}},
		"proxies before the program": {map[string]string{"TRUSTED_PROXIES": "127.0.0.0/8,10.0.0.0/8"}, func(t *testing.T, s *service) {
			s.callWith(t, http.DefaultClient, "GET", "/providers", "", http.Header{"X-Forwarded-For": {"203.0.113.7"}})
			if !strings.Contains(s.stderr.String(), "client_ip=203.0.113.7") {
				t.Errorf("the log does not have the client's address:\n%s", s.stderr)
			}
		}},
	}
	for name, test := range tests {
		for _, how := range []string{"environment", "flags"} {
			t.Run(name+"/"+how, func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "data")
				variables, args := map[string]string{}, []string{"--data-dir", dir}
				for name, value := range test.set {
					if how == "environment" {
						variables[environmentPrefix+name] = value
					} else {
						args = append(args, "--"+strings.ToLower(strings.ReplaceAll(name, "_", "-"))+"="+value)
					}
				}
				s := start(t, variables, args...)
				s.signIn(t, dir)
				test.check(t, s)
			})
		}
	}
}

func TestFlagsWinOverEnvironment(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	variables := map[string]string{
		"MODELPROVIDERS_ADDR":      "no address",
		"MODELPROVIDERS_DATA_DIR":  filepath.Join(t.TempDir(), "elsewhere"),
		"MODELPROVIDERS_BASE_PATH": "/environment",
		"MODELPROVIDERS_REVEAL":    "off",
	}
	s := start(t, variables, "--data-dir", dir, "--base-path", "/flag", "--reveal=on")
	s.signIn(t, dir)
	if !strings.HasSuffix(s.url, "/flag") {
		t.Errorf("serves at %s", s.url)
	}
	if got := s.reveal(t, ""); got.status != 200 {
		t.Errorf("a reveal is answered %d %v", got.status, got.body)
	}
}

// reveal makes a provider and reveals its key.
func (s *service) reveal(t *testing.T, body string) answer {
	t.Helper()
	path := "/providers/" + s.must(t, 201, "POST", "/providers", aProvider).text("id")
	return s.call(t, "POST", path+"/credentials/api_key/reveal", body)
}

// try tests a draft of a provider with the upstream's type and settings.
func (s *service) try(t *testing.T, upstream *providertest.Server) answer {
	t.Helper()
	body := map[string]any{"credentials": upstream.Credentials, "model_id": upstream.ModelID, "prompt": "Say hello."}
	if len(upstream.Config) > 0 {
		body["config"] = upstream.Config
	}
	return s.call(t, "POST", "/provider-types/"+upstream.Type+"/test", encode(t, body))
}

func limited(t *testing.T, got answer) {
	t.Helper()
	got.is(t, 429, map[string]string{"code": "rate_limited"})
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}
