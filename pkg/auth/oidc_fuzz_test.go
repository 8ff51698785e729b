package auth

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode/utf8"

	"modelproviders/pkg/fault"
)

// FuzzLookup looks up claims of any type by any name. It must find only what the
// claims contain, and prefer the exact name.
func FuzzLookup(f *testing.F) {
	f.Add(`{"role":"admin"}`, "role")
	f.Add(`{"app":{"role":["viewer","editor"]}}`, "app.role")
	f.Add(`{"app.role":"viewer","app":{"role":"admin"}}`, "app.role")
	f.Add(`{"https://app.example/claims":{"role":"viewer"}}`, "https://app.example/claims.role")
	f.Add(`{"":{"":{"":"admin"}}}`, "..")
	f.Add(`{"a":[{"b":1}],"a.b":null}`, "a.b")
	f.Fuzz(func(t *testing.T, text, name string) {
		var c claims
		if json.Unmarshal([]byte(text), &c) != nil {
			return
		}
		exact, ok := c[name]
		if value := c.lookup(name); ok && !same(value, exact) {
			t.Fatalf("%q in %s is %v, not the claim of that name", name, text, value)
		}
		for _, found := range c.texts(name) {
			if !holds(map[string]any(c), found) {
				t.Fatalf("%q in %s is %q, which is nowhere in it", name, text, found)
			}
		}
		if role, scopes := (&OIDC{cfg: OIDCConfig{RoleClaim: name}}).grants(c); len(scopes) != len(role.Scopes()) {
			t.Fatalf("%s grants %q and %v", text, role, scopes)
		}
		p, err := (&OIDC{cfg: OIDCConfig{RoleClaim: name, WorkspaceClaim: name}}).principal(c)
		if err == nil && (p.Workspace != c.lookup(name) || strings.ContainsAny(p.Workspace+p.Subject, "\x00\r\n")) {
			t.Fatalf("%s gives the principal %+v", text, p)
		}
	})
}

func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// holds reports whether decoded JSON has a text as a value anywhere.
func holds(value any, text string) bool {
	switch value := value.(type) {
	case string:
		return value == text
	case []any:
		for _, item := range value {
			if holds(item, text) {
				return true
			}
		}
	case map[string]any:
		for _, item := range value {
			if holds(item, text) {
				return true
			}
		}
	}
	return false
}

// FuzzBearer authenticates with any text where no valid token exists.
func FuzzBearer(f *testing.F) {
	f.Add("")
	f.Add("mp_0123456789")
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIn0.AAAA")
	f.Add("eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwiYXVkIjoibXAifQ.AAAA")
	f.Add(`{"payload":"e30","protected":"eyJhbGciOiJFUzI1NiJ9","signature":"AAAA"}`)
	oidc, err := NewOIDC(OIDCConfig{
		Issuer: "https://login.example.com", Audience: "mp", RoleClaim: "role", Now: time.Now,
		Logger: slog.New(slog.DiscardHandler), Transport: http.NewFileTransportFS(issuerFiles),
	})
	if err != nil {
		f.Fatal(err)
	}
	bearers := Bearers{Tokens: noTokens{}, JWTs: oidc}
	f.Fuzz(func(t *testing.T, bearer string) {
		p, err := bearers.Authenticate(t.Context(), bearer)
		if !fault.Is(err, fault.Unauthenticated) || p.Subject != "" {
			t.Fatalf("%q is answered with %v and %+v", bearer, err, p)
		}
		if isJWT(bearer) && strings.Count(bearer, ".") != 2 {
			t.Fatalf("%q is taken for a JWT", bearer)
		}
	})
}

// FuzzClaims signs any text as the claims of a token. The token must be accepted only
// if they are for this service and valid now.
func FuzzClaims(f *testing.F) {
	const issuer = "https://login.example.com"
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	files := fstest.MapFS{
		".well-known/openid-configuration": issuerFiles[".well-known/openid-configuration"],
		"keys":                             {Data: []byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"` + base64.RawURLEncoding.EncodeToString(public) + `"}]}`)},
	}
	now := time.Unix(1_800_000_000, 0)
	o, err := NewOIDC(OIDCConfig{
		Issuer: issuer, Audience: "mp", RoleClaim: "role", WorkspaceClaim: "org", Now: func() time.Time { return now },
		Logger: slog.New(slog.DiscardHandler), Transport: http.NewFileTransportFS(files),
	})
	if err != nil {
		f.Fatal(err)
	}
	const good = `"iss":"https://login.example.com","aud":"mp","exp":1800000001,"sub":"a","org":"b"`
	for _, more := range []string{"", `,"Aud":"x"`, `,"aud":"mp"`, `,"exp":1`, `,"nbf":1e300`, `,"cnf":{}`, `,"iat":"0"`, `,"role":["admin",7]`} {
		f.Add([]byte("{" + good + more + "}"))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		encode := base64.RawURLEncoding.EncodeToString
		bearer := encode([]byte(`{"alg":"EdDSA"}`)) + "." + encode(text)
		bearer += "." + encode(ed25519.Sign(private, []byte(bearer)))
		p, err := o.Authenticate(t.Context(), bearer)
		if err != nil {
			if !fault.Is(err, fault.Unauthenticated) || p.Subject != "" {
				t.Fatalf("%q is answered with %v and %+v", text, err, p)
			}
			return
		}
		var c map[string]any
		if err := json.Unmarshal(text, &c); err != nil || !utf8.Valid(text) {
			t.Fatalf("%q is accepted: %v", text, err)
		}
		exp, _ := c["exp"].(float64)
		if audience, _ := json.Marshal(c["aud"]); c["iss"] != issuer || !strings.Contains(string(audience), `"mp"`) || exp < 1_800_000_000 || c["cnf"] != nil || c["sub"] != p.Subject || c["org"] != p.Workspace {
			t.Fatalf("%q is accepted as %+v", text, p)
		}
	})
}

// noTokens refuses every API token.
type noTokens struct{}

func (noTokens) Authenticate(context.Context, string) (Principal, error) {
	return Principal{}, fault.New(fault.Unauthenticated, "unknown")
}

// issuerFiles are the documents of an issuer, with the public key of RFC 7517,
// appendix A.1.
var issuerFiles = fstest.MapFS{
	".well-known/openid-configuration": {Data: []byte(`{"issuer":"https://login.example.com","jwks_uri":"https://login.example.com/keys"}`)},
	"keys":                             {Data: []byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`)},
}
