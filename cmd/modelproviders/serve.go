package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"modelproviders/pkg/app"
)

// serveCommand serves the API.
type serveCommand struct {
	listenFlags
	TLSKey         string   `group:"Network:" name:"tls-key" help:"PEM file of the TLS key."`
	TrustedProxies []string `group:"Network:" help:"CIDRs of proxies whose X-Forwarded-For is trusted, comma-separated."`
	CorsOrigins    []string `group:"Network:" help:"Exact origins of browser apps, comma-separated."`
	MetricsAddr    string   `group:"Network:" help:"Listen address that serves only /metrics, without a token; by default, metrics need a token."`

	ShutdownDelay time.Duration `group:"Network:" default:"0s" help:"How long a stop keeps serving while /readyz reports 503, so that load balancers notice; at most 5m."`

	dataFlags
	NewDatabase bool `group:"Data:" help:"Start with a new database, although files show that there was one before."`
	Demo        bool `group:"Data:" help:"Start a demo: temporary data, and a simulated provider that needs no API key."`

	Auth    string    `group:"Sign-in:" default:"on" enum:"on,off" help:"off: every caller is an admin; allowed on a loopback address only."`
	OIDC    oidcFlags `group:"Sign-in:" embed:"" prefix:"oidc-"`
	Console string    `group:"Sign-in:" default:"on" enum:"on,off" help:"off: do not serve the page at /console/."`

	ProviderEndpoints string        `group:"Calls to providers:" help:"Your own endpoints of provider types: type=URL, comma-separated."`
	AllowUpstreams    []string      `group:"Calls to providers:" help:"Hosts or CIDRs that a base_url may reach in addition to the public internet, comma-separated."`
	EgressProxy       string        `group:"Calls to providers:" secret:"" help:"Proxy for upstream calls."`
	TestTimeout       time.Duration `group:"Calls to providers:" default:"60s" help:"Time limit of one test, at most 1h."`
	CheckEvery        checkPeriod   `group:"Calls to providers:" default:"off" help:"How often each active provider is checked: a duration from 1m to 24h, or off."`
	CheckTestsPerDay  int           `group:"Calls to providers:" default:"24" help:"Tests of a model per day and provider for these checks, if its list of models does not prove the credentials; 0: no tests."`

	WebhookURL    string `group:"Webhooks:" name:"webhook-url" help:"https URL of a service that is told when a provider, or a model that something depends on, changes its status."`
	WebhookSecret string `group:"Webhooks:" secret:"" help:"whsec_ secret that signs webhooks; several, separated by spaces, while it is replaced."`

	Reveal        string `group:"Limits:" default:"on" enum:"on,off" help:"off: credentials are never revealed."`
	RevealReason  string `group:"Limits:" default:"optional" enum:"optional,required" help:"Whether a reveal needs a reason: optional or required."`
	RateTests     int    `group:"Limits:" default:"300" help:"Tests per minute in a workspace; 0: no limit."`
	TestsInFlight int    `group:"Limits:" default:"64" help:"Concurrent tests in a workspace; 0: no limit."`
	RateReveals   int    `group:"Limits:" default:"10" help:"Reveals and lookups of credentials per minute by a principal; 0: no limit."`
	RateSignIns   int    `group:"Limits:" default:"60" help:"Failed sign-ins per minute from an address; 0: no limit."`

	AuditRetention retention `group:"Limits:" default:"forever" help:"How long audit events are kept: whole days such as 90d, or forever."`
}

// listenFlags say where the service is. The health check has them, too.
type listenFlags struct {
	Addr     string `group:"Network:" default:"127.0.0.1:8080" help:"Listen address."`
	BasePath string `group:"Network:" help:"Prefix of all routes, such as /api/v1."`
	TLSCert  string `group:"Network:" name:"tls-cert" help:"PEM file of the TLS certificate chain."`
}

// url returns the URL of the service on this machine. A service that listens on all
// addresses is called on the loopback address.
func (l listenFlags) url() string {
	host, port, _ := net.SplitHostPort(l.Addr) // checked before
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip.Is6() {
			host = "::1"
		}
	}
	scheme := "http"
	if l.TLSCert != "" {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + l.BasePath
}

// dataFlags say where the data is. Every command that needs data has them.
type dataFlags struct {
	DataDir     string `group:"Data:" help:"Directory of the SQLite file, the keyset and the first token; by default ./data."`
	DatabaseURL string `group:"Data:" secret:"" help:"postgres:// URL of the database; by default SQLite in the data directory."`
	Keyset      string `group:"Data:" help:"File of the encryption keyset; by default keyset.json in the data directory."`
	KeysetKEK   string `group:"Data:" name:"keyset-kek" help:"URI of the key of AWS KMS, Google Cloud KMS or Vault that encrypts the keyset; by default, the keyset is not encrypted."`

	DatabaseConnections int    `group:"Data:" default:"10" help:"Maximum number of connections to PostgreSQL."`
	DatabasePooler      string `group:"Data:" default:"off" enum:"on,off" help:"on: PostgreSQL is behind a pooler such as PgBouncer in transaction mode."`
}

