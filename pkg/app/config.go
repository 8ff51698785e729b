// Package app wires a running service out of its configuration: database,
// keyset, registry, HTTP server. The program and the test kits start it.
package app

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/store"
)

// Limits bound what callers may ask for.
type Limits = auth.Limits

// OIDC says whose access tokens are taken beside API tokens. Logger and Now are
// those of the service.
type OIDC = auth.OIDCConfig

// Config is everything a service can be told. docs and README say what each
// setting means to the operator.
type Config struct {
	Addr        string // host:port to listen on; port 0 picks a free one
	DataDir     string
	DatabaseURL string // empty: SQLite in DataDir
	Keyset      string // empty: keyset.json in DataDir
	// DatabaseConnections bounds the connections to PostgreSQL; DatabasePooler says
	// that a pooler in transaction mode is before it.
	DatabaseConnections int
	DatabasePooler      bool
	AuthOff             bool
	OIDC                OIDC // without an Issuer: API tokens alone are taken

	CORSOrigins       []string
	ProviderEndpoints string // type=URL,…
	AllowUpstreams    []string
	EgressProxy       string
	BasePath          string
	TLSCert           string
	TLSKey            string
	TrustedProxies    []string

	Reveal       bool
	RevealReason bool
	TestTimeout  time.Duration
	// AuditRetention is how long audit events are kept, in whole days; 0 means
	// forever.
	AuditRetention time.Duration
	Limits         Limits

	Logger *slog.Logger
	// UpstreamCAs are the certificate authorities trusted for upstream calls;
	// nil means the system's.
	UpstreamCAs *x509.CertPool
	// ReadTimeout bounds the reading of a request, StopTimeout the requests in
	// flight when the service stops; 0 means 30 and 25 seconds.
	ReadTimeout time.Duration
	StopTimeout time.Duration
	// Heartbeat is how often a silent stream says that it lives; 0 means every 10
	// seconds.
	Heartbeat time.Duration
	// Now is the clock; nil means the system's.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	c.ReadTimeout = cmp.Or(c.ReadTimeout, defaultReadTimeout)
	c.Heartbeat = cmp.Or(c.Heartbeat, defaultHeartbeat)
	c.StopTimeout = cmp.Or(c.StopTimeout, defaultStopTimeout)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c Config) keysetPath() string {
	if c.Keyset != "" {
		return c.Keyset
	}
	return filepath.Join(c.DataDir, "keyset.json")
}

func (c Config) sqlitePath() string { return filepath.Join(c.DataDir, "modelproviders.db") }

func (c Config) adminTokenPath() string { return filepath.Join(c.DataDir, "admin.token") }

// check refuses settings that can't work or would not be safe. Each error names
// the setting.
func (c Config) check() error {
	host, _, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return fmt.Errorf("MODELPROVIDERS_ADDR: %q is not host:port", c.Addr)
	}
	if c.AuthOff && !auth.LoopbackHost(host) {
		return fmt.Errorf("MODELPROVIDERS_AUTH=off is refused on %s: without authentication the service listens on a loopback address only, such as 127.0.0.1:8080", c.Addr)
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return fmt.Errorf("MODELPROVIDERS_TLS_CERT and MODELPROVIDERS_TLS_KEY belong together: only one of them is set")
	}
	if c.BasePath != "" && !basePathForm.MatchString(c.BasePath) {
		return fmt.Errorf("MODELPROVIDERS_BASE_PATH: %q must be one or more names of letters, digits, -, _, ~ and . with / before each and none at the end, such as /api/v1", c.BasePath)
	}
	if err := c.checkDatabase(); err != nil {
		return err
	}
	if c.TestTimeout <= 0 {
		return fmt.Errorf("MODELPROVIDERS_TEST_TIMEOUT: must be longer than 0")
	}
	if slices.Min([]int{c.Limits.TestsPerMinute, c.Limits.TestsInFlight, c.Limits.RevealsPerMinute, c.Limits.SignInsPerMinute}) < 0 {
		return fmt.Errorf("MODELPROVIDERS_RATE_TESTS, _RATE_REVEALS, _RATE_SIGN_INS and _TESTS_IN_FLIGHT: must not be negative; 0 is no limit")
	}
	if c.OIDC.Issuer == "" && (c.OIDC.Audience != "" || c.OIDC.RoleClaim != "" || c.OIDC.WorkspaceClaim != "" || c.OIDC.Roles != "") {
		return fmt.Errorf("MODELPROVIDERS_OIDC_AUDIENCE, _ROLE_CLAIM, _WORKSPACE_CLAIM and _ROLES need MODELPROVIDERS_OIDC_ISSUER, which is not set")
	}
	for _, cidr := range c.TrustedProxies {
		if _, err := netip.ParsePrefix(cidr); err != nil {
			return fmt.Errorf("MODELPROVIDERS_TRUSTED_PROXIES: %q is not a CIDR such as 10.0.0.0/8", cidr)
		}
	}
	for _, origin := range c.CORSOrigins {
		if u, err := url.Parse(origin); err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != origin || strings.Contains(origin, "*") {
			return fmt.Errorf("MODELPROVIDERS_CORS_ORIGINS: %q is not an exact origin such as https://app.example.com", origin)
		}
	}
	return nil
}

// store says which database to open. On SQLite the number of connections is the
// store's choice.
func (c Config) store(existing bool) store.Config {
	cfg := store.Config{DatabaseURL: c.DatabaseURL, SQLitePath: c.sqlitePath(), Pooler: c.DatabasePooler, Existing: existing, Logger: c.Logger}
	if c.DatabaseURL != "" {
		cfg.MaxConns = c.DatabaseConnections
	}
	return cfg
}

// maxDatabaseConnections is far more than a process has use for.
const maxDatabaseConnections = 1000

// checkDatabase is check for what the commands of the operator use too.
func (c Config) checkDatabase() error {
	if c.DatabaseConnections < 1 || c.DatabaseConnections > maxDatabaseConnections {
		return fmt.Errorf("MODELPROVIDERS_DATABASE_CONNECTIONS: %d must be from 1 to %d", c.DatabaseConnections, maxDatabaseConnections)
	}
	return nil
}

// basePathForm is a path that nobody on the way resolves or escapes: no name in
// it begins with a dot.
var basePathForm = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$`)
