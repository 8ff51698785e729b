package auth_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/auth/authtest"
	"modelproviders/pkg/fault"
)

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newOIDC returns an authenticator for tokens of an issuer, with roles in the claim
// role.
func newOIDC(t testing.TB, issuer *authtest.Issuer, change ...func(*auth.OIDCConfig)) *auth.OIDC {
	t.Helper()
	cfg := auth.OIDCConfig{
		Issuer: issuer.URL, Audience: authtest.Audience, RoleClaim: "role",
		Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	}
	for _, f := range change {
		f(&cfg)
	}
	o, err := auth.NewOIDC(cfg)
	if err != nil {
		t.Fatal("configure OIDC: ", err)
	}
	return o
}

func at(c *clock) func(*auth.OIDCConfig) { return func(cfg *auth.OIDCConfig) { cfg.Now = c.Now } }

func mustAuthenticate(t testing.TB, a auth.Authenticator, token string) auth.Principal {
	t.Helper()
	p, err := a.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatal("a good token is refused: ", err)
	}
	return p
}

// mustRefuse fails the test unless a token is refused with a fault of that kind that
// does not quote the token.
func mustRefuse(t testing.TB, a auth.Authenticator, token string, kind fault.Kind) fault.Error {
	t.Helper()
	p, err := a.Authenticate(t.Context(), token)
	f := fault.As(err)
	if f == nil || f.Kind != kind {
		t.Fatalf("want %s, got %v and %+v", kind, err, p)
	}
	if diff := cmp.Diff(auth.Principal{}, p); diff != "" {
		t.Error("a refused token gives a principal: ", diff)
	}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 8 && strings.Contains(f.Error(), part) {
			t.Errorf("the refusal quotes the token: %s", f)
		}
	}
	return *f
}

func TestSignInByCodeFlow(t *testing.T) {
	issuer := authtest.Start(t)
	issuer.SetUserClaims(authtest.Claims{"role": "editor"})
	accessToken, idToken := issuer.SignIn(t, "alice")
	o := newOIDC(t, issuer)

	want := auth.Principal{Subject: "alice", Kind: "oidc", Workspace: auth.DefaultWorkspace, Role: auth.Editor, Scopes: auth.Editor.Scopes()}
	if diff := cmp.Diff(want, mustAuthenticate(t, o, accessToken)); diff != "" {
		t.Error("the user who signed in is not who calls (-want +got): ", diff)
	}
	if f := mustRefuse(t, o, idToken, fault.Unauthenticated); !strings.Contains(f.Message, "not the ID token") {
		t.Errorf("the refusal of an ID token does not say so: %s", f.Message)
	}
}

// unsigned makes a token of algorithm none (RFC 7519, section 6), with a
// any signature.
func unsigned(t *testing.T, claims authtest.Claims, signature string) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + encode(payload) + "." + signature
}