func (d dataFlags) config(out streams) app.Config {
	return app.Config{DataDir: d.DataDir, DatabaseURL: d.DatabaseURL, Keyset: d.Keyset, KeysetKEK: d.KeysetKEK,
		DatabaseConnections: d.DatabaseConnections, DatabasePooler: d.DatabasePooler == "on",
		Logger: out.logger}
}

// retention is a number of days such as `90d`, or 0 for `forever`.
type retention int

// UnmarshalText implements [encoding.TextUnmarshaler].
func (r *retention) UnmarshalText(text []byte) error {
	if string(text) == "forever" {
		*r = 0
		return nil
	}
	number, ok := strings.CutSuffix(string(text), "d")
	days, err := strconv.Atoi(number)
	if !ok || err != nil || days < 1 || days > 36500 {
		return fmt.Errorf("%q must be a number of days such as 90d, or forever", text)
	}
	*r = retention(days)
	return nil
}

// checkPeriod is a duration, or 0 for `off`.
type checkPeriod time.Duration

// UnmarshalText implements [encoding.TextUnmarshaler].
func (p *checkPeriod) UnmarshalText(text []byte) error {
	if string(text) == "off" {
		*p = 0
		return nil
	}
	period, err := time.ParseDuration(string(text))
	if err != nil || period == 0 {
		return fmt.Errorf("%q must be a duration such as 5m or 1h, or off", text)
	}
	*p = checkPeriod(period)
	return nil
}

// oidcFlags configure sign-in through an issuer.
type oidcFlags struct {
	Issuer         string `help:"OpenID Connect issuer whose JWT access tokens are accepted, exactly as in the iss claim of its tokens; by default, only API tokens are accepted."`
	Audience       string `help:"Audience that these tokens must have; required with an issuer."`
	RoleClaim      string `help:"Claim that contains a role or a list of roles: its exact name or a dotted path; without it, users of the issuer have no permissions."`
	WorkspaceClaim string `help:"Claim that contains the workspace; by default, all users are in the workspace named default."`
	Roles          string `help:"Maps values of the role claim to roles: group=role, comma-separated; by default, the values are roles."`
	ClientID       string `help:"Client id of the console at the issuer; without it, users of the console sign in with an API token."`
	Scopes         string `default:"openid" help:"Scopes that the console requests from the issuer, separated by spaces."`
}

func (d dataFlags) check() app.SettingErrors { return d.config(streams{}).CheckData() }

func (s serveCommand) check() app.SettingErrors { return s.config(streams{}).Check() }

func (s serveCommand) config(out streams) app.Config {
	cfg := s.dataFlags.config(out)
	cfg.NewDatabase = s.NewDatabase
	cfg.MetricsAddr = s.MetricsAddr
	cfg.Addr, cfg.Demo, cfg.AuthOff, cfg.BasePath = s.Addr, s.Demo, s.Auth == "off", s.BasePath
	cfg.OIDC = app.OIDC{Issuer: s.OIDC.Issuer, Audience: s.OIDC.Audience, RoleClaim: s.OIDC.RoleClaim,
		WorkspaceClaim: s.OIDC.WorkspaceClaim, Roles: s.OIDC.Roles}
	cfg.Console = app.Console{Enabled: s.Console == "on", ClientID: s.OIDC.ClientID, Scopes: s.OIDC.Scopes}
	cfg.CORSOrigins, cfg.TrustedProxies = s.CorsOrigins, s.TrustedProxies
	cfg.ProviderEndpoints, cfg.AllowUpstreams, cfg.EgressProxy = s.ProviderEndpoints, s.AllowUpstreams, s.EgressProxy
	cfg.WebhookURL, cfg.WebhookSecret = s.WebhookURL, app.Secret(s.WebhookSecret)
	cfg.TLSCert, cfg.TLSKey, cfg.ShutdownDelay = s.TLSCert, s.TLSKey, s.ShutdownDelay
	cfg.Reveal, cfg.RevealReason = s.Reveal == "on", s.RevealReason == "required"
	cfg.TestTimeout, cfg.AuditRetention = s.TestTimeout, time.Duration(s.AuditRetention)*24*time.Hour
	cfg.Checks = app.Checks{Every: time.Duration(s.CheckEvery), TestsPerDay: s.CheckTestsPerDay}
	cfg.Limits = app.Limits{TestsPerMinute: s.RateTests, TestsInFlight: s.TestsInFlight,
		RevealsPerMinute: s.RateReveals, SignInsPerMinute: s.RateSignIns}
	return cfg
}

// Run serves until ctx is done. SIGHUP makes it reload what can be reloaded; one that
// arrives before it serves does so then.
func (s serveCommand) Run(ctx context.Context, out streams) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	service, err := app.Start(ctx, s.config(out))
	if err != nil {
		return err
	}
	go func() {
		for {
			select {
			case <-hangups:
				_ = service.Reload(ctx) // it logs its errors
			case <-ctx.Done():
				return
			}
		}
	}()
	return service.Run(ctx)
}
