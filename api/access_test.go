package api_test

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
	"modelproviders/pkg/auth"
)

// Without a valid token nothing but the service routes is answered.
func TestUnauthenticated(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		past, soon := time.Now().Add(-time.Second), time.Now().Add(time.Hour)
		revoked := s.NewToken(t, c.Workspace, auth.Admin, func(token *auth.Token) { token.RevokedAt = &past })
		expired := s.NewToken(t, c.Workspace, auth.Admin, func(token *auth.Token) { token.ExpiresAt = &past })
		valid := s.NewToken(t, c.Workspace, auth.Admin, func(token *auth.Token) { token.ExpiresAt = &soon })
		last := c.Token[len(c.Token)-1:]
		forged := c.Token[:len(c.Token)-1] + map[bool]string{true: "b", false: "a"}[last == "a"]
		swapped := strings.ToUpper(c.Token[:20]) + strings.ToLower(c.Token[20:])

		for _, o := range operations(p) {
			none := o.do(c.With(""))
			none.Problem(http.StatusUnauthorized, "unauthenticated")
			if challenge := none.Header.Get("WWW-Authenticate"); !strings.HasPrefix(challenge, "Bearer") || strings.Contains(challenge, "error") {
				t.Errorf("%s without a token is challenged with %q", o, challenge)
			}
			for _, token := range []string{revoked, expired, forged} {
				refused := o.do(c.With(token))
				refused.Problem(http.StatusUnauthorized, "unauthenticated")
				if challenge := refused.Header.Get("WWW-Authenticate"); !strings.HasPrefix(challenge, "Bearer") || !strings.Contains(challenge, `error="invalid_token"`) {
					t.Errorf("%s with a bad token is challenged with %q", o, challenge)
				}
				if strings.Contains(refused.Body, token) {
					t.Errorf("%s repeats the token", o)
				}
			}
		}
		unchanged(t, c, p)
		authorization := func(value string) *apitest.Answer {
			return c.With("").Get("/providers", apitest.Header("Authorization", value))
		}
		for _, value := range []string{
			"Bearer", "Bearer x", "Bearer mp_", "Bearer " + swapped, "Bearer " + c.Token + "x", "Bearer " + c.Token[:30], "Bearer mp_" + strings.Repeat("0", 49),
			c.Token, "Basic " + c.Token, "Token " + c.Token, "Bearer" + c.Token, "Bearer\"" + c.Token + "\"", "Bearer " + c.Token + " " + c.Token, "Bearer " + c.Token + ",x",
			"Bearer " + strings.Repeat("x", 8000), "Bearer null", "Bearer ' OR 1=1",
		} {
			authorization(value).Problem(http.StatusUnauthorized, "unauthenticated")
		}
		for _, value := range []string{"Bearer " + c.Token, "bearer " + c.Token, "BEARER " + c.Token, "Bearer   " + c.Token, "Bearer " + valid} {
			authorization(value).Is(http.StatusOK)
		}
		for _, query := range []string{"?access_token=" + c.Token, "?token=" + c.Token} {
			c.With("").Get("/providers"+query).Problem(http.StatusUnauthorized, "unauthenticated")
		}
		for _, path := range []string{"/healthz", "/readyz", "/openapi.yaml", "/openapi.json", "/icons/openai.svg", "/console/config.json"} {
			c.With("").Get(path).Is(http.StatusOK)
			c.With(revoked).Get(path).Is(http.StatusOK)
		}
	})
}

// Every operation needs its scope, and is refused before anything is looked at.
func TestForbidden(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		for _, o := range operations(p) {
			if o.scope == "" {
				continue
			}
			allOthers := slices.DeleteFunc(auth.Scopes(), func(scope auth.Scope) bool { return scope == o.scope })
			weak := c.With(s.NewToken(t, c.Workspace, "", func(token *auth.Token) { token.Scopes = allOthers }))
			if detail := o.do(weak).Problem(http.StatusForbidden, "forbidden"); !strings.Contains(detail, string(o.scope)) {
				t.Errorf("%s is refused without the scope %s that it needs: %s", o, o.scope, detail)
			}
			weak.Do(o.method, o.path+"?bogus=1", "{broken").Problem(http.StatusForbidden, "forbidden")
			weak.Do(o.method, strings.NewReplacer(p.ID, unknownID, p.Models[0].ID, unknownID).Replace(o.path), o.body).Problem(http.StatusForbidden, "forbidden")
		}
		unchanged(t, c, p)

		alone := func(o operation) *apitest.Client {
			return c.With(s.NewToken(t, c.Workspace, "", func(token *auth.Token) { token.Scopes = []auth.Scope{cmp.Or(o.scope, auth.ProvidersRead)} }))
		}
		for _, o := range operations(p) {
			if answer := o.do(alone(o)); answer.Status >= http.StatusBadRequest && answer.Status != http.StatusBadGateway && !strings.HasSuffix(o.path, unknownID) {
				t.Errorf("%s with its scope alone is answered with %d: %s", o, answer.Status, answer.Body)
			}
		}
	})
}

