// Package app starts the service with a configuration: database, keyset,
// registry and HTTP server. The program and the test kits start it.
package app

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/store"
)

// Limits bound what callers may do.
type Limits = auth.Limits

// OIDC configures sign-in through an issuer. Logger and Now are set by the service.
type OIDC = auth.OIDCConfig

// Console configures the console, the page at /console/.
type Console struct {
	Enabled  bool
	ClientID string // at the OIDC issuer; empty: users sign in with an API token
	Scopes   string // to request from the issuer; empty: openid
}

// Config configures a service. The README explains each setting.
type Config struct {
	Addr        string // host:port to listen on; port 0 picks a free one
	DataDir     string // empty: ./data
	DatabaseURL string // empty: SQLite in DataDir
	Keyset      string // empty: keyset.json in DataDir

	DatabaseConnections int  // the most connections to PostgreSQL
	DatabasePooler      bool // a pooler in transaction mode is in front of PostgreSQL

	Demo bool // use a temporary data directory, with a provider that needs no API key

	AuthOff bool
	OIDC    OIDC // without an Issuer, only API tokens are accepted
	Console Console

	CORSOrigins       []string
	ProviderEndpoints string // type=URL,…
	AllowUpstreams    []string
	EgressProxy       string
	BasePath          string
	TLSCert           string
	TLSKey            string
	TrustedProxies    []string

	Reveal         bool
	RevealReason   bool
	TestTimeout    time.Duration
	AuditRetention time.Duration // in whole days; 0: forever
	Limits         Limits

	Logger      *slog.Logger
	UpstreamCAs *x509.CertPool   // for upstream calls; nil: the system's
	ReadTimeout time.Duration    // for reading a request; 0: 30 s
	StopTimeout time.Duration    // for requests in flight when the service stops; 0: 25 s
	Heartbeat   time.Duration    // how often a silent stream sends a comment; 0: 10 s
	Now         func() time.Time // nil: the system's clock
}

func (c Config) withDefaults() Config {
	c.ReadTimeout = cmp.Or(c.ReadTimeout, defaultReadTimeout)
	c.Heartbeat = cmp.Or(c.Heartbeat, defaultHeartbeat)
	c.StopTimeout = cmp.Or(c.StopTimeout, defaultStopTimeout)
	if !c.Demo {
		c.DataDir = cmp.Or(c.DataDir, "./data")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c Config) keysetPath() string {
	return cmp.Or(c.Keyset, filepath.Join(c.DataDir, "keyset.json"))
}

func (c Config) sqlitePath() string { return filepath.Join(c.DataDir, "modelproviders.db") }

func (c Config) adminTokenPath() string { return filepath.Join(c.DataDir, "admin.token") }

// basePathForm matches paths that no proxy resolves or escapes: no segment begins
// with a dot.
var basePathForm = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$`)

// check refuses settings that can't work or are not safe. Its errors name the
// setting.
func (c Config) check() error {
	host, _, err := net.SplitHostPort(c.Addr)
	oidc, limits := c.OIDC, c.Limits
	switch {
	case err != nil:
		return fmt.Errorf("MODELPROVIDERS_ADDR: %q is not host:port", c.Addr)
	case c.Demo && (c.DataDir != "" || c.DatabaseURL != "" || c.Keyset != ""):
		return errors.New("--demo uses a temporary data directory: MODELPROVIDERS_DATA_DIR, MODELPROVIDERS_DATABASE_URL and MODELPROVIDERS_KEYSET must not be set")
	case c.Demo && c.EgressProxy != "":
		return errors.New("--demo calls a server in this process: MODELPROVIDERS_EGRESS_PROXY must not be set")
	case c.Demo && !auth.LoopbackHost(host):
		return fmt.Errorf("--demo is refused on %s: it listens on a loopback address only, such as 127.0.0.1:8080", c.Addr)
	case c.AuthOff && !auth.LoopbackHost(host):
		return fmt.Errorf("MODELPROVIDERS_AUTH=off is refused on %s: without authentication the service listens on a loopback address only, such as 127.0.0.1:8080", c.Addr)
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("MODELPROVIDERS_TLS_CERT and MODELPROVIDERS_TLS_KEY must be set together")
	case c.BasePath != "" && !basePathForm.MatchString(c.BasePath):
		return fmt.Errorf("MODELPROVIDERS_BASE_PATH: %q must be segments of letters, digits, -, _, ~ and ., each after a slash, such as /api/v1", c.BasePath)
	case c.TestTimeout <= 0:
		return errors.New("MODELPROVIDERS_TEST_TIMEOUT: must be longer than 0")
	case min(limits.TestsPerMinute, limits.TestsInFlight, limits.RevealsPerMinute, limits.SignInsPerMinute) < 0:
		return errors.New("MODELPROVIDERS_RATE_TESTS, _RATE_REVEALS, _RATE_SIGN_INS and _TESTS_IN_FLIGHT: must not be negative; 0 is no limit")
	case oidc.Issuer == "" && c.Console.ClientID != "":
		return errors.New("MODELPROVIDERS_OIDC_CLIENT_ID needs MODELPROVIDERS_OIDC_ISSUER, which is not set")
	case oidc.Issuer == "" && oidc.Audience+oidc.RoleClaim+oidc.WorkspaceClaim+oidc.Roles != "":
		return errors.New("MODELPROVIDERS_OIDC_AUDIENCE, _ROLE_CLAIM, _WORKSPACE_CLAIM and _ROLES need MODELPROVIDERS_OIDC_ISSUER, which is not set")
	}
	for _, cidr := range c.TrustedProxies {
		if _, err := netip.ParsePrefix(cidr); err != nil {
			return fmt.Errorf("MODELPROVIDERS_TRUSTED_PROXIES: %q is not a CIDR such as 10.0.0.0/8", cidr)
		}
	}
	for _, origin := range c.CORSOrigins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != origin || strings.Contains(origin, "*") {
			return fmt.Errorf("MODELPROVIDERS_CORS_ORIGINS: %q is not an exact origin such as https://app.example.com", origin)
		}
	}
	return c.checkDatabase()
}

// maxDatabaseConnections is far more than a process can use.
const maxDatabaseConnections = 1000

// checkDatabase checks what the operator's commands use too.
func (c Config) checkDatabase() error {
	if c.DatabaseConnections < 1 || c.DatabaseConnections > maxDatabaseConnections {
		return fmt.Errorf("MODELPROVIDERS_DATABASE_CONNECTIONS: %d must be from 1 to %d", c.DatabaseConnections, maxDatabaseConnections)
	}
	return nil
}

// store configures the database. On SQLite the store chooses the number of
// connections.
func (c Config) store(existing bool) store.Config {
	cfg := store.Config{DatabaseURL: c.DatabaseURL, SQLitePath: c.sqlitePath(), Pooler: c.DatabasePooler, Existing: existing, Logger: c.Logger}
	if c.DatabaseURL != "" {
		cfg.MaxConns = c.DatabaseConnections
	}
	return cfg
}
