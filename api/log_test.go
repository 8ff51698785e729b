package api_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
	"modelproviders/pkg/provider/providertest"
)

// Each request makes one line, which names the route and not the URL, and holds
// neither token nor secret nor anything else that the client said.
func TestLog(t *testing.T) {
	const said = "said-by-the-client"
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		m := p.Models[0]
		routes := strings.NewReplacer(p.ID, ":id", unknownID, ":id", m.ID, ":id", "/provider-types/openai", "/provider-types/:type", "/provider-types/custom", "/provider-types/:type", "/api_key/", "/:field/",
			"/models/"+m.ID, "/models/:model", "/references/rule", "/references/:ref")
		var last string
		for _, o := range operations(p) {
			answer := o.do(c)
			last = answer.RequestID()
			line := s.Log.Request(t, last)
			route := routes.Replace(o.path)
			if strings.HasPrefix(route, "/models/") {
				route = strings.Replace(route, ":model", ":id", 1)
			}
			if line["route"] != route || line["method"] != o.method || line["status"] != float64(answer.Status) || line["workspace"] != c.Workspace || line["client_ip"] != "127.0.0.1" {
				t.Errorf("%s is logged as %v", o, line)
			}
			if duration, ok := line["duration"].(float64); !ok || duration <= 0 {
				t.Errorf("%s is logged without a duration: %v", o, line)
			}
			if principal, _ := line["principal"].(string); !madeID.MatchString(principal) {
				t.Errorf("%s is logged with the principal %v", o, line["principal"])
			}
		}
		if n := strings.Count(s.Log.Text(), last); n != 1 {
			t.Errorf("the request makes %d lines", n)
		}
		for _, a := range []*apitest.Answer{
			c.Get("/providers?q=" + said), c.Get("/providers?" + said + "=1"), c.Get("/" + said), c.Get("/providers/" + said), c.Post("/providers", `{"`+said+`":1}`), c.Post("/providers", said),
			c.Get("/providers", apitest.Header("User-Agent", said), apitest.Header("Origin", "https://"+said), apitest.Header("Referer", "https://"+said)),
			c.Post("/providers", apitest.OpenAI(object{"name": said})), c.Post("/providers", apitest.OpenAI(object{"name": said})),
			c.Post("/providers", apitest.OpenAI(object{"type": said})), c.With(said).Get("/providers"), c.Get("/provider-types/" + said),
			c.Get("/providers", apitest.Header("X-Request-Id", said+"!")), c.Do(http.MethodPut, "/providers?"+said, said),
		} {
			s.Log.Request(t, a.RequestID())
		}
		for _, secret := range []string{said, apitest.Secret, c.Token, c.Token[3:20], s.Admin(t).Token} {
			if log := s.Log.Text(); strings.Contains(log, secret) {
				at := strings.Index(log, secret)
				t.Errorf("the log holds %q: …%s…", secret, log[max(0, at-200):min(len(log), at+100)])
			}
		}
	})
}

// The log tells the client's address as a trusted proxy tells it, and otherwise
// the address that called.
func TestLogOfClientAddress(t *testing.T) {
	address := func(s *apitest.Server, t *testing.T, forwarded string) any {
		answer := s.Admin(t).Get("/stages", apitest.Header("X-Forwarded-For", forwarded), apitest.Header("X-Real-Ip", "203.0.113.99"), apitest.Header("Forwarded", "for=203.0.113.98"))
		return s.Log.Request(t, answer.RequestID())["client_ip"]
	}
	expect := func(forwarded map[string]string) func(t *testing.T, s *apitest.Server) {
		return func(t *testing.T, s *apitest.Server) {
			for given, want := range forwarded {
				if got := address(s, t, given); got != want {
					t.Errorf("X-Forwarded-For %q makes the address %v, not %s", given, got, want)
				}
			}
		}
	}
	t.Run("no trusted proxy", func(t *testing.T) {
		onEach(t, expect(map[string]string{"": "127.0.0.1", "203.0.113.1": "127.0.0.1"}))
	})
	t.Run("another trusted proxy", func(t *testing.T) {
		onEach(t, expect(map[string]string{"203.0.113.1": "127.0.0.1"}), func(cfg *app.Config) { cfg.TrustedProxies = []string{"10.0.0.0/8"} })
	})
	t.Run("trusted proxies", func(t *testing.T) {
		onEach(t, expect(map[string]string{
			"": "127.0.0.1", "203.0.113.1": "203.0.113.1", "198.51.100.1, 203.0.113.1": "203.0.113.1", "203.0.113.1, 10.1.2.3": "203.0.113.1",
			"2001:db8::1": "2001:db8::1", "nonsense": "127.0.0.1", "10.1.2.3": "10.1.2.3",
		}), func(cfg *app.Config) { cfg.TrustedProxies = []string{"127.0.0.0/8", "10.0.0.0/8"} })
	})
}

