package api

import (
	"cmp"
	"context"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"modelproviders/docs"
)

// Console configures the console, the page at /console/.
type Console struct {
	// Issuer is the OpenID Connect issuer that signs users in, or "".
	Issuer string
	// ClientID is the client id of the console at the issuer. Without it, users sign
	// in with an API token.
	ClientID string
	Scopes   string // the scopes to request, separated by spaces
	Audience string
	// TokenEndpoint returns the URL of the issuer's token endpoint. It is nil if
	// there is no issuer.
	TokenEndpoint func(context.Context) (string, error)
}

// tokenEndpointPatience is how long the console waits for the issuer.
const tokenEndpointPatience = time.Second

// consoleConfig tells the console where the API is and how users sign in.
type consoleConfig struct {
	// The URL of the API, relative to that of the console.
	APIURL string `json:"api_url" format:"uri-reference" example:".."`
	// Whether the API requires a token.
	Authentication bool `json:"authentication" example:"true"`
	// The OpenID Connect issuer; empty if users sign in with an API token only.
	Issuer string `json:"issuer" example:"https://login.example.com"`
	// The client id of the console at the issuer; empty if users sign in with an API token only.
	ClientID string `json:"client_id" example:"modelproviders-console"`
	// The scopes to request, separated by spaces.
	Scopes string `json:"scopes" example:"openid"`
	// The audience that access tokens must have; empty if there is no issuer.
	Audience string `json:"audience" example:"https://modelproviders.example.com"`
} // @name ConsoleConfig

// console returns the routes of the console. The page has relative URLs only, so
// that it works under any prefix. Its query is the issuer's answer to a sign-in.
func (a *API) console() []service {
	if a.Console == nil {
		return nil
	}
	return []service{
		{"/console", func(c echo.Context) error { return c.Redirect(http.StatusPermanentRedirect, "console/") }},
		{"/console/config.json", withoutQuery(a.answering(a.getConsoleConfig))},
		{"/console/*", a.serveConsole},
	}
}

// @Summary		Get the configuration of the console
// @Description	The console is the page at `/console/`. A copy of it on another origin has its own `config.json`.
// @Success		200	{object}	consoleConfig
// @Failure		404	{object}	problem
// @Router			/console/config.json [get]
func (a *API) getConsoleConfig(echo.Context) (any, error) {
	config := consoleConfig{APIURL: "..", Authentication: !a.LoopbackOnly}
	if a.Console.ClientID != "" {
		config.Issuer, config.ClientID = a.Console.Issuer, a.Console.ClientID
		config.Scopes, config.Audience = a.Console.Scopes, a.Console.Audience
	}
	return config, nil
}

// serveConsole serves the files of the console.
func (a *API) serveConsole(c echo.Context) error {
	name := cmp.Or(c.Param("*"), "index.html")
	content, err := fs.ReadFile(docs.Console(), name)
	if err != nil {
		return echo.ErrNotFound
	}
	return serveAsset(c, a.consolePolicy(c.Request().Context()), name, content)
}

// consolePolicy allows the console to call this service and, to sign users in, the
// issuer. Nothing else may be loaded or called.
func (a *API) consolePolicy(ctx context.Context) string {
	calls := []string{"'self'"}
	if a.Console.ClientID != "" {
		calls = append(calls, originOf(a.Console.Issuer))
		ctx, cancel := context.WithTimeout(ctx, tokenEndpointPatience)
		defer cancel()
		endpoint, err := a.Console.TokenEndpoint(ctx)
		if origin := originOf(endpoint); err == nil && origin != "" && origin != calls[1] {
			calls = append(calls, origin)
		}
	}
	return "default-src 'self'; connect-src " + strings.Join(calls, " ") +
		"; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// originOf returns the origin of a URL, or "" if it has none.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