// Roles bundle scopes.
func TestRoles(t *testing.T) {
	may := map[auth.Role][]auth.Scope{
		auth.Viewer: {auth.ProvidersRead},
		auth.Editor: {auth.ProvidersRead, auth.ProvidersWrite, auth.ModelsTest, auth.ReferencesWrite},
		auth.Admin:  {auth.ProvidersRead, auth.ProvidersWrite, auth.ModelsTest, auth.ReferencesWrite, auth.CredentialsReveal, auth.AuditRead, auth.TokensWrite},
	}
	onShared(t, func(t *testing.T, s *apitest.Server) {
		for role, scopes := range may {
			c := s.Workspace(t)
			p := blockedProvider(c)
			as := c.As(role)
			for _, o := range operations(p) {
				if answer := o.do(as); (answer.Status != http.StatusForbidden) != o.allows(scopes) {
					t.Errorf("%s as %s is answered with %d", o, role, answer.Status)
				}
			}
		}
	})
}

// What belongs to another workspace is not there.
func TestWorkspaces(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c, neighbour := s.Workspace(t), s.Workspace(t)
		p := blockedProvider(c)
		own := blockedProvider(neighbour)
		for _, o := range operations(p) {
			if !strings.Contains(o.path, p.ID) && !strings.Contains(o.path, p.Models[0].ID) {
				continue
			}
			for _, stranger := range []*apitest.Client{neighbour, s.Admin(t)} {
				foreign := o.do(stranger)
				foreign.Problem(http.StatusNotFound, "not_found")
				nothing := stranger.Do(o.method, strings.NewReplacer(p.ID, unknownID, p.Models[0].ID, unknownID).Replace(o.path), o.body)
				if got, want := withoutIDs(foreign, p), withoutIDs(nothing, p); got != want {
					t.Errorf("%s tells a foreign id from an unknown one: %s, %s", o, got, want)
				}
			}
		}
		neighbour.Patch(own.Path(), object{"models": list{object{"id": p.Models[0].ID}}}).
			Problem(http.StatusUnprocessableEntity, "validation_failed", "models[0].id not_found")
		wantList(t, "providers", providerNames(walk[apitest.Provider](neighbour, "/providers", 10)), own.Name)
		if models := walk[apitest.Model](neighbour, "/models", 10); len(models) != 1 || models[0].ProviderID != own.ID {
			t.Errorf("the neighbour's models are %+v", models)
		}
		if models := walk[apitest.Model](neighbour, "/models?provider_id="+p.ID, 10); len(models) != 0 {
			t.Errorf("the neighbour sees %+v", models)
		}
		unchanged(t, c, p)
	})
}

// withoutIDs is what a refusal says, whichever id and request it is about.
func withoutIDs(a *apitest.Answer, p apitest.Provider) string {
	return strings.NewReplacer(p.ID, "id", p.Models[0].ID, "id", unknownID, "id", a.RequestID(), "request").Replace(a.Body)
}

// Without authentication everyone is the admin of `default`, but no web page of
// another origin or under another name is.
func TestAuthOff(t *testing.T) {
	const ours = "https://app.example.com"
	host := func(name string) apitest.Edit { return func(r *http.Request) { r.Host = name } }
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Admin(t)
		p := blockedProvider(c)
		for _, o := range operations(p) {
			c := c.With("nonsense") // a token says nothing here
			o.do(c, host("attacker.example.com")).Problem(http.StatusForbidden, "forbidden")
			o.do(c, apitest.Header("Origin", "https://attacker.example.com")).Problem(http.StatusForbidden, "forbidden")
		}
		unchanged(t, c, p)
		for _, path := range []string{"/healthz", "/readyz", "/openapi.yaml", "/openapi.json", "/icons/openai.svg", "/console/config.json", "/nothing"} {
			c.Get(path, host("attacker.example.com")).Problem(http.StatusForbidden, "forbidden")
		}
		port := s.URL[strings.LastIndex(s.URL, ":"):]
		for _, name := range []string{
			"attacker.example.com" + port, "127.0.0.1.example.com", "localhost.example.com", "example.com:127.0.0.1", "0.0.0.0", "10.0.0.1" + port, "169.254.169.254",
			"localhost@example.com", "[::]", "1", "2130706433", "xlocalhost",
		} {
			c.Get("/providers", host(name)).Problem(http.StatusForbidden, "forbidden")
		}
		for _, name := range []string{"localhost", "localhost" + port, "LOCALHOST", "localhost.", "127.0.0.1", "127.0.0.1" + port, "127.1.2.3", "[::1]", "[::1]" + port} {
			c.Get("/providers", host(name)).Is(http.StatusOK)
		}
		for _, origin := range []string{"https://attacker.example.com", "null", "https://localhost" + port, "http://localhost:1", "http://127.0.0.1", "https://app.example.com:444", "http://app.example.com", "file://"} {
			c.Get("/providers", apitest.Header("Origin", origin)).Problem(http.StatusForbidden, "forbidden")
		}
		for _, origin := range []string{ours, s.URL} {
			c.Get("/providers", apitest.Header("Origin", origin)).Is(http.StatusOK)
		}
		c.Get("/providers", host("localhost"+port), apitest.Header("Origin", "http://localhost"+port)).Is(http.StatusOK)
		c.Get("/providers", apitest.Header("Origin", ours)).Has("Access-Control-Allow-Origin", ours)
	}, func(cfg *app.Config) { cfg.AuthOff, cfg.CORSOrigins = true, []string{ours} })
}
