package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/egress"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/secret/kek"
	"modelproviders/pkg/store"
	"modelproviders/pkg/tracing"
	"modelproviders/pkg/webhook"
)

// EnvironmentPrefix begins the names of all environment variables of the program.
const EnvironmentPrefix = "MODELPROVIDERS_"

// Setting is the name of a setting: that of its flag, without dashes at the beginning.
type Setting string

// Variable returns the name of the environment variable of a setting.
func (s Setting) Variable() string {
	return EnvironmentPrefix + strings.ToUpper(strings.ReplaceAll(string(s), "-", "_"))
}

// String returns both names of a setting, because an error may be about either.
func (s Setting) String() string { return "--" + string(s) + " (" + s.Variable() + ")" }

// SettingErrors are all wrong settings of a command, each in a line that begins with
// the names of the setting and does not contain secrets.
type SettingErrors []string

// Add adds a setting, unless err is nil.
func (w *SettingErrors) Add(s Setting, err error) {
	if err != nil {
		*w = append(*w, s.String()+": "+strings.ReplaceAll(err.Error(), "\n", "; "))
	}
}

// Error implements error.
func (w SettingErrors) Error() string {
	if len(w) == 1 {
		return w[0]
	}
	return fmt.Sprintf("%d errors in arguments and settings:\n  %s", len(w), strings.Join(w, "\n  "))
}

// Bounds of settings.
const (
	maxDatabaseConnections = 1000 // far more than a process can use
	maxTestTimeout         = time.Hour
	minCheckEvery          = time.Minute
	maxCheckEvery          = 24 * time.Hour
	maxCheckTests          = 24 * 60         // one a minute
	maxShutdownDelay       = 5 * time.Minute // longer than load balancers take to notice a stop
	maxRate                = 1_000_000
	maxBasePath            = 200
)

// Check returns the settings of a service that can't work or are not safe. It creates
// nothing.
func (c Config) Check() SettingErrors {
	wrong := append(c.CheckListen(), c.CheckData()...)
	for _, check := range []struct {
		setting Setting
		err     error
	}{
		{"metrics-addr", c.checkMetricsAddr()},
		{"demo", c.checkDemo()},
		{"auth", c.checkAuth()},
		{"tls-cert", c.checkTLS()},
		{"trusted-proxies", checkEach(c.TrustedProxies, checkProxyRange)},
		{"cors-origins", checkEach(c.CORSOrigins, checkOrigin)},
		{"provider-endpoints", checkEndpoints(c.ProviderEndpoints)},
		{"allow-upstreams", egress.CheckAllow(c.AllowUpstreams)},
		{"egress-proxy", egress.CheckProxy(c.EgressProxy)},
		{"webhook-url", c.checkWebhookURL()},
		{"webhook-secret", c.checkWebhookSecret()},
		{"test-timeout", checkTimeout(c.TestTimeout, maxTestTimeout)},
		{"check-every", checkPeriod(c.Checks.Every)},
		{"check-tests-per-day", checkTests(c.Checks.TestsPerDay)},
		{"shutdown-delay", checkDelay(c.ShutdownDelay)},
		{"rate-tests", checkRate(c.Limits.TestsPerMinute)},
		{"tests-in-flight", checkRate(c.Limits.TestsInFlight)},
		{"rate-reveals", checkRate(c.Limits.RevealsPerMinute)},
		{"rate-sign-ins", checkRate(c.Limits.SignInsPerMinute)},
		{"oidc-issuer", c.OIDC.CheckIssuer()},
		{"oidc-audience", c.checkAudience()},
		{"oidc-role-claim", c.needsIssuer(c.OIDC.RoleClaim)},
		{"oidc-workspace-claim", c.needsIssuer(c.OIDC.WorkspaceClaim)},
		{"oidc-roles", errors.Join(c.needsIssuer(c.OIDC.Roles), c.OIDC.CheckRoles())},
		{"oidc-client-id", c.needsIssuer(c.Console.ClientID)},
	} {
		wrong.Add(check.setting, check.err)
	}
	return append(wrong, tracing.CheckEnvironment()...)
}

// CheckListen is [Config.Check] for the settings that say where a service listens.
func (c Config) CheckListen() (wrong SettingErrors) {
	wrong.Add("addr", checkAddr(c.Addr))
	wrong.Add("base-path", checkBasePath(c.BasePath))
	return wrong
}

// CheckData is [Config.Check] for the settings of the operator's commands.
func (c Config) CheckData() (wrong SettingErrors) {
	if c.DatabaseURL != "" {
		wrong.Add("database-url", store.CheckURL(c.DatabaseURL))
	}
	if c.DatabaseConnections < 1 || c.DatabaseConnections > maxDatabaseConnections {
		wrong.Add("database-connections", fmt.Errorf("%d must be from 1 to %d", c.DatabaseConnections, maxDatabaseConnections))
	}
	if c.KeysetKEK != "" {
		_, err := kek.Open(c.KeysetKEK)
		wrong.Add("keyset-kek", err)
	}
	return wrong
}

func checkAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = net.DefaultResolver.LookupPort(context.Background(), "tcp", port) // a number, or a name such as http
	}
	if err != nil {
		return fmt.Errorf("%q must be host:port, such as 127.0.0.1:8080", addr)
	}
	return nil
}

func (c Config) checkMetricsAddr() error {
	if c.MetricsAddr == "" {
		return nil
	}
	return checkAddr(c.MetricsAddr)
}

