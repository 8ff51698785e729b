package api_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"modelproviders/api/apitest"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/auth/authtest"
	"modelproviders/pkg/provider/providertest"
)

// The attacks of docs/security.md. Each fails because of one defence, and each
// test fails when that is taken out.

// elsewhere is an upstream of the attacker's; what reaches it is lost.
type elsewhere struct{ *providertest.Server }

func (e elsewhere) sawNothing(t *testing.T) {
	t.Helper()
	if requests := e.Requests(); len(requests) > 0 {
		t.Errorf("%d requests reached the attacker, the first with %v", len(requests), requests[0].Header)
	}
}

// An editor points the base URL at an address of theirs and tests.
func TestAttackByBaseURL(t *testing.T) {
	home, theirs := providertest.Start(t, providertest.Custom()), elsewhere{providertest.Start(t, providertest.Custom())}
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := c.CreateProvider(providerOf(home))
		editor := c.As(auth.Editor)
		for _, credentials := range []object{nil, {}, {"api_key": nil}, {"api_key": ""}, {"api_key": "••••••••"}, {"api_key": p.Credentials["api_key"]}} {
			body := object{"config": theirs.Config}
			if credentials != nil {
				body["credentials"] = credentials
			}
			editor.Patch(p.Path(), body).Problem(http.StatusUnprocessableEntity, "credentials_required", "credentials.api_key required")
			body["name"] = "and a new name"
			editor.Patch(p.Path(), body).Problem(http.StatusUnprocessableEntity, "credentials_required", "credentials.api_key required")
		}
		editor.Post("/models/"+p.Models[0].ID+"/test", prompt).Is(http.StatusOK)
		theirs.sawNothing(t)
		unchanged(t, c, p)
	}, reaching(home, theirs.Server))
}

// The upstream redirects to the attacker.
func TestAttackByRedirect(t *testing.T) {
	theirs := elsewhere{providertest.Start(t, providertest.Custom())}
	for _, fake := range providertest.Fakes(t) {
		t.Run(fake.Type, func(t *testing.T) {
			home := providertest.Start(t, fake)
			home.Use(providertest.Redirect)
			home.RedirectTo(theirs.URL + "/v1/chat/completions")
			onEach(t, func(t *testing.T, s *apitest.Server) {
				c := s.Workspace(t)
				p := c.CreateProvider(providerOf(home))
				failed(t, outcomeOf(c.Post("/models/"+p.Models[0].ID+"/test", prompt)), "misconfigured")
				theirs.sawNothing(t)
			}, reaching(home, theirs.Server))
		})
	}
}

// An editor tests a draft that keeps the stored key and names another address.
func TestAttackByDraft(t *testing.T) {
	home, theirs := providertest.Start(t, providertest.Custom()), elsewhere{providertest.Start(t, providertest.Custom())}
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := c.CreateProvider(providerOf(home))
		c.As(auth.Editor).Post(p.Path()+"/test", object{"config": theirs.Config, "model_id": home.ModelID, "prompt": "Hi"}).
			Problem(http.StatusUnprocessableEntity, "credentials_required", "credentials.api_key required")
		theirs.sawNothing(t)
	}, reaching(home, theirs.Server))
}

// The mask comes back and would be saved over the key.
func TestAttackByMaskRoundTrip(t *testing.T) {
	home := providertest.Start(t, providertest.Custom())
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := c.CreateProvider(providerOf(home))
		answered := c.Get(p.Path()).Object()
		c.Patch(p.Path(), answered).Is(http.StatusOK)
		c.Patch(p.Path(), object{"credentials": object{"api_key": "••••••••"}}).Is(http.StatusOK)
		c.Patch(p.Path(), object{"credentials": object{"api_key": "********"}}).Problem(http.StatusUnprocessableEntity, "validation_failed", "credentials.api_key invalid")
		revealed := c.Post(p.Path()+"/credentials/api_key/reveal", nil).Is(http.StatusOK).Object()
		if revealed["value"] != home.Credentials["api_key"] {
			t.Errorf("the key is now %v", revealed["value"])
		}
		succeeded(t, outcomeOf(c.Post("/models/"+p.Models[0].ID+"/test", prompt)))
		unchanged(t, c, p)
	}, reaching(home))
}

// Somebody who can write the database puts a ciphertext into a row of theirs, or
// another address beside it.
func TestAttackBySwappedCiphertext(t *testing.T) {
	home, theirs := providertest.Start(t, providertest.Custom()), elsewhere{providertest.Start(t, providertest.Custom())}
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		victim, own := c.CreateProvider(providerOf(home)), c.CreateProvider(providerOf(theirs.Server))
		s.Database.Exec(t, fmt.Sprintf("UPDATE providers SET credentials = (SELECT credentials FROM providers WHERE id = '%s') WHERE id = '%s'", victim.ID, own.ID))
		c.Post(own.Path()+"/credentials/api_key/reveal", nil).Problem(http.StatusInternalServerError, "internal")
		c.Post("/models/"+own.Models[0].ID+"/test", prompt).Problem(http.StatusInternalServerError, "internal")

		s.Database.Exec(t, fmt.Sprintf("UPDATE providers SET config = (SELECT config FROM providers WHERE id = '%s'), version = version + 1 WHERE id = '%s'", own.ID, victim.ID))
		c.Post("/models/"+victim.Models[0].ID+"/test", prompt).Problem(http.StatusInternalServerError, "internal")
		theirs.sawNothing(t)
	}, reaching(home, theirs.Server))
}