func TestRefusesForgedTokens(t *testing.T) {
	issuer := authtest.Start(t)
	o := newOIDC(t, issuer)
	admin := authtest.Claims{"role": "admin"}
	good := issuer.AccessToken(t, admin)
	mustAuthenticate(t, o, good)
	parts := strings.Split(good, ".")
	weaker := strings.Split(issuer.AccessToken(t, nil), ".")

	stranger := authtest.NewKey(t, jose.ES256)
	rsaKey := authtest.NewKey(t, jose.RS256)
	der, err := x509.MarshalPKIXPublicKey(issuer.Key().Public())
	if err != nil {
		t.Fatal(err)
	}
	published, err := json.Marshal(jose.JSONWebKey{Key: issuer.Key().Public()})
	if err != nil {
		t.Fatal(err)
	}
	claims := issuer.Claims(admin)
	tokens := map[string]string{
		"empty":                                  "",
		"no JWT":                                 "not-a-token",
		"too few parts":                          parts[0] + "." + parts[1],
		"algorithm none":                         unsigned(t, claims, ""),
		"algorithm none with a signature":        unsigned(t, claims, parts[2]),
		"signature cut off":                      parts[0] + "." + parts[1] + ".",
		"claims of another token":                weaker[0] + "." + parts[1] + "." + weaker[2],
		"signed by a stranger":                   stranger.Sign(t, claims),
		"signed by a stranger in our key's name": stranger.As(issuer.Key()).Sign(t, claims),
		"a stranger's key sent along":            stranger.Sign(t, claims, authtest.Header{"jwk": jose.JSONWebKey{Key: stranger.Public()}}),
		"a stranger's key named by URL":          stranger.Sign(t, claims, authtest.Header{"jku": "https://attacker.example/keys"}),
		"RSA in our key's name":                  rsaKey.As(issuer.Key()).Sign(t, claims),
		"HS256 with the public key as secret":    issuer.Key().SharedSecret(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})).Sign(t, claims),
		"HS256 with the key's DER as secret":     issuer.Key().SharedSecret(der).Sign(t, claims),
		"HS256 with the published key as secret": issuer.Key().SharedSecret(published).Sign(t, claims),
		"JSON form of a signature":               `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"encrypted":                              good + "." + parts[1] + "." + parts[2],
		"padded base64":                          good + "=",
		"with white space":                       good + " ",
		"critical parameter nobody knows":        issuer.Key().Sign(t, claims, authtest.Header{"crit": []string{"exp"}, "exp": 1}),
	}
	for name, token := range tokens {
		t.Run(name, func(t *testing.T) { mustRefuse(t, o, token, fault.Unauthenticated) })
	}
}

func TestRefusesTokensThatAreNotForUs(t *testing.T) {
	issuer, other := authtest.Start(t), authtest.Start(t)
	o := newOIDC(t, issuer)
	now := time.Now()
	// A refusal names one of these, and no other.
	causes := []string{"claim iss).", "only in a slash", "not the ID token", "claim aud", "claim sub", "has expired", "no expiry", "claim exp of", "not valid yet"}
	tests := map[string]struct {
		claims authtest.Claims
		cause  string
	}{
		"another issuer":               {authtest.Claims{"iss": other.URL}, "claim iss)."},
		"the issuer with a slash more": {authtest.Claims{"iss": issuer.URL + "/"}, "only in a slash"},
		"an ID token":                  {authtest.Claims{"aud": authtest.ClientID, "nonce": "n"}, "not the ID token"},
		"no issuer":                    {authtest.Claims{"iss": nil}, "claim iss)."},
		"another audience":             {authtest.Claims{"aud": "https://another.example.com"}, "claim aud"},
		"the client as audience":       {authtest.Claims{"aud": authtest.ClientID}, "claim aud"},
		"an audience that begins so":   {authtest.Claims{"aud": authtest.Audience + ".evil.example"}, "claim aud"},
		"no audience":                  {authtest.Claims{"aud": nil}, "claim aud"},
		"empty list of audiences":      {authtest.Claims{"aud": []string{}}, "claim aud"},
		"audience of another type":     {authtest.Claims{"aud": 7}, "claim aud"},
		"expired":                      {authtest.Claims{"exp": now.Add(-time.Minute).Unix()}, "has expired"},
		"expired a second ago":         {authtest.Claims{"exp": now.Add(-time.Second).Unix()}, "has expired"},
		"never expiring":               {authtest.Claims{"exp": nil}, "no expiry"},
		"expiry of another type":       {authtest.Claims{"exp": "tomorrow"}, "claim exp of"},
		"not valid yet":                {authtest.Claims{"nbf": now.Add(time.Hour).Unix()}, "not valid yet"},
		"not valid for two minutes":    {authtest.Claims{"nbf": now.Add(2 * time.Minute).Unix()}, "not valid yet"},
		"nobody's":                     {authtest.Claims{"sub": nil}, "claim sub"},
		"an empty subject":             {authtest.Claims{"sub": ""}, "claim sub"},
		"a subject too long":           {authtest.Claims{"sub": strings.Repeat("a", 256)}, "claim sub"},
		"a subject of two lines":       {authtest.Claims{"sub": "alice\nbob"}, "claim sub"},
		"a subject written backwards":  {authtest.Claims{"sub": "alice\u202e"}, "claim sub"},
		"a subject of another type":    {authtest.Claims{"sub": 7}, "claim sub"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := mustRefuse(t, o, issuer.AccessToken(t, test.claims), fault.Unauthenticated)
			named := slices.DeleteFunc(slices.Clone(causes), func(cause string) bool { return !strings.Contains(f.Message, cause) })
			if diff := cmp.Diff([]string{test.cause}, named); diff != "" {
				t.Errorf("causes in %q (-want +got):\n%s", f.Message, diff)
			}
			forged := authtest.NewKey(t, jose.ES256).As(issuer.Key()).Sign(t, issuer.Claims(test.claims))
			f = mustRefuse(t, o, forged, fault.Unauthenticated)
			if !strings.Contains(f.Message, "not signed") {
				t.Errorf("a forged token is refused for its claims: %s", f.Message)
			}
		})
	}
	t.Run("signed by another issuer", func(t *testing.T) {
		mustRefuse(t, o, other.AccessToken(t, nil), fault.Unauthenticated)
	})
	t.Run("too long", func(t *testing.T) {
		token := issuer.AccessToken(t, authtest.Claims{"groups": strings.Repeat("g", 16<<10)})
		mustRefuse(t, o, token, fault.Unauthenticated)
	})
}

func TestTakesTokensOfWorkingIssuers(t *testing.T) {
	issuer := authtest.Start(t)
	o := newOIDC(t, issuer)
	now := time.Now()
	tokens := map[string]authtest.Claims{
		"one audience as a text":       {"aud": authtest.Audience},
		"several audiences":            {"aud": []string{"https://another.example.com", authtest.Audience}},
		"no time before it is invalid": {"nbf": nil},
		"an issuer's clock ahead":      {"nbf": now.Add(30 * time.Second).Unix(), "iat": now.Add(30 * time.Second).Unix()},
		"a time with a fraction":       {"exp": float64(now.Add(time.Hour).UnixMilli()) / 1000},
		"a longest subject":            {"sub": strings.Repeat("ü", 255)},
		"many groups":                  {"groups": strings.Repeat("g", 8<<10)},
		"groups kept elsewhere":        {"_claim_names": map[string]string{"groups": "src1"}, "_claim_sources": map[string]any{"src1": map[string]string{"endpoint": "https://graph.example.com"}}},
	}
	for name, claims := range tokens {
		t.Run(name, func(t *testing.T) { mustAuthenticate(t, o, issuer.AccessToken(t, claims)) })
	}
}

func TestTakesAsymmetricAlgorithms(t *testing.T) {
	issuer := authtest.Start(t)
	rsaKey := authtest.NewKey(t, jose.RS256)
	keys := map[jose.SignatureAlgorithm]authtest.Key{
		jose.ES256: authtest.NewKey(t, jose.ES256), jose.ES384: authtest.NewKey(t, jose.ES384),
		jose.ES512: authtest.NewKey(t, jose.ES512), jose.EdDSA: authtest.NewKey(t, jose.EdDSA),
	}
	for _, algorithm := range []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512} {
		keys[algorithm] = rsaKey.WithAlgorithm(algorithm)
	}
	for algorithm, key := range keys {
		t.Run(string(algorithm), func(t *testing.T) {
			issuer.Rotate(key)
			mustAuthenticate(t, newOIDC(t, issuer), issuer.AccessToken(t, nil))
		})
	}
}

func TestTellsAccessTokensFromOthers(t *testing.T) {
	issuer := authtest.Start(t)
	o := newOIDC(t, issuer)
	tests := map[string]struct {
		header authtest.Header
		claims authtest.Claims
		taken  bool
	}{
		"typed as RFC 9068 has it":           {authtest.Header{"typ": "at+jwt"}, nil, true},
		"with the media type written out":    {authtest.Header{"typ": "application/at+jwt"}, nil, true},
		"in capitals":                        {authtest.Header{"typ": "AT+JWT"}, nil, true},
		"typed as an access token, nonce":    {authtest.Header{"typ": "at+jwt"}, authtest.Claims{"nonce": "n"}, true},
		"typed as any JWT":                   {nil, nil, true},
		"without a type":                     {authtest.Header{"typ": nil}, nil, true},
		"Keycloak's, with a nonce":           {nil, authtest.Claims{"typ": "Bearer", "nonce": "n"}, true},
		"Keycloak's ID token":                {nil, authtest.Claims{"typ": "ID"}, false},
		"an ID token's nonce":                {nil, authtest.Claims{"nonce": "n"}, false},
		"an ID token's at_hash":              {nil, authtest.Claims{"at_hash": "h"}, false},
		"an ID token's c_hash, without type": {authtest.Header{"typ": nil}, authtest.Claims{"c_hash": "h"}, false},
		"a logout token":                     {authtest.Header{"typ": "logout+jwt"}, nil, false},
		"a logout token typed as any JWT":    {nil, authtest.Claims{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}, false},
		"a proof of possession":              {authtest.Header{"typ": "dpop+jwt"}, nil, false},
		"a type of another type":             {authtest.Header{"typ": 7}, nil, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			token := issuer.Key().Sign(t, issuer.Claims(test.claims), test.header)
			if test.taken {
				mustAuthenticate(t, o, token)
				return
			}
			mustRefuse(t, o, token, fault.Unauthenticated)
		})
	}
}

func TestExpiredTokenSaysSo(t *testing.T) {
	issuer := authtest.Start(t)
	token := issuer.AccessToken(t, authtest.Claims{"exp": time.Now().Add(-time.Hour).Unix()})
	if f := mustRefuse(t, newOIDC(t, issuer), token, fault.Unauthenticated); !strings.Contains(f.Message, "expired") {
		t.Errorf("an expired token is refused without saying so: %s", f.Message)
	}
}

func TestBearersAreToldApartByForm(t *testing.T) {
	tokens, jwts := &recorder{}, &recorder{}
	bearers := auth.Bearers{Tokens: tokens, JWTs: jwts}
	for _, bearer := range []string{"mp_abc", "mp_a.b.c"} {
		_, err := bearers.Authenticate(t.Context(), bearer)
		if tokens.last != bearer || jwts.last != "" || !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%q is not left to the API tokens", bearer)
		}
	}
	for _, bearer := range []string{"a.b.c", "eyJ.eyJ.-_9", "opaque"} {
		if _, err := bearers.Authenticate(t.Context(), bearer); jwts.last != bearer || tokens.last == bearer || !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%q is not left to the issuer", bearer)
		}
	}
}

func TestOpaqueTokensAreToldApart(t *testing.T) {
	o := newOIDC(t, authtest.Start(t))
	for _, bearer := range []string{"", "9f8b4c", "a.b", "a..c", "a.b.", ".b.c", "a.b.c=", "a.b.c d", "a.b.c.d.e", `{"payload":"a.b.c"}`, "ä.b.c"} {
		f := mustRefuse(t, o, bearer, fault.Unauthenticated)
		if !strings.Contains(f.Message, "nor a JWT") || !strings.Contains(f.Message, authtest.Audience) {
			t.Errorf("%q is refused without saying which token to request: %s", bearer, f.Message)
		}
	}
}

// TestUnverifiedClaimsAreForTheLog: what is wrong with a forged token is its
// signature for the caller. The log also tells what else is wrong with it.
func TestUnverifiedClaimsAreForTheLog(t *testing.T) {
	issuer := authtest.Start(t)
	o := newOIDC(t, issuer)
	mustAuthenticate(t, o, issuer.AccessToken(t, nil))
	stranger := authtest.NewKey(t, jose.ES256)
	for _, test := range []struct {
		name, token, cause string
	}{
		{"of an unknown key", stranger.Sign(t, issuer.Claims(nil)), "its kid names none"},
		{"of a known key", stranger.As(issuer.Key()).Sign(t, issuer.Claims(nil)), "does not verify it"},
		{"of another issuer", stranger.Sign(t, issuer.Claims(authtest.Claims{"iss": "https://other.example"})), "was not issued by"},
		{"of another audience", stranger.Sign(t, issuer.Claims(authtest.Claims{"aud": "other"})), "claim aud"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := mustRefuse(t, o, test.token, fault.Unauthenticated)
			if want := "The bearer token is not signed by a trusted key of the issuer."; f.Message != want {
				t.Errorf("the caller is told %q, not %q", f.Message, want)
			}
			if !strings.Contains(f.Error(), test.cause) || strings.Contains(f.Error(), "other") {
				t.Errorf("the log says %q; it must say %q and not quote the token", f.Error(), test.cause)
			}
		})
	}
}

type recorder struct{ last string }

func (r *recorder) Authenticate(_ context.Context, bearer string) (auth.Principal, error) {
	r.last = bearer
	return auth.Principal{}, fault.New(fault.Unauthenticated, "no")
}
