package api_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/auth/authtest"
)

// signInThrough configures an issuer.
func signInThrough(issuer *authtest.Issuer) apitest.Option {
	return func(cfg *app.Config) {
		cfg.OIDC = app.OIDC{Issuer: issuer.URL, Audience: authtest.Audience, RoleClaim: "app.roles", WorkspaceClaim: "https://app/org"}
	}
}

// signsIn signs a user in by the authorization code flow, and returns the access
// token and the ID token.
func signsIn(t *testing.T, issuer *authtest.Issuer, user, workspace string, roles ...string) (accessToken, idToken string) {
	t.Helper()
	claims := authtest.Claims{"app": map[string]any{"roles": roles}}
	if workspace != "" {
		claims["https://app/org"] = workspace
	}
	issuer.SetUserClaims(claims)
	return issuer.SignIn(t, user)
}

func TestUsersSignInThroughTheIssuer(t *testing.T) {
	issuer := authtest.Start(t)
	editorToken, editorIDToken := signsIn(t, issuer, "alice", "acme", "viewer", "editor")
	viewerToken, _ := signsIn(t, issuer, "bob", "acme", "viewer")
	nobodyToken, _ := signsIn(t, issuer, "carol", "acme", "accountant")
	strangerToken, _ := signsIn(t, issuer, "dave", "other", "admin")
	homelessToken, _ := signsIn(t, issuer, "erin", "", "admin")

	onEach(t, func(t *testing.T, s *apitest.Server) {
		anyone := s.Admin(t)
		editor, viewer, stranger := anyone.With(editorToken), anyone.With(viewerToken), anyone.With(strangerToken)
		p := blockedProvider(editor)

		viewer.Get(p.Path()).Is(200)
		viewer.Delete(p.Path()).Problem(403, "forbidden")
		editor.Post(p.Path()+"/credentials/api_key/reveal", nil).Problem(403, "forbidden")
		stranger.Get(p.Path()).Problem(404, "not_found")
		anyone.Get(p.Path()).Problem(404, "not_found")
		anyone.With(s.NewToken(t, "acme", auth.Admin)).Get(p.Path()).Is(200)

		nobody := anyone.With(nobodyToken)
		for _, o := range operations(p) {
			if o.scope != "" {
				o.do(nobody).Problem(403, "forbidden")
			}
		}
		if me := nobody.Get("/me").Is(200).Body; strings.TrimSpace(me) != `{"subject":"carol","name":"","kind":"oidc","workspace":"acme","role":null,"scopes":[]}` {
			t.Errorf("who has no role is told %s", me)
		}
		for name, token := range map[string]string{"an ID token": editorIDToken, "a token without a workspace": homelessToken} {
			answer := anyone.With(token).Get("/providers").Has("WWW-Authenticate", `Bearer realm="modelproviders", error="invalid_token"`)
			if detail := answer.Problem(401, "unauthenticated"); strings.Contains(detail, token) {
				t.Errorf("the refusal of %s quotes it: %s", name, detail)
			}
		}
		for _, token := range []string{editorToken, editorIDToken, strangerToken} {
			if signature := token[strings.LastIndex(token, ".")+1:]; strings.Contains(s.Log.Text(), signature) {
				t.Error("the log holds a token")
			}
		}
	}, signInThrough(issuer))
}

func TestIssuerThatIsDownDelaysSignInsAlone(t *testing.T) {
	issuer := authtest.Start(t)
	token, _ := signsIn(t, issuer, "alice", "default", "viewer")
	issuer.Down()
	var ahead atomic.Int64 // seconds that the service's clock is ahead
	clock := func(cfg *app.Config) {
		cfg.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load()) * time.Second) }
	}
	unchecked := func(base http.RoundTripper, _ string) http.RoundTripper { return base }
	s := apitest.Start(t, unchecked, "SQLite", signInThrough(issuer), clock)

	admin := s.Admin(t)
	admin.Get("/readyz").Is(200)
	admin.Get("/providers").Is(200)
	answer := admin.With(token).Get("/providers").Has("Retry-After", "1")
	if detail := answer.Problem(503, "unavailable"); strings.Contains(detail, issuer.URL) {
		t.Errorf("the issuer's address is told to whoever asks: %s", detail)
	}
	issuer.Up()
	ahead.Store(1)
	admin.With(token).Get("/providers").Is(200)
}

// TestLogNamesTheCauseOfAFailedSignIn: under the request id the log has the cause of
// each refused token, also where the caller is not told.
func TestLogNamesTheCauseOfAFailedSignIn(t *testing.T) {
	issuer := authtest.Start(t)
	_, idToken := signsIn(t, issuer, "alice", "acme", "viewer")
	accessToken := issuer.AccessToken(t, authtest.Claims{"aud": "https://other.example.com"})
	forged := authtest.NewKey(t, jose.ES256).Sign(t, issuer.Claims(authtest.Claims{"iss": "https://other.example.com"}))
	unchecked := func(base http.RoundTripper, _ string) http.RoundTripper { return base }
	s := apitest.Start(t, unchecked, "SQLite", signInThrough(issuer))
	for name, test := range map[string]struct{ token, told, logged string }{
		"an ID token":      {idToken, "not the ID token", "not the ID token"},
		"another audience": {accessToken, "claim aud", "claim aud"},
		"an opaque token":  {"9f8b4c7a6d5e", "nor a JWT", "nor a JWT"},
		"another issuer":   {forged, "not signed by a trusted key", "claim iss"},
		"an unknown token": {"mp_unknown", "unknown, revoked or expired", "unknown, revoked or expired"},
	} {
		answer := s.Admin(t).With(test.token).Get("/providers")
		if detail := answer.Problem(401, "unauthenticated"); !strings.Contains(detail, test.told) || test.told != test.logged && strings.Contains(detail, test.logged) {
			t.Errorf("%s: the caller is told %q", name, detail)
		}
		if cause, _ := s.Log.Request(t, answer.RequestID())["cause"].(string); !strings.Contains(cause, test.logged) || strings.Contains(cause, test.token) {
			t.Errorf("%s: the log has the cause %q", name, cause)
		}
	}
}
