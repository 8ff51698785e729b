package main

import (
	"context"
	"log/slog"
	"time"

	"modelproviders/pkg/app"
)

// serveCommand serves the API.
type serveCommand struct {
	Addr        string `default:"127.0.0.1:8080" help:"Listen address."`
	DataDir     string `default:"./data" help:"Where SQLite file, keyset and first token are kept."`
	DatabaseURL string `help:"postgres:// URL of the database; empty: SQLite in the data dir."`
	Keyset      string `help:"Encryption keyset; empty: keyset.json in the data dir."`
	Auth        string `default:"on" enum:"on,off" help:"off lets everyone in as admin; on a loopback address only."`

	OIDC oidcFlags `embed:"" prefix:"oidc-"`

	CorsOrigins       []string      `help:"Exact origins of browser apps, comma-separated."`
	ProviderEndpoints string        `help:"Operator's own endpoints: type=URL, comma-separated."`
	AllowUpstreams    []string      `help:"Hosts or CIDRs that a base_url may reach beside the public internet, comma-separated."`
	EgressProxy       string        `help:"Proxy for upstream calls."`
	TestTimeout       time.Duration `default:"60s" help:"Bound on one test."`

	BasePath       string   `help:"Prefix of all routes, such as /api/v1."`
	TLSCert        string   `name:"tls-cert" help:"PEM file of the TLS certificate chain."`
	TLSKey         string   `name:"tls-key" help:"PEM file of the TLS key."`
	TrustedProxies []string `help:"CIDRs whose X-Forwarded-For counts, comma-separated."`

	Reveal        string `default:"on" enum:"on,off" help:"off: credentials are never revealed."`
	RevealReason  string `default:"optional" enum:"optional,required" help:"Whether a reveal needs a reason."`
	RateTests     int    `default:"300" help:"Tests a minute in a workspace; 0: no bound."`
	TestsInFlight int    `default:"64" help:"Tests at once in a workspace; 0: no bound."`
	RateReveals   int    `default:"10" help:"Reveals a minute of a principal; 0: no bound."`
	RateSignIns   int    `default:"60" help:"Failed sign-ins a minute from an address; 0: no bound."`
}

// oidcFlags say whose access tokens are taken beside API tokens.
type oidcFlags struct {
	Issuer         string `help:"OpenID Connect issuer whose JWT access tokens are taken, exactly as its tokens name it; empty: none."`
	Audience       string `help:"Audience that these tokens are for; needed with an issuer."`
	RoleClaim      string `help:"Claim that holds a role or a list of them: its exact name, or a dotted path; empty: no token has a role."`
	WorkspaceClaim string `help:"Claim that holds the workspace; empty: everyone is in the workspace default."`
	Roles          string `help:"Roles of the role claim's values: group=role, comma-separated; empty: the values are roles."`
}

// Run serves until ctx is done.
func (s serveCommand) Run(ctx context.Context, out streams) error {
	service, err := app.Start(ctx, app.Config{
		Addr: s.Addr, DataDir: s.DataDir, DatabaseURL: s.DatabaseURL, Keyset: s.Keyset, AuthOff: s.Auth == "off",
		OIDC: app.OIDC{Issuer: s.OIDC.Issuer, Audience: s.OIDC.Audience, RoleClaim: s.OIDC.RoleClaim,
			WorkspaceClaim: s.OIDC.WorkspaceClaim, Roles: s.OIDC.Roles},
		CORSOrigins: s.CorsOrigins, ProviderEndpoints: s.ProviderEndpoints, AllowUpstreams: s.AllowUpstreams,
		EgressProxy: s.EgressProxy, BasePath: s.BasePath, TLSCert: s.TLSCert, TLSKey: s.TLSKey, TrustedProxies: s.TrustedProxies,
		Reveal: s.Reveal == "on", RevealReason: s.RevealReason == "required", TestTimeout: s.TestTimeout,
		Limits: app.Limits{TestsPerMinute: s.RateTests, TestsInFlight: s.TestsInFlight,
			RevealsPerMinute: s.RateReveals, SignInsPerMinute: s.RateSignIns},
		Logger: slog.New(slog.NewTextHandler(out.stderr, nil)),
	})
	if err != nil {
		return err
	}
	return service.Run(ctx)
}