// TestLogOfUpstreamCalls: the line of a request that calls an upstream says how the call
// ended, and for which provider it was, but not what the upstream said.
func TestLogOfUpstreamCalls(t *testing.T) {
	onEachWithFake(t, providertest.OpenAI, func(t *testing.T, s *apitest.Server, fake *providertest.Server) {
		fake.PassChecks()
		c := s.Admin(t)
		p := c.CreateProvider(withTwoModels(fake))
		merged := func(a, b object) object {
			both := maps.Clone(a)
			maps.Copy(both, b)
			return both
		}
		draft := settingsOf(fake, nil)
		test := func(body object) object {
			return merged(body, object{"model_id": fake.ModelID, "prompt": "canary-prompt"})
		}
		one, several := object{"prompt": "canary-prompt"}, object{"prompt": "canary-prompt", "model_ids": list{fake.ModelID}}
		ofModel := object{"provider_id": p.ID, "model_id": p.Models[0].ID}
		ofProvider, ofType := object{"provider_id": p.ID}, object{"provider_type": fake.Type}
		calls := []struct {
			path string
			body any
			want object
		}{
			{"/models/" + p.Models[0].ID + "/test", one, ofModel},
			{"/models/" + p.Models[0].ID + "/verify", nil, ofModel},
			{p.Path() + "/test", test(object{}), ofProvider},
			{p.Path() + "/test-models", several, ofProvider},
			{p.Path() + "/check", nil, ofProvider},
			{p.Path() + "/available-models", nil, ofProvider},
			{"/provider-types/" + fake.Type + "/test", test(draft), ofType},
			{"/provider-types/" + fake.Type + "/check", draft, ofType},
			{"/provider-types/" + fake.Type + "/available-models", draft, ofType},
		}
		for _, outcome := range []string{"success", "failed"} {
			if outcome == "failed" {
				fake.Use(providertest.Authentication)
			}
			for _, call := range calls {
				answers := []*apitest.Answer{c.Post(call.path, call.body)}
				if strings.Contains(call.path, "/test") || strings.HasSuffix(call.path, "/verify") {
					answers = append(answers, c.Post(call.path, call.body, asEvents))
				}
				for _, answer := range answers {
					line := s.Log.Request(t, answer.RequestID())
					want := merged(call.want, object{"outcome": outcome, "level": "INFO"})
					counts := strings.HasSuffix(call.path, "/test-models")
					switch {
					case strings.HasSuffix(call.path, "/verify") && outcome == "failed":
						want = merged(want, object{"passed": 0.0, "failed": 0.0, "errors": 1.0})
					case strings.HasSuffix(call.path, "/verify"):
						want = merged(want, object{"passed": 1.0, "failed": 0.0, "errors": 0.0})
					case counts && outcome == "failed":
						want = merged(want, object{"failed": 1.0, "succeeded": 0.0, "skipped": 0.0})
					case counts:
						want = merged(want, object{"failed": 0.0, "succeeded": 1.0, "skipped": 0.0})
					case outcome == "failed":
						want["kind"] = "authentication"
					}
					for name, value := range want {
						if line[name] != value {
							t.Errorf("%s: %s is %v, want %v", call.path, name, line[name], value)
						}
					}
					if line["cause"] != nil {
						t.Errorf("%s: the line has the cause %v", call.path, line["cause"])
					}
				}
			}
		}
		for _, said := range []string{"canary-prompt", apitest.Secret, providertest.Text, "Incorrect API key"} {
			if strings.Contains(s.Log.Text(), said) {
				t.Errorf("the log contains %q", said)
			}
		}
	})
}

// Probes are logged at debug while they succeed.
func TestLogOfProbes(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Admin(t)
		for path, level := range map[string]string{"/healthz": "DEBUG", "/readyz": "DEBUG", "/healthz?x=1": "INFO", "/stages": "INFO"} {
			if line := s.Log.Request(t, c.Get(path).RequestID()); line["level"] != level {
				t.Errorf("%s is logged at %v", path, line["level"])
			}
		}
	})
}
