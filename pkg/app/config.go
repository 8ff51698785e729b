// Package app starts the service with a configuration: database, keyset,
// registry and HTTP server. The program and the test kits start it.
package app

import (
	"cmp"
	"crypto/x509"
	"log/slog"
	"path/filepath"
	"time"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/secret"
	"modelproviders/pkg/secret/kek"
	"modelproviders/pkg/store"
)

// Limits bound what callers may do.
type Limits = auth.Limits

// Checks says how often providers are checked in the background.
type Checks = registry.CheckSchedule

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
	MetricsAddr string // host:port of an own address for metrics; empty: none
	DataDir     string // empty: ./data
	DatabaseURL string // empty: SQLite in DataDir
	Keyset      string // empty: keyset.json in DataDir
	KeysetKEK   string // URI of the key of a KMS that encrypts the keyset; empty: none

	DatabaseConnections int  // the most connections to PostgreSQL
	DatabasePooler      bool // a pooler in transaction mode is in front of PostgreSQL

	NewDatabase bool // accept an empty database although there was one; see mustExist

	Demo bool // use a temporary data directory, with a provider that needs no API key

	AuthOff bool
	OIDC    OIDC // without an Issuer, only API tokens are accepted
	Console Console

	CORSOrigins       []string
	ProviderEndpoints string // type=URL,…
	AllowUpstreams    []string
	EgressProxy       string
	WebhookURL        string      // of a service that is told of changes; empty: none
	WebhookSecret     secret.Text // one or more, separated by spaces
	BasePath          string
	TLSCert           string
	TLSKey            string
	TrustedProxies    []string

	ShutdownDelay time.Duration // how long a stop keeps serving, while it is not ready

	Reveal         bool
	RevealReason   bool
	TestTimeout    time.Duration
	Checks         Checks
	AuditRetention time.Duration // in whole days; 0: forever
	Limits         Limits

	Logger      *slog.Logger
	UpstreamCAs *x509.CertPool   // for upstream calls; nil: the system's
	ReadTimeout time.Duration    // for reading a request; 0: 30 s
	StopTimeout time.Duration    // for the whole stop after ShutdownDelay; 0: 25 s
	Heartbeat   time.Duration    // how often a silent stream sends a comment; 0: 10 s
	Now         func() time.Time // nil: the system's clock
}

// Secret returns a secret of a [Config].
func Secret(plain string) secret.Text { return secret.NewText(plain) }

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

// kek returns the key that encrypts the keyset; nil: it is not encrypted. It does not
// call the KMS. [Config.CheckData] must have found the setting valid.
func (c Config) kek() secret.KEK {
	if c.KeysetKEK == "" {
		return nil
	}
	key, err := kek.Open(c.KeysetKEK)
	if err != nil {
		panic(err)
	}
	return key
}

func (c Config) sqlitePath() string { return filepath.Join(c.DataDir, "modelproviders.db") }

func (c Config) adminTokenPath() string { return filepath.Join(c.DataDir, "admin.token") }

// store configures the database. On SQLite the store chooses the number of
// connections.
func (c Config) store(existing bool) store.Config {
	cfg := store.Config{DatabaseURL: c.DatabaseURL, SQLitePath: c.sqlitePath(), Pooler: c.DatabasePooler, Existing: existing, Webhooks: c.WebhookURL != "", Logger: c.Logger}
	if c.DatabaseURL != "" {
		cfg.MaxConns = c.DatabaseConnections
	}
	return cfg
}
