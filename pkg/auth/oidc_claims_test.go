package auth_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/auth/authtest"
	"modelproviders/pkg/fault"
)

func parsed(t *testing.T, text string) authtest.Claims {
	t.Helper()
	claims := authtest.Claims{}
	if err := json.Unmarshal([]byte(text), &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestRolesComeFromClaims(t *testing.T) {
	issuer := authtest.Start(t)
	const groups = "mp-admins=admin, mp-readers=viewer,cn=mp editors=editor"
	tests := map[string]struct {
		claim, roles, claims string
		want                 auth.Role
	}{
		"a role":                           {"role", "", `{"role":"editor"}`, auth.Editor},
		"a list of one":                    {"role", "", `{"role":["viewer"]}`, auth.Viewer},
		"a list adds up":                   {"role", "", `{"role":["viewer","admin","editor"]}`, auth.Admin},
		"unknown values beside a role":     {"role", "", `{"role":["owner","viewer",7,null,{"a":"admin"},["admin"]]}`, auth.Viewer},
		"no claim":                         {"role", "", `{}`, ""},
		"null":                             {"role", "", `{"role":null}`, ""},
		"empty":                            {"role", "", `{"role":""}`, ""},
		"an empty list":                    {"role", "", `{"role":[]}`, ""},
		"an unknown role":                  {"role", "", `{"role":"owner"}`, ""},
		"a role in capitals":               {"role", "", `{"role":"Admin"}`, ""},
		"a number":                         {"role", "", `{"role":1}`, ""},
		"true":                             {"role", "", `{"role":true}`, ""},
		"an object":                        {"role", "", `{"role":{"admin":{"1":"x"}}}`, ""},
		"several roles in one text":        {"role", "", `{"role":"viewer admin"}`, ""},
		"no claim is configured":           {"", "", `{"role":"admin","":"admin"}`, ""},
		"a claim named by a URL":           {"https://app/role", "", `{"https://app/role":"admin"}`, auth.Admin},
		"a name with dots":                 {"https://app.example/role", "", `{"https://app.example/role":"admin"}`, auth.Admin},
		"a path":                           {"app.role", "", `{"app":{"role":"editor"}}`, auth.Editor},
		"a deep path":                      {"resource_access.mp.roles", "", `{"resource_access":{"mp":{"roles":["editor","viewer"]}}}`, auth.Editor},
		"the exact name before the path":   {"app.role", "", `{"app.role":"viewer","app":{"role":"admin"}}`, auth.Viewer},
		"an exact name that grants nought": {"app.role", "", `{"app.role":"none","app":{"role":"admin"}}`, ""},
		"a path below a URL":               {"https://app.example.com/claims.role", "", `{"https://app.example.com/claims":{"role":"editor"}}`, auth.Editor},
		"a path through a list":            {"app.role", "", `{"app":[{"role":"admin"}]}`, ""},
		"a path through a text":            {"app.role", "", `{"app":"role"}`, ""},
		"a path that ends early":           {"app.role.name", "", `{"app":{"role":"admin"}}`, ""},
		"a path with an empty step":        {"app..role", "", `{"app":{"role":"admin"}}`, ""},
		"only a part of the name":          {"role", "", `{"app":{"role":"admin"},"rolex":"admin"}`, ""},

		"a group":                         {"groups", groups, `{"groups":["staff","mp-admins"]}`, auth.Admin},
		"a group as a text":               {"groups", groups, `{"groups":"mp-readers"}`, auth.Viewer},
		"a group's name with = in it":     {"groups", groups, `{"groups":["cn=mp editors"]}`, auth.Editor},
		"groups add up":                   {"groups", groups, `{"groups":["mp-readers","cn=mp editors"]}`, auth.Editor},
		"a group nobody mapped":           {"groups", groups, `{"groups":["mp-owners"]}`, ""},
		"a group that is called as roles": {"groups", groups, `{"groups":["admin"]}`, ""},
		"a group in other letters":        {"groups", groups, `{"groups":["MP-Admins"]}`, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOIDC(t, issuer, func(cfg *auth.OIDCConfig) { cfg.RoleClaim, cfg.Roles = test.claim, test.roles })
			p := mustAuthenticate(t, o, issuer.AccessToken(t, parsed(t, test.claims)))
			want := auth.Principal{Subject: "alice", Kind: "oidc", Workspace: auth.DefaultWorkspace, Role: test.want, Scopes: test.want.Scopes()}
			if diff := cmp.Diff(want, p, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("the principal of %s (-want +got):\n%s", test.claims, diff)
			}
			for _, scope := range auth.Scopes() {
				if test.want == "" && p.May(scope) {
					t.Errorf("who has no role has the scope %s", scope)
				}
			}
		})
	}
}

func TestWorkspaceComesFromItsClaim(t *testing.T) {
	issuer := authtest.Start(t)
	long := strings.Repeat("ä", 128)
	tests := map[string]struct{ claim, claims, want string }{ // want empty: refused
		"none is configured":        {"", `{"workspace":"acme"}`, "default"},
		"none is configured, or so": {"", `{"":"acme"}`, "default"},
		"a name":                    {"workspace", `{"workspace":"acme"}`, "acme"},
		"a longest name":            {"workspace", `{"workspace":"` + long + `"}`, long},
		"a path":                    {"org.id", `{"org":{"id":"acme"}}`, "acme"},
		"a URL":                     {"https://app/org", `{"https://app/org":"acme"}`, "acme"},
		"missing":                   {"workspace", `{}`, ""},
		"null":                      {"workspace", `{"workspace":null}`, ""},
		"empty":                     {"workspace", `{"workspace":""}`, ""},
		"too long":                  {"workspace", `{"workspace":"` + long + `a"}`, ""},
		"a list":                    {"workspace", `{"workspace":["acme"]}`, ""},
		"a list of many":            {"workspace", `{"workspace":["acme","default"]}`, ""},
		"a number":                  {"workspace", `{"workspace":7}`, ""},
		"an object":                 {"workspace", `{"workspace":{"id":"acme"}}`, ""},
		"control characters":        {"workspace", `{"workspace":"acme\u0000"}`, ""},
		"a line break":              {"workspace", `{"workspace":"acme\nevil"}`, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOIDC(t, issuer, func(cfg *auth.OIDCConfig) { cfg.WorkspaceClaim = test.claim })
			claims := parsed(t, test.claims)
			claims["role"] = "admin"
			token := issuer.AccessToken(t, claims)
			if test.want == "" {
				if f := mustRefuse(t, o, token, fault.Unauthenticated); !strings.Contains(f.Message, "workspace") {
					t.Errorf("the refusal does not say that the workspace is missing: %s", f.Message)
				}
				return
			}
			if p := mustAuthenticate(t, o, token); p.Workspace != test.want {
				t.Errorf("the principal is in %q, not %q", p.Workspace, test.want)
			}
		})
	}
}

