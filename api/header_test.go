package api_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
)

var madeID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// A request's own id is taken when it is well formed, and is on the answer,
// whatever that is, and in the log.
func TestRequestID(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		for _, path := range []string{"/providers", "/nothing", "/healthz", "/openapi.yaml", "/providers/" + unknownID, "/providers?x=1"} {
			made, again := c.Get(path).RequestID(), c.Get(path).RequestID()
			if !madeID.MatchString(made) || made == again {
				t.Errorf("%s: the ids %q and %q were made", path, made, again)
			}
			for _, own := range []string{"a", "0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10", "A.b_c~d-1", strings.Repeat("x", 128), "TRACE-" + apitest.UniqueName("x")[2:]} {
				c.Get(path, apitest.Header("X-Request-Id", own)).Has("X-Request-Id", own)
			}
			for _, broken := range []string{strings.Repeat("x", 129), "a b", "a\tb", "a,b", `a"b`, "<a>", "a/b", "ä", "{}", "a;b", "a%0ab"} {
				answer := c.Get(path, apitest.Header("X-Request-Id", broken))
				if got := answer.RequestID(); !madeID.MatchString(got) {
					t.Errorf("%s: of the broken id %q came %q", path, broken, got)
				}
			}
		}
		for _, o := range operations(blockedProvider(c)) {
			if answer := o.do(c.With("")); !madeID.MatchString(answer.RequestID()) {
				t.Errorf("%s is refused with the request id %q", o, answer.RequestID())
			}
		}
		s.Log.Request(t, c.Get("/providers", apitest.Header("X-Request-Id", "my-own-id")).RequestID())
	})
}

// Only an answer with a secret is not to be stored; no other is for shared
// caches.
func TestCacheControl(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		for _, path := range []string{"/healthz", "/readyz", "/openapi.yaml", "/openapi.json", "/console/config.json", "/nothing"} {
			c.Get(path).Has("Cache-Control", "private, no-cache")
			c.Do(http.MethodPut, path, nil).Has("Cache-Control", "private, no-cache")
		}
		p := blockedProvider(c)
		for _, o := range operations(p) {
			o.do(c.With("")).Is(http.StatusUnauthorized).Has("Cache-Control", "private, no-cache")
			want := "private, no-cache"
			if strings.HasSuffix(o.path, "/reveal") {
				want = "no-store"
				c.Post(o.path, "{").Is(http.StatusBadRequest).Has("Cache-Control", "private, no-cache")
				c.Post(strings.Replace(o.path, "api_key", "nothing", 1), nil).Is(http.StatusNotFound).Has("Cache-Control", "private, no-cache")
			}
			if o.String() == "POST /tokens" || o.String() == "POST /credentials/lookup" {
				want = "no-store"
			}
			o.do(c).Has("Cache-Control", want).Has("X-Content-Type-Options", "nosniff").Has("Set-Cookie", "")
		}
	})
}

// The browser apps of the configured origins may call, and no other page.
func TestCORS(t *testing.T) {
	const ours = "https://app.example.com"
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		paths := []string{"/providers", p.Path(), "/nothing", "/healthz", "/providers?bogus=1"}
		for _, path := range paths {
			for name, who := range map[string]*apitest.Client{"signed in": c, "not signed in": c.With("")} {
				answer := who.Get(path, apitest.Header("Origin", ours)).Has("Access-Control-Allow-Origin", ours).Has("Access-Control-Allow-Credentials", "")
				mustVaryByOrigin(t, name+" "+path, answer)
				exposed := split(answer.Header.Get("Access-Control-Expose-Headers"))
				for _, header := range []string{"ETag", "Location", "Retry-After", "X-Request-Id"} {
					if !slices.Contains(exposed, header) {
						t.Errorf("%s does not expose %s, only %v", path, header, exposed)
					}
				}
				for _, foreign := range []string{
					"https://evil.example.com", "http://app.example.com", "https://app.example.com:8443", "https://app.example.com.evil.com",
					"https://APP.example.com", "https://app.example.com/", "null", "https://xapp.example.com", "*",
				} {
					mustVaryByOrigin(t, path, who.Get(path, apitest.Header("Origin", foreign)).Has("Access-Control-Allow-Origin", ""))
				}
				mustVaryByOrigin(t, path, who.Get(path).Has("Access-Control-Allow-Origin", ""))
			}
		}
		// On errors that nobody foresaw too.
		s.Database.TakeAway(t)
		mustVaryByOrigin(t, "outage", c.Get("/providers", apitest.Header("Origin", ours)).Is(http.StatusServiceUnavailable).Has("Access-Control-Allow-Origin", ours))
		s.Database.BringBack(t)
	}, func(cfg *app.Config) { cfg.CORSOrigins = []string{"https://other.example.com", ours} })
}

func TestCORSPreflight(t *testing.T) {
	const ours = "https://app.example.com"
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		for _, o := range operations(p) {
			preflight := func(origin string) *apitest.Answer {
				return c.With("").Do(http.MethodOptions, o.path, nil, apitest.Header("Origin", origin),
					apitest.Header("Access-Control-Request-Method", o.method),
					apitest.Header("Access-Control-Request-Headers", "authorization,content-type,if-match,traceparent,x-requested-with"))
			}
			answer := preflight(ours).Is(http.StatusNoContent).Has("Access-Control-Allow-Origin", ours)
			mustVaryByOrigin(t, o.path, answer)
			if methods := split(answer.Header.Get("Access-Control-Allow-Methods")); !slices.Contains(methods, o.method) {
				t.Errorf("%s may not be called: only %v", o, methods)
			}
			headers := split(strings.ToLower(answer.Header.Get("Access-Control-Allow-Headers")))
			for _, header := range []string{"authorization", "content-type", "if-match", "traceparent", "x-requested-with"} {
				if !slices.Contains(headers, header) {
					t.Errorf("%s may not be called with %s: only %v", o, header, headers)
				}
			}
			preflight("https://evil.example.com").Has("Access-Control-Allow-Origin", "").Has("Access-Control-Allow-Methods", "")
		}
		unchanged(t, c, p)
	}, func(cfg *app.Config) { cfg.CORSOrigins = []string{ours} })
}

// Without configured origins no page of another origin may call.
func TestCORSOff(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		for _, origin := range []string{"https://app.example.com", "null", s.URL} {
			c.Get("/providers", apitest.Header("Origin", origin)).Is(http.StatusOK).Has("Access-Control-Allow-Origin", "")
		}
	})
}

func mustVaryByOrigin(t *testing.T, what string, answer *apitest.Answer) {
	t.Helper()
	if !slices.Contains(split(strings.Join(answer.Header.Values("Vary"), ",")), "Origin") {
		t.Errorf("%s: the answer does not vary by origin: %q", what, answer.Header.Values("Vary"))
	}
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}
