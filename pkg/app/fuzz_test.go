package app

import (
	"log/slog"
	"strings"
	"testing"

	"modelproviders/pkg/auth"
)

// FuzzSettings checks any settings as a start does before it creates anything. No error
// may contain the password.
func FuzzSettings(f *testing.F) {
	const password = "canary-password"
	f.Add("127.0.0.1:8080", "/api/v1", "openai=https://host/v1", "10.0.0.0/8,litellm:4000", "proxy:3128", "https://app.example", "https://login.example", "a=admin")
	f.Add("[::1]:0", "/", "openai=x,custom=y", "::/0", "@#", "*", "http://x", "=")
	f.Fuzz(func(t *testing.T, addr, basePath, endpoints, allow, proxy, origins, issuer, roles string) {
		cfg := Config{
			Addr: addr, BasePath: basePath, ProviderEndpoints: endpoints, AllowUpstreams: strings.Split(allow, ","),
			EgressProxy: "http://user:" + password + "@" + proxy, CORSOrigins: strings.Split(origins, ","), TrustedProxies: []string{allow},
			OIDC:   auth.OIDCConfig{Issuer: issuer, Audience: "mp", Roles: roles, RoleClaim: "role"},
			Logger: slog.New(slog.DiscardHandler), DatabaseConnections: 1, TestTimeout: 1,
		}.withDefaults()
		app := &App{cfg: cfg}
		for _, err := range []error{cfg.Check(), app.prepare(t.Context())} {
			if err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("the password is in %q", err)
			}
		}
	})
}
