package api_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"modelproviders/api/apitest"
	"modelproviders/pkg/auth"
)

func underKey(key string) apitest.Edit { return apitest.Header("Idempotency-Key", key) }

func TestIdempotencyKey(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		for path, body := range map[string]object{
			"/providers":              apitest.OpenAI(nil),
			p.Path() + "/clone":       {"name": "Clone"},
			p.Path() + "/models":      apitest.GPT("one", nil),
			p.Path() + "/models/bulk": {"models": list{apitest.GPT("two", nil)}},
		} {
			first := c.Post(path, body, underKey("key of "+path)).Is(http.StatusCreated).Has("Idempotency-Replayed", "")
			again := c.Post(path, body, underKey("key of "+path)).Is(http.StatusCreated).Has("Idempotency-Replayed", "true")
			if again.Body != first.Body {
				t.Errorf("%s: %s is replayed as %s", path, first.Body, again.Body)
			}
			for _, header := range []string{"Location", "ETag", "Content-Type", "Cache-Control"} {
				again.Has(header, first.Header.Get(header))
			}
			if again.RequestID() == first.RequestID() {
				t.Error("the replay has the request id of the first")
			}
			c.Post(path, object{"other": true}, underKey("key of "+path)).Problem(http.StatusUnprocessableEntity, "idempotency_key_reused")
			if other := c.As(auth.Editor).Post(path, body, underKey("key of "+path)); other.Header.Get("Idempotency-Replayed") != "" {
				t.Errorf("%s: another principal is answered with the replay", path)
			}
		}
	})
}

// Only what succeeded is kept; a key is whose it is.
func TestIdempotencyKeyOfAFailure(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		body := apitest.OpenAI(nil)
		c.Post("/providers", object{"name": "x"}, underKey("k")).Problem(http.StatusUnprocessableEntity, "validation_failed",
			"type required")
		made := c.Post("/providers", body, underKey("k")).Is(http.StatusCreated).Provider()
		c.Post("/providers", body, underKey("another")).Problem(http.StatusConflict, "name_taken", "name duplicate")

		neighbour := s.Workspace(t)
		theirs := neighbour.Post("/providers", body, underKey("k")).Is(http.StatusCreated).Has("Idempotency-Replayed", "").Provider()
		if theirs.ID == made.ID {
			t.Error("a key brought the provider of another workspace")
		}
		c.As(auth.Viewer).Post("/providers", body, underKey("k")).Problem(http.StatusForbidden, "forbidden")
		c.With("").Post("/providers", body, underKey("k")).Problem(http.StatusUnauthorized, "unauthenticated")
		for _, key := range []string{strings.Repeat("k", 256), "Schlüssel"} {
			c.Post("/providers", body, underKey(key)).Problem(http.StatusBadRequest, "malformed_request", "Idempotency-Key invalid")
		}
		// Where nothing is created, the key is passed over.
		c.Patch(made.Path(), object{"status": "inactive"}, underKey("k")).Is(http.StatusOK)
		c.Post(made.Path()+"/credentials/api_key/reveal", nil, underKey("k")).Is(http.StatusOK).Has("Idempotency-Replayed", "")
	})
}

// Of many that are sent at once one is done.
func TestIdempotencyKeyAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		body := apitest.OpenAI(nil)
		var running sync.WaitGroup
		for range 12 {
			running.Go(func() {
				answer := c.Post("/providers", body, underKey("k"))
				switch {
				case answer.Status == http.StatusCreated:
				case answer.Status == http.StatusConflict && answer.Header.Get("Retry-After") != "" && strings.Contains(answer.Body, `"code":"conflict"`):
				default:
					t.Errorf("answered with %d: %s", answer.Status, answer.Body)
				}
			})
		}
		running.Wait()
		if made := walk[apitest.Provider](c, "/providers", 10); len(made) != 1 {
			t.Errorf("%d providers were made", len(made))
		}
		c.Post("/providers", body, underKey("k")).Is(http.StatusCreated).Has("Idempotency-Replayed", "true")
	})
}

// While a request runs its key is taken; after a crash it is free again when no
// run can last any longer.
func TestIdempotencyKeyOfARunningRequest(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		s.Clock.Stop()
		bodies := map[string]object{
			"/providers":              apitest.OpenAI(nil),
			p.Path() + "/clone":       {"name": "Clone"},
			p.Path() + "/models":      apitest.GPT("one", nil),
			p.Path() + "/models/bulk": {"models": list{apitest.GPT("two", nil)}},
		}
		for path, body := range bodies {
			c.Post(path, body, underKey("k")).Is(http.StatusCreated)
		}
		// As if the process had died in the midst of them: such a key is held for a minute, an answer for a day.
		earlier := map[string]string{"SQLite": "86340000", "PostgreSQL": "interval '86340 s'"}[s.Database.Name]
		s.Database.Exec(t, "UPDATE idempotency_keys SET status = NULL, header = NULL, body = NULL, expires_at = expires_at - "+earlier)
		s.Clock.Advance(59 * time.Second)
		for path, body := range bodies {
			running := c.Post(path, body, underKey("k"))
			running.Problem(http.StatusConflict, "conflict")
			if running.Header.Get("Retry-After") == "" {
				t.Errorf("%s: the refusal does not say when to come again", path)
			}
			c.Post(path, object{"other": true}, underKey("k")).Problem(http.StatusUnprocessableEntity, "idempotency_key_reused")
		}
		s.Clock.Advance(time.Second)
		c.Post("/providers", apitest.OpenAI(nil), underKey("k")).Is(http.StatusCreated).Has("Idempotency-Replayed", "")
	})
}

// An answer is kept for a day.
func TestIdempotencyKeyExpires(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		s.Clock.Stop()
		body := apitest.OpenAI(nil)
		c.Post("/providers", body, underKey("k")).Is(http.StatusCreated)
		s.Clock.Advance(24*time.Hour - time.Second)
		c.Post("/providers", body, underKey("k")).Is(http.StatusCreated).Has("Idempotency-Replayed", "true")
		s.Clock.Advance(time.Second)
		c.Post("/providers", body, underKey("k")).Problem(http.StatusConflict, "name_taken", "name duplicate")
	})
}