// A JWT that the issuer signed for somebody else's API.
func TestAttackByAnotherAudience(t *testing.T) {
	issuer := authtest.Start(t)
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Admin(t)
		claims := authtest.Claims{"app": map[string]any{"roles": []string{"admin"}}, "https://app/org": auth.DefaultWorkspace}
		c.With(issuer.AccessToken(t, claims)).Get("/providers").Is(http.StatusOK)
		foreign := maps.Clone(claims)
		foreign["aud"] = "another-api"
		c.With(issuer.AccessToken(t, foreign)).Get("/providers").Problem(http.StatusUnauthorized, "unauthenticated")
	}, signInThrough(issuer))
}

// The admin of one workspace reaches for another's.
func TestAttackByAnotherWorkspacesToken(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		victim, attacker := s.Workspace(t), s.Workspace(t)
		p := blockedProvider(victim)
		attacker.Get(p.Path()).Problem(http.StatusNotFound, "not_found")
		attacker.Post(p.Path()+"/credentials/api_key/reveal", nil).Problem(http.StatusNotFound, "not_found")
		attacker.Patch(p.Path(), object{"name": "mine"}).Problem(http.StatusNotFound, "not_found")
		attacker.Delete(p.Path()).Problem(http.StatusNotFound, "not_found")
		attacker.Post("/models/"+p.Models[0].ID+"/test", prompt).Problem(http.StatusNotFound, "not_found")
		if theirs := walk[auditEvent](attacker, "/audit-events?provider_id="+p.ID, 10); len(theirs) > 0 {
			t.Errorf("the attacker reads %d events", len(theirs))
		}
		unchanged(t, victim, p)
	})
}

// A cursor of one's own making, or of a list that one may not read.
func TestAttackByForgedCursor(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		victim, attacker := s.Workspace(t), s.Workspace(t)
		blockedProvider(victim)
		blockedProvider(victim)
		var page apitest.Page[apitest.Provider]
		victim.Get("/providers?limit=1").Is(http.StatusOK).Into(&page)
		for _, cursor := range []string{*page.NextCursor, "eyJuIjoiIn0", strings.Repeat("A", 100)} {
			attacker.Get("/providers?limit=1&cursor="+cursor).Problem(http.StatusBadRequest, "malformed_request", "cursor invalid")
		}
	})
}

// Somebody who can write the database makes what they did undone in the log.
func TestAttackOnTheAuditLog(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		c.Post(p.Path()+"/credentials/api_key/reveal", nil).Is(http.StatusOK)
		c.Delete(p.Path()).Is(http.StatusNoContent)
		waitLinked(t, s)
		if broken := s.VerifyAudit(t); len(broken) > 0 {
			t.Fatalf("broken before anybody touched it: %v", broken)
		}
		s.Database.Exec(t, "UPDATE audit_events SET actor_subject = 'somebody else' WHERE action = 'credential.reveal'")
		if broken := s.VerifyAudit(t); len(broken) != 1 || !strings.Contains(broken[0], c.Workspace) || !strings.Contains(broken[0], "the event was changed") {
			t.Errorf("got %v", broken)
		}
	})
}

// waitLinked waits until every event is in its chain.
func waitLinked(t *testing.T, s *apitest.Server) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); len(s.VerifyAudit(t)) > 0 && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
	}
}

// An answer that is kept for one workspace is asked for from another.
func TestAttackByIdempotencyKey(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		victim, attacker := s.Workspace(t), s.Workspace(t)
		body := apitest.OpenAI(nil)
		kept := victim.Post("/providers", body, underKey("shared")).Is(http.StatusCreated).Provider()
		got := attacker.Post("/providers", body, underKey("shared")).Is(http.StatusCreated).Has("Idempotency-Replayed", "").Provider()
		if got.ID == kept.ID {
			t.Error("the attacker is answered with the victim's provider")
		}
		var rest []string
		for _, p := range walk[apitest.Provider](attacker, "/providers", 10) {
			rest = append(rest, p.ID)
		}
		if len(rest) != 1 || rest[0] != got.ID {
			t.Errorf("the attacker sees %v", rest)
		}
	})
}

// TestAccessMatrix walks every operation as every role, of the workspace and of
// another, and prints what each is answered with.
func TestAccessMatrix(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		roles := []auth.Role{auth.Viewer, auth.Editor, auth.Admin}
		var table strings.Builder
		fmt.Fprintf(&table, "%-60s %8s %8s %8s %8s   %s\n", "operation", "nobody", "viewer", "editor", "admin", "admin of another workspace")
		c, neighbour := s.Workspace(t), s.Workspace(t)
		count := len(operations(blockedProvider(c)))
		for i := range count {
			fresh := func() (apitest.Provider, operation) {
				p := blockedProvider(c)
				return p, operations(p)[i]
			}
			p, o := fresh()
			shown := strings.NewReplacer(p.ID, "{id}", p.Models[0].ID, "{model}", unknownID, "{token}").Replace(o.String())
			fmt.Fprintf(&table, "%-60s %8d", shown, o.do(c.With("")).Is(http.StatusUnauthorized).Status)
			for _, role := range roles {
				_, o := fresh()
				answer := o.do(c.As(role))
				if (answer.Status == http.StatusForbidden) == o.allows(role.Scopes()) || answer.Status == http.StatusUnauthorized {
					t.Errorf("%s as %s is answered with %d", shown, role, answer.Status)
				}
				fmt.Fprintf(&table, " %8d", answer.Status)
			}
			foreign := o.do(neighbour)
			if strings.Contains(o.path, p.ID) || strings.Contains(o.path, p.Models[0].ID) {
				foreign.Problem(http.StatusNotFound, "not_found")
			}
			fmt.Fprintf(&table, "   %d\n", foreign.Status)
		}
		t.Log("\n" + table.String())
	})
}
