package api_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
	"modelproviders/pkg/auth"
)

// rateLimited demands a refusal that says when to come again.
func rateLimited(t *testing.T, a *apitest.Answer) {
	t.Helper()
	a.Problem(http.StatusTooManyRequests, "rate_limited")
	if after, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || after < 1 || after > 60 {
		t.Errorf("Retry-After is %q, not 1 to 60 seconds", a.Header.Get("Retry-After"))
	}
}

// Who tries tokens is slowed down; who has one never is.
func TestLimitOfSignIns(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		s.Clock.Stop()
		c := s.Workspace(t)
		p := blockedProvider(c)
		guess := c.With(c.Token[:len(c.Token)-1] + "!")
		for range 2 {
			guess.Get("/providers").Problem(http.StatusUnauthorized, "unauthenticated")
		}
		for _, o := range operations(p) {
			rateLimited(t, o.do(guess))
			rateLimited(t, o.do(guess, apitest.Header("X-Forwarded-For", "203.0.113.9")))
		}
		unchanged(t, c, p)
		for range 5 {
			c.Get("/providers").Is(http.StatusOK)
			c.With("").Get("/providers").Problem(http.StatusUnauthorized, "unauthenticated") // no guess
		}
		c.With("").Get("/healthz").Is(http.StatusOK)
		s.Clock.Advance(30 * time.Second)
		guess.Get("/providers").Problem(http.StatusUnauthorized, "unauthenticated")
		rateLimited(t, guess.Get("/providers"))
	}, func(cfg *app.Config) { cfg.Limits.SignInsPerMinute = 2 })
}

// A client's address is the one that a trusted proxy tells, and no other.
func TestLimitOfSignInsBehindProxy(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		s.Clock.Stop()
		guess := s.Admin(t).With("mp_guess")
		from := func(addresses string) *apitest.Answer {
			t.Helper()
			return guess.Get("/providers", apitest.Header("X-Forwarded-For", addresses))
		}
		from("203.0.113.1").Problem(http.StatusUnauthorized, "unauthenticated")
		rateLimited(t, from("203.0.113.1"))
		from("203.0.113.2").Problem(http.StatusUnauthorized, "unauthenticated")
		// What the client itself puts before its address counts for nothing.
		rateLimited(t, from("198.51.100.7, 203.0.113.2"))
		rateLimited(t, from("198.51.100.8, 203.0.113.2, 127.0.0.1"))
		guess.Get("/providers").Problem(http.StatusUnauthorized, "unauthenticated") // the proxy's own
		rateLimited(t, guess.Get("/providers"))
	}, func(cfg *app.Config) {
		cfg.Limits.SignInsPerMinute = 1
		cfg.TrustedProxies = []string{"10.0.0.0/8", "127.0.0.0/8"}
	})
}

// Reveals are limited by themselves, for each principal.
func TestLimitOfReveals(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		s.Clock.Stop()
		c := s.Workspace(t)
		p := blockedProvider(c)
		path := p.Path() + "/credentials/api_key/reveal"
		for range 2 {
			c.Post(path, nil).Is(http.StatusOK)
		}
		rateLimited(t, c.Post(path, nil))
		rateLimited(t, c.Post(path, object{"reason": "urgent"}))
		c.As(auth.Admin).Post(path, nil).Is(http.StatusOK)
		for range 5 {
			c.Get(p.Path()).Is(http.StatusOK)
		}
		s.Clock.Advance(time.Minute)
		for range 2 {
			c.Post(path, nil).Is(http.StatusOK)
		}
		rateLimited(t, c.Post(path, nil))
	}, func(cfg *app.Config) { cfg.Limits.RevealsPerMinute = 2 })
}

// Tests, checks and discoveries are limited together, for each workspace.
func TestLimitOfTests(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		s.Clock.Stop()
		c := s.Workspace(t)
		p := blockedProvider(c)
		calls := func(c *apitest.Client, p apitest.Provider) []*apitest.Answer {
			var answers []*apitest.Answer
			for _, o := range operations(p) {
				if o.scope == auth.ModelsTest && !strings.HasSuffix(o.path, "/test-models") && !strings.HasSuffix(o.path, "/verify") { // they answer 200 and skip
					answers = append(answers, o.do(c))
				}
			}
			return answers
		}
		for _, answer := range calls(c, p) {
			if answer.Status != http.StatusOK && answer.Status != http.StatusBadGateway {
				t.Errorf("within the limit the answer is %d: %s", answer.Status, answer.Body)
			}
		}
		for _, other := range []*apitest.Client{c, c.As(auth.Editor)} {
			for _, answer := range calls(other, p) {
				rateLimited(t, answer)
			}
		}
		unchanged(t, c, p)
		neighbour := s.Workspace(t)
		calls(neighbour, blockedProvider(neighbour))[0].Is(http.StatusOK)
	}, func(cfg *app.Config) { cfg.Limits.TestsPerMinute = 8 })
}

// With a limit of 0 there is none.
func TestNoLimits(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		guess := c.With("mp_" + strings.Repeat("x", 49))
		for range 70 {
			guess.Get("/providers").Is(http.StatusUnauthorized)
			c.Post(p.Path()+"/credentials/api_key/reveal", nil).Is(http.StatusOK)
		}
	})
}
