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
	maxTestTimeout = time.Hour
	maxRate        = 1_000_000
	maxBasePath    = 200
)

// Check returns the settings of a service that can't work or are not safe. It creates
// nothing.
func (c Config) Check() SettingErrors {
	const noLimit = ", or 0 for no limit"
	_, endpoints := provider.ParseEndpoints(c.ProviderEndpoints)
	wrong := append(c.CheckListen(), c.CheckData()...)
	for _, check := range []struct {
		setting Setting
		err     error
	}{
		{"metrics-addr", ifSet(c.MetricsAddr, checkAddr)},
		{"demo", c.checkDemo()},
		{"auth", c.checkAuth()},
		{"tls-cert", c.checkTLS()},
		{"trusted-proxies", checkEach(c.TrustedProxies, checkProxyRange)},
		{"cors-origins", checkEach(c.CORSOrigins, checkOrigin)},
		{"provider-endpoints", endpoints},
		{"allow-upstreams", egress.CheckAllow(c.AllowUpstreams)},
		{"egress-proxy", egress.CheckProxy(c.EgressProxy)},
		{"webhook-url", c.checkWebhookURL()},
		{"webhook-secret", c.checkWebhookSecret()},
		{"test-timeout", checkTestTimeout(c.TestTimeout)},
		{"check-every", checkRange(c.Checks.Every, time.Minute, 24*time.Hour, ", or off")},
		{"check-tests-per-day", checkRange(c.Checks.TestsPerDay, 1, 24*60, ", or 0 for no tests")},
		{"shutdown-delay", checkRange(c.ShutdownDelay, 0, 5*time.Minute, "")}, // longer than load balancers take to notice a stop
		{"rate-tests", checkRange(c.Limits.TestsPerMinute, 1, maxRate, noLimit)},
		{"tests-in-flight", checkRange(c.Limits.TestsInFlight, 1, maxRate, noLimit)},
		{"rate-reveals", checkRange(c.Limits.RevealsPerMinute, 1, maxRate, noLimit)},
		{"rate-sign-ins", checkRange(c.Limits.SignInsPerMinute, 1, maxRate, noLimit)},
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
	wrong.Add("database-url", ifSet(c.DatabaseURL, store.CheckURL))
	wrong.Add("database-connections", checkRange(c.DatabaseConnections, 1, 1000, "")) // far more than a process can use
	wrong.Add("keyset-kek", ifSet(c.KeysetKEK, checkKEK))
	return wrong
}

// ifSet checks the value of a setting that may be empty.
func ifSet(value string, check func(string) error) error {
	if value == "" {
		return nil
	}
	return check(value)
}

// checkRange checks a number or a duration. It accepts 0 if orZero, the end of the error,
// says what 0 means.
func checkRange[T int | time.Duration](value, least, most T, orZero string) error {
	if value >= least && value <= most || value == 0 && orZero != "" {
		return nil
	}
	return fmt.Errorf("%v must be from %v to %v%s", value, least, most, orZero)
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

func checkKEK(uri string) error {
	_, err := kek.Open(uri)
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

func checkTestTimeout(timeout time.Duration) error {
	if timeout <= 0 || timeout > maxTestTimeout {
		return fmt.Errorf("%s must be longer than 0 and at most %s", timeout, maxTestTimeout)
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