// loopback reports whether the service listens on a loopback address only.
func (c Config) loopback() bool {
	host, _, err := net.SplitHostPort(c.Addr)
	return err != nil || auth.LoopbackHost(host) // a wrong address is reported once
}

func (c Config) checkDemo() error {
	var errs []error
	refuse := func(set bool, setting Setting, why string) {
		if c.Demo && set {
			errs = append(errs, fmt.Errorf("%s must not be set, because %s", setting, why))
		}
	}
	refuse(c.DataDir != "", "data-dir", "a demo uses a temporary directory")
	refuse(c.DatabaseURL != "", "database-url", "a demo uses a temporary directory")
	refuse(c.Keyset != "", "keyset", "a demo uses a temporary directory")
	refuse(c.KeysetKEK != "", "keyset-kek", "a demo uses a temporary directory")
	refuse(c.EgressProxy != "", "egress-proxy", "a demo calls a server in this process")
	if c.Demo && !c.loopback() {
		errs = append(errs, fmt.Errorf("a demo is refused on %s; it listens on a loopback address only, such as 127.0.0.1:8080", c.Addr))
	}
	return errors.Join(errs...)
}

func (c Config) checkAuth() error {
	if c.AuthOff && !c.loopback() {
		return fmt.Errorf("off is refused on %s; without authentication the service listens on a loopback address only, such as 127.0.0.1:8080", c.Addr)
	}
	return nil
}

// basePathForm matches paths that no proxy resolves or escapes: no segment begins
// with a dot.
var basePathForm = regexp.MustCompile(`^((/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+)?$`)

func checkBasePath(path string) error {
	if len(path) > maxBasePath {
		return fmt.Errorf("must have at most %d characters", maxBasePath)
	}
	if !basePathForm.MatchString(path) {
		return fmt.Errorf("%q must be segments of letters, digits, -, _, ~ and ., each after a slash, such as /api/v1", path)
	}
	return nil
}

func (c Config) checkTLS() error {
	if c.TLSCert == "" && c.TLSKey == "" {
		return nil
	}
	if c.TLSCert == "" || c.TLSKey == "" {
		return fmt.Errorf("must be set together with %s", Setting("tls-key"))
	}
	if _, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey); err != nil {
		return fmt.Errorf("could not load the certificate and the key in %s: %w", Setting("tls-key"), err)
	}
	return nil
}

func checkProxyRange(cidr string) error {
	if _, err := netip.ParsePrefix(cidr); err != nil {
		return fmt.Errorf("%q is not a CIDR such as 10.0.0.0/8", cidr)
	}
	return nil
}

func checkOrigin(origin string) error {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != origin || strings.Contains(origin, "*") {
		return fmt.Errorf("%q is not an exact origin such as https://app.example.com", origin)
	}
	return nil
}

func checkEach(values []string, check func(string) error) error {
	var errs []error
	for _, value := range values {
		errs = append(errs, check(value))
	}
	return errors.Join(errs...)
}

func checkEndpoints(list string) error {
	_, err := provider.ParseEndpoints(list)
	return err
}

func (c Config) checkWebhookURL() error {
	switch {
	case c.WebhookURL != "":
		return webhook.CheckURL(c.WebhookURL)
	case !c.WebhookSecret.Empty():
		return fmt.Errorf("must be set, because %s is", Setting("webhook-secret"))
	}
	return nil
}

func (c Config) checkWebhookSecret() error {
	switch {
	case !c.WebhookSecret.Empty():
		return webhook.CheckSecrets(c.WebhookSecret)
	case c.WebhookURL != "":
		return fmt.Errorf("must be set, because %s is", Setting("webhook-url"))
	}
	return nil
}

func checkDelay(delay time.Duration) error {
	if delay < 0 || delay > maxShutdownDelay {
		return fmt.Errorf("%v must be from 0s to %v", delay, maxShutdownDelay)
	}
	return nil
}

func checkTimeout(timeout, longest time.Duration) error {
	if timeout <= 0 || timeout > longest {
		return fmt.Errorf("%s must be longer than 0 and at most %s", timeout, longest)
	}
	return nil
}

func checkPeriod(period time.Duration) error {
	if period != 0 && (period < minCheckEvery || period > maxCheckEvery) {
		return fmt.Errorf("%v must be from %v to %v, or off", period, minCheckEvery, maxCheckEvery)
	}
	return nil
}

func checkTests(tests int) error {
	if tests < 0 || tests > maxCheckTests {
		return fmt.Errorf("%d must be from 1 to %d, or 0 for no tests", tests, maxCheckTests)
	}
	return nil
}

func checkRate(rate int) error {
	if rate < 0 || rate > maxRate {
		return fmt.Errorf("%d must be from 1 to %d, or 0 for no limit", rate, maxRate)
	}
	return nil
}

func (c Config) checkAudience() error {
	if c.OIDC.Issuer != "" && c.OIDC.Audience == "" {
		return errors.New("must be set with an issuer; without an audience, tokens for any other service would be accepted")
	}
	return c.needsIssuer(c.OIDC.Audience)
}

// needsIssuer refuses a value that has an effect only with an issuer.
func (c Config) needsIssuer(value string) error {
	if value != "" && c.OIDC.Issuer == "" {
		return fmt.Errorf("needs %s, which is not set", Setting("oidc-issuer"))
	}
	return nil
}
