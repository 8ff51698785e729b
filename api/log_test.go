package api_test

import (
	"net/http"
	"strings"
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
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
			"/models/"+m.ID, "/models/:model")
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
