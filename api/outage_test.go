package api_test

import (
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
)

// An error that nobody foresaw is answered without its cause; the log has it
// under the same request id.
func TestInternalError(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		s.Clock.Stop()
		c := s.Workspace(t)
		p := blockedProvider(c)
		internal := func(what string, a *apitest.Answer) {
			t.Helper()
			detail := a.Problem(http.StatusInternalServerError, "internal")
			for _, told := range []string{"SQL", "table", "relation", "tokens", "providers", "pkg/", ".go"} {
				if strings.Contains(detail, told) {
					t.Errorf("%s: the answer tells of the cause: %s", what, detail)
				}
			}
			if !strings.Contains(detail, a.RequestID()) {
				t.Errorf("%s: the answer does not name the request: %s", what, detail)
			}
			line := s.Log.Request(t, a.RequestID())
			if cause, _ := line["cause"].(string); line["level"] != "ERROR" || !strings.Contains(cause, "away") && !strings.Contains(cause, "no such table") && !strings.Contains(cause, "does not exist") {
				t.Errorf("%s: the log says %v", what, line)
			}
		}
		s.Database.Exec(t, "ALTER TABLE tokens RENAME TO tokens_away")
		s.Clock.Advance(time.Second) // for as long a token that was valid is
		for _, o := range operations(p) {
			internal(o.String(), o.do(c))
		}
		c.With("").Get("/healthz").Is(http.StatusOK)
		s.Database.Exec(t, "ALTER TABLE tokens_away RENAME TO tokens")
		unchanged(t, c, p)

		// Halfway through a write everything is undone.
		s.Database.Exec(t, "ALTER TABLE models RENAME TO models_away")
		internal("create", c.Post("/providers", apitest.OpenAI(object{"models": list{apitest.GPT("a", nil)}})))
		internal("edit", c.Patch(p.Path(), object{"name": "Renamed", "models": list{}}))
		internal("add a model", c.Post(p.Path()+"/models", apitest.GPT("a", nil)))
		s.Database.Exec(t, "ALTER TABLE models_away RENAME TO models")
		wantList(t, "providers", providerNames(walk[apitest.Provider](c, "/providers", 10)), p.Name)
		unchanged(t, c, p)
		if strings.Contains(s.Log.Text(), apitest.Secret) {
			t.Error("the log tells a secret")
		}
	})
}

// While the database is away requests are told to come again, and when it is
// back the service is too.
func TestOutage(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		s.Clock.Stop()
		c := s.Workspace(t)
		p := blockedProvider(c)
		ready := c.With("").Get("/readyz").Is(http.StatusOK).Body
		if strings.TrimSpace(ready) != `{"status":"ok"}` {
			t.Errorf("/readyz says %s", ready)
		}
		unavailable := func(a *apitest.Answer) string {
			t.Helper()
			detail := a.Problem(http.StatusServiceUnavailable, "unavailable")
			if after, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || after < 1 || after > 60 {
				t.Errorf("Retry-After is %q, not 1 to 60 seconds", a.Header.Get("Retry-After"))
			}
			return detail
		}
		for range 2 { // it may happen again
			s.Database.TakeAway(t)
			c.Get("/stages").Is(http.StatusOK) // needs no database for as long as the token is kept
			s.Clock.Advance(time.Second)
			for _, o := range operations(p) {
				unavailable(o.do(c))
			}
			if detail := unavailable(c.With("").Get("/readyz")); !strings.Contains(detail, "database") {
				t.Errorf("/readyz does not name the database: %s", detail)
			}
			c.With("").Get("/healthz").Is(http.StatusOK)
			c.With("").Get("/openapi.json").Is(http.StatusOK)
			c.With("").Get("/providers").Problem(http.StatusUnauthorized, "unauthenticated") // needs no database
			s.Database.BringBack(t)
			recovers(t, c)
			unchanged(t, c, p)
			c.With("").Get("/readyz").Is(http.StatusOK)
		}
		c.EditProvider(p.ID, object{"name": "Edited after all"})
	})
}

// recovers waits until the service answers again.
func recovers(t *testing.T, c *apitest.Client) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if c.Get("/providers").Status == http.StatusOK {
			return
		}
	}
	t.Fatal("the service does not recover")
}

// A service whose schema or keys are not those of the database says so.
func TestNotReady(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Admin(t).With("")
		s.Database.Exec(t, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)")
		c.Get("/readyz").Is(http.StatusOK) // the next version of the program has migrated the database
		s.Database.Exec(t, "DELETE FROM goose_db_version WHERE version_id = 9999")
		s.Database.Exec(t, "UPDATE goose_db_version SET version_id = -version_id")
		if detail := c.Get("/readyz").Problem(http.StatusServiceUnavailable, "unavailable"); !strings.Contains(detail, "schema") {
			t.Errorf("/readyz does not name the schema: %s", detail)
		}
		s.Database.Exec(t, "UPDATE goose_db_version SET version_id = -version_id")
		c.Get("/readyz").Is(http.StatusOK)
		s.Database.Exec(t, "UPDATE claims SET name = 'keyset away' WHERE name = 'keyset'")
		if detail := c.Get("/readyz").Problem(http.StatusServiceUnavailable, "unavailable"); !strings.Contains(detail, "keys") {
			t.Errorf("/readyz does not name the keys: %s", detail)
		}
		s.Database.Exec(t, "UPDATE claims SET name = 'keyset' WHERE name = 'keyset away'")
		c.Get("/readyz").Is(http.StatusOK)
		s.Database.Exec(t, "ALTER TABLE claims RENAME TO claims_away")
		c.Get("/readyz").Problem(http.StatusServiceUnavailable, "unavailable")
		s.Database.Exec(t, "ALTER TABLE claims_away RENAME TO claims")
		c.Get("/readyz").Is(http.StatusOK)
	})
}

// A panic is an internal error: what was begun is undone, and what it says
// stays out of answer and log.
func TestPanic(t *testing.T) {
	for _, database := range apitest.DatabaseNames() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			var armed atomic.Bool
			s := apitest.Start(t, checker.RoundTripper, database, func(cfg *app.Config) {
				cfg.Now = func() time.Time {
					// Only requests panic: jobs of the service read the clock too.
					if armed.Load() && strings.Contains(string(debug.Stack()), "(*Registry)") {
						panic("the clock says " + apitest.Secret)
					}
					return time.Now()
				}
			})
			c := s.Workspace(t)
			p := blockedProvider(c)
			for range 3 {
				armed.Store(true)
				edit := c.Patch(p.Path(), object{"name": "Renamed"})
				remove := c.Delete(p.Models[0].Path())
				armed.Store(false)
				for _, a := range []*apitest.Answer{edit, remove} {
					a.Problem(http.StatusInternalServerError, "internal")
					line := s.Log.Request(t, a.RequestID())
					if cause, _ := line["cause"].(string); line["level"] != "ERROR" || !strings.Contains(cause, "panic") || !strings.Contains(cause, "goroutine") {
						t.Errorf("the log says %v", line)
					}
				}
				unchanged(t, c, p)
			}
			if strings.Contains(s.Log.Text(), apitest.Secret) {
				t.Error("the log repeats what the panic said")
			}
			c.EditProvider(p.ID, object{"name": "Renamed"}) // nothing is locked
		})
	}
}