func TestConfigurationsThatCannotWork(t *testing.T) {
	good := auth.OIDCConfig{Issuer: "https://login.example.com/realms/main", Audience: "mp", RoleClaim: "role", Now: time.Now}
	tests := map[string]struct {
		change func(*auth.OIDCConfig)
		names  string // what the error must name; empty: no error
	}{
		"good":                        {func(*auth.OIDCConfig) {}, ""},
		"http on loopback":            {func(c *auth.OIDCConfig) { c.Issuer = "http://127.0.0.1:9000" }, ""},
		"http on localhost":           {func(c *auth.OIDCConfig) { c.Issuer = "http://localhost:9000" }, ""},
		"http on loopback, version 6": {func(c *auth.OIDCConfig) { c.Issuer = "http://[::1]:9000" }, ""},
		"a slash at the end":          {func(c *auth.OIDCConfig) { c.Issuer = "https://tenant.example.com/" }, ""},
		"the same group twice":        {func(c *auth.OIDCConfig) { c.Roles = "a=admin,a=admin" }, ""},
		"no audience":                 {func(c *auth.OIDCConfig) { c.Audience = "" }, "audience"},
		"no issuer":                   {func(c *auth.OIDCConfig) { c.Issuer = "" }, "issuer"},
		"http":                        {func(c *auth.OIDCConfig) { c.Issuer = "http://login.example.com" }, "https"},
		"http on a name like it":      {func(c *auth.OIDCConfig) { c.Issuer = "http://localhost.example.com" }, "https"},
		"another scheme":              {func(c *auth.OIDCConfig) { c.Issuer = "ftp://127.0.0.1" }, "https"},
		"a host alone":                {func(c *auth.OIDCConfig) { c.Issuer = "login.example.com" }, "issuer"},
		"a user":                      {func(c *auth.OIDCConfig) { c.Issuer = "https://u:p@login.example.com" }, "issuer"},
		"a query":                     {func(c *auth.OIDCConfig) { c.Issuer = "https://login.example.com?a=b" }, "issuer"},
		"a fragment":                  {func(c *auth.OIDCConfig) { c.Issuer = "https://login.example.com#a" }, "issuer"},
		"an unknown role":             {func(c *auth.OIDCConfig) { c.Roles = "a=owner" }, "a=owner"},
		"a group without a role":      {func(c *auth.OIDCConfig) { c.Roles = "a=admin,b" }, `"b"`},
		"a role without a group":      {func(c *auth.OIDCConfig) { c.Roles = "=admin" }, "=admin"},
		"a comma at the end":          {func(c *auth.OIDCConfig) { c.Roles = "a=admin," }, `""`},
		"a group with two roles":      {func(c *auth.OIDCConfig) { c.Roles = "a=admin,a=viewer" }, `"a"`},
		"roles without a claim":       {func(c *auth.OIDCConfig) { c.Roles, c.RoleClaim = "a=admin", "" }, "role claim"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := good
			cfg.Logger = slog.New(slog.DiscardHandler)
			test.change(&cfg)
			_, err := auth.NewOIDC(cfg)
			if (err == nil) != (test.names == "") || err != nil && !strings.Contains(err.Error(), test.names) {
				t.Errorf("the error is %v, and should name %q", err, test.names)
			}
		})
	}
}

