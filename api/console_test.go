package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
	"modelproviders/pkg/auth/authtest"
)

// asset gets a file of the console, which openapi.yaml does not describe.
func asset(t *testing.T, s *apitest.Server, path string) (response *http.Response, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err = client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

func configIs(t *testing.T, c *apitest.Client, want string) {
	t.Helper()
	if got := c.Get("/console/config.json").Is(http.StatusOK).Body; strings.TrimSpace(got) != want {
		t.Errorf("the configuration is %s, not %s", got, want)
	}
}

func TestConsole(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		if response, _ := asset(t, s, "/console"); response.StatusCode != http.StatusPermanentRedirect || response.Header.Get("Location") != "console/" {
			t.Errorf("/console is answered with %s to %q", response.Status, response.Header.Get("Location"))
		}
		for path, mediaType := range map[string]string{
			"/console/": "text/html", "/console/main.js": "text/javascript", "/console/base.css": "text/css", "/console/icons.svg": "image/svg+xml",
		} {
			response, body := asset(t, s, path)
			if response.StatusCode != http.StatusOK || !strings.HasPrefix(response.Header.Get("Content-Type"), mediaType) || body == "" {
				t.Errorf("%s is answered with %s, %s and %d bytes", path, response.Status, response.Header.Get("Content-Type"), len(body))
			}
			const policy = "default-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
			if got := response.Header.Get("Content-Security-Policy"); got != policy {
				t.Errorf("%s has the policy %s", path, got)
			}
		}
		for _, path := range []string{"/console/nothing.js", "/console/package.json", "/console/test/drive.js", "/console/..%2fopenapi.yaml", "/console/%2e%2e/openapi.yaml"} {
			s.Admin(t).With("").Get(path).Problem(http.StatusNotFound, "not_found")
		}
		configIs(t, s.Admin(t).With(""), `{"api_url":"..","authentication":true,"issuer":"","client_id":"","scopes":"","audience":""}`)
	}, func(cfg *app.Config) { cfg.BasePath = "/api/v1" })
}

func TestConsoleWithoutAuthentication(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Admin(t)
		configIs(t, c, `{"api_url":"..","authentication":false,"issuer":"","client_id":"","scopes":"","audience":""}`)
		c.Get("/console/config.json", apitest.Header("Origin", "https://attacker.example.com")).Problem(http.StatusForbidden, "forbidden")
	}, func(cfg *app.Config) { cfg.AuthOff = true })
}

func TestConsoleIsOff(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		for _, path := range []string{"/console", "/console/", "/console/main.js", "/console/config.json"} {
			s.Admin(t).Get(path).Problem(http.StatusNotFound, "not_found")
		}
	}, func(cfg *app.Config) { cfg.Console.Enabled = false })
}

// The console may call the issuer, and its token endpoint if that has another
// origin. The page is served while the issuer is down, too.
func TestConsoleSignsInThroughTheIssuer(t *testing.T) {
	console := func(cfg *app.Config) { cfg.Console = app.Console{Enabled: true, ClientID: authtest.ClientID} }
	issuer := authtest.Start(t)
	t.Run("one origin", func(t *testing.T) {
		onEach(t, func(t *testing.T, s *apitest.Server) {
			configIs(t, s.Admin(t).With(""), `{"api_url":"..","authentication":true,"issuer":"`+issuer.URL+
				`","client_id":"`+authtest.ClientID+`","scopes":"openid","audience":"`+authtest.Audience+`"}`)
			allowed(t, s, issuer.URL)
		}, signInThrough(issuer), console)
	})

	elsewhere := authtest.Start(t)
	elsewhere.Answer(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			elsewhere.Provider(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"issuer":"`+elsewhere.URL+`","jwks_uri":"`+elsewhere.URL+`/keys","token_endpoint":"https://tokens.example.com/oauth/token"}`)
	})
	t.Run("two origins", func(t *testing.T) {
		onEach(t, func(t *testing.T, s *apitest.Server) {
			allowed(t, s, elsewhere.URL, "https://tokens.example.com")
		}, signInThrough(elsewhere), console)
	})

	t.Run("issuer is down", func(t *testing.T) {
		down := httptest.NewServer(http.NotFoundHandler())
		down.Close()
		onEach(t, func(t *testing.T, s *apitest.Server) {
			allowed(t, s, down.URL)
		}, console, func(cfg *app.Config) {
			cfg.OIDC = app.OIDC{Issuer: down.URL, Audience: authtest.Audience, RoleClaim: "role"}
		})
	})
}

// allowed checks which origins the console may call beside its own.
func allowed(t *testing.T, s *apitest.Server, origins ...string) {
	t.Helper()
	response, _ := asset(t, s, "/console/")
	want := "; connect-src 'self' " + strings.Join(origins, " ") + "; "
	if got := response.Header.Get("Content-Security-Policy"); response.StatusCode != http.StatusOK || !strings.Contains(got, want) {
		t.Errorf("the console is answered with %s and the policy %s", response.Status, got)
	}
}
