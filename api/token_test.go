package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"modelproviders/api/apitest"
	"modelproviders/pkg/auth"
)

// token is an API token as it is answered.
type token struct {
	ID         string   `json:"id"`
	Name       string   `json:"name"`
	Workspace  string   `json:"workspace"`
	Role       *string  `json:"role"`
	Scopes     []string `json:"scopes"`
	CreatedAt  string   `json:"created_at"`
	ExpiresAt  *string  `json:"expires_at"`
	LastUsedAt *string  `json:"last_used_at"`
	RevokedAt  *string  `json:"revoked_at"`
	Token      string   `json:"token"`
}

func newToken(c *apitest.Client, body object) (made token) {
	c.Post("/tokens", body).Is(http.StatusCreated).Has("Cache-Control", "no-store").Into(&made)
	return made
}

func TestTokens(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		made := newToken(c, object{"name": " Deploy script ", "role": "editor", "expires_at": "2999-01-31T09:30:00+01:00"})
		if made.Name != "Deploy script" || made.Workspace != c.Workspace || *made.Role != "editor" || *made.ExpiresAt != "2999-01-31T08:30:00.000Z" ||
			!slices.Equal(made.Scopes, []string{"providers:read", "providers:write", "models:test", "references:write"}) || !strings.HasPrefix(made.Token, "mp_") || made.LastUsedAt != nil {
			t.Errorf("made %+v", made)
		}
		scoped := newToken(c, object{"name": "Auditor", "scopes": list{"audit:read", "providers:read"}})
		if scoped.Role != nil || scoped.ExpiresAt != nil || !slices.Equal(scoped.Scopes, []string{"providers:read", "audit:read"}) {
			t.Errorf("made %+v", scoped)
		}

		editor := c.With(made.Token)
		editor.Post("/providers", apitest.OpenAI(nil)).Is(http.StatusCreated)
		editor.Get("/tokens").Problem(http.StatusForbidden, "forbidden")
		var me struct {
			Subject, Name, Kind, Workspace string
			Role                           *string
			Scopes                         []string
		}
		editor.Get("/me").Is(http.StatusOK).Into(&me)
		if me.Subject != made.ID || me.Name != made.Name || me.Kind != "token" || me.Workspace != c.Workspace || *me.Role != "editor" || !slices.Equal(me.Scopes, made.Scopes) {
			t.Errorf("/me answers %+v", me)
		}

		var tokens []token
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			// When a token was used is noted beside the requests.
			if tokens = walk[token](c, "/tokens", 1); len(tokens) > 1 && tokens[1].LastUsedAt != nil {
				break
			}
		}
		if len(tokens) != 3 || tokens[0].ID != scoped.ID || tokens[1].ID != made.ID || tokens[1].LastUsedAt == nil || tokens[0].LastUsedAt != nil {
			t.Errorf("the tokens are %+v", tokens)
		}
		for _, listed := range tokens {
			if listed.Token != "" {
				t.Error("the list holds a token's value")
			}
		}
		c.Delete("/tokens/" + strings.ToUpper(made.ID)).Is(http.StatusNoContent)
		editor.Get("/me").Problem(http.StatusUnauthorized, "unauthenticated")
		c.Delete("/tokens/"+made.ID).Problem(http.StatusNotFound, "not_found")
		c.Delete("/tokens/x").Problem(http.StatusNotFound, "not_found")
		s.Workspace(t).Delete("/tokens/"+scoped.ID).Problem(http.StatusNotFound, "not_found")
		if left := walk[token](c, "/tokens", 100); len(left) != 2 {
			t.Errorf("after the revocation there are %+v", left)
		}
		if revoked := walk[token](c, "/tokens?revoked=true", 1); len(revoked) != 1 || revoked[0].ID != made.ID || revoked[0].RevokedAt == nil {
			t.Errorf("the revoked tokens are %+v", revoked)
		}
		if left := walk[token](c, "/tokens?revoked=false", 1); len(left) != 2 || left[0].RevokedAt != nil {
			t.Errorf("the tokens that are not revoked are %+v", left)
		}
		c.Delete("/tokens/" + scoped.ID).Is(http.StatusNoContent)
		var page apitest.Page[token]
		c.Get("/tokens?revoked=true&limit=1").Into(&page)
		c.Get("/tokens?cursor="+*page.NextCursor).Problem(http.StatusBadRequest, "malformed_request", "cursor invalid")
		c.Get("/tokens?revoked=yes").Problem(http.StatusBadRequest, "malformed_request", "revoked invalid")
	})
}

func TestInvalidTokens(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		for _, test := range []struct {
			body   object
			faults []string
		}{
			{object{}, []string{"name required", "role required"}},
			{object{"name": strings.Repeat("x", 101), "role": "admin"}, []string{"name too_long"}},
			{object{"name": "a\nb", "role": "owner"}, []string{"name invalid", "role invalid"}},
			{object{"name": "a", "role": "viewer", "scopes": list{"audit:read"}}, []string{"scopes invalid"}},
			{object{"name": "a", "scopes": list{}}, []string{"scopes required"}},
			{object{"name": "a", "scopes": list{"audit:read", "audit:read", "root"}}, []string{"scopes[1] duplicate", "scopes[2] invalid"}},
			{object{"name": "a", "role": "viewer", "expires_at": "tomorrow"}, []string{"expires_at invalid"}},
			{object{"name": "a", "role": "viewer", "expires_at": "2020-01-01T00:00:00Z"}, []string{"expires_at invalid"}},
			{object{"name": nil, "role": nil}, []string{"name required", "role required"}},
		} {
			c.Post("/tokens", test.body).Problem(http.StatusUnprocessableEntity, "validation_failed", test.faults...)
		}
		c.Post("/tokens", object{"name": "a", "role": "viewer"}, apitest.Header("Idempotency-Key", "k")).
			Problem(http.StatusBadRequest, "malformed_request", "Idempotency-Key invalid")
		if tokens := walk[token](c, "/tokens", 100); len(tokens) != 1 {
			t.Errorf("there are %d tokens", len(tokens))
		}
	})
}

// Nobody grants more than they may do, and the last admin stays.
func TestTokensGrantNoMore(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		keeper := c.With(s.NewToken(t, c.Workspace, "", func(token *auth.Token) { token.Scopes = []auth.Scope{auth.TokensWrite, auth.ProvidersRead} }))
		keeper.Post("/tokens", object{"name": "a", "role": "admin"}).Problem(http.StatusForbidden, "forbidden")
		keeper.Post("/tokens", object{"name": "a", "scopes": list{"credentials:reveal"}}).Problem(http.StatusForbidden, "forbidden")
		newToken(keeper, object{"name": "a", "role": "viewer"})

		var me struct{ Subject string }
		answer := c.Get("/me").Object()
		me.Subject = answer["subject"].(string)
		c.Delete("/tokens/"+me.Subject).Problem(http.StatusConflict, "last_admin")
		soon := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		second := newToken(c, object{"name": "second admin", "role": "admin", "expires_at": soon})
		c.Delete("/tokens/" + me.Subject).Is(http.StatusNoContent)
		c.Get("/me").Problem(http.StatusUnauthorized, "unauthenticated")
		c.With(second.Token).Delete("/tokens/"+second.ID).Problem(http.StatusConflict, "last_admin")
	})
}