// TestNameComesFromClaims: the name is for people, so it holds nothing that can't be
// printed, and its length is bounded.
func TestNameComesFromClaims(t *testing.T) {
	issuer := authtest.Start(t)
	o := newOIDC(t, issuer)
	for claims, want := range map[string]string{
		`{}`:                           "",
		`{"email":"ann@example.com"}`:  "ann@example.com",
		`{"preferred_username":"ann"}`: "ann",
		`{"email":"ann@example.com","preferred_username":"ann"}`: "ann@example.com",
		`{"email":"","preferred_username":"ann"}`:                "ann",
		`{"email":" \n","preferred_username":"ann"}`:             "ann",
		`{"email":["ann@example.com"],"preferred_username":7}`:   "",
		`{"name":"Ann","nickname":"a"}`:                          "",
		`{"email":" a\u0000n\r\n\u001b[31m\u202en\u2028@x "}`:    "an[31mn@x",
		`{"email":"Zoë 模型 🙂"}`:                                   "Zoë 模型 🙂",
		`{"email":"` + strings.Repeat("é", 300) + `"}`:           strings.Repeat("é", 255),
	} {
		if p := mustAuthenticate(t, o, issuer.AccessToken(t, parsed(t, claims))); p.Name != want || p.Subject != "alice" {
			t.Errorf("%s: the name is %q, not %q", claims, p.Name, want)
		}
	}
}
