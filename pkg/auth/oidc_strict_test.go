package auth_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"modelproviders/pkg/auth/authtest"
	"modelproviders/pkg/fault"
)

// handSigner signs headers and claims verbatim, even malformed ones.
type handSigner struct {
	id      string
	private ed25519.PrivateKey
}

func newHandSigner(t *testing.T, id string) handSigner {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return handSigner{id, private}
}

// sign returns a token whose header begins with the algorithm and the key's id.
func (s handSigner) sign(header, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(fmt.Sprintf(`{"alg":"EdDSA","kid":%q%s}`, s.id, header))) + "." + encode([]byte(claims))
	return text + "." + encode(ed25519.Sign(s.private, []byte(text)))
}

// jwk returns the key in JSON; more is JSON of further members.
func (s handSigner) jwk(more string) string {
	return fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":%q,"x":%q%s}`, s.id, base64.RawURLEncoding.EncodeToString(s.private.Public().(ed25519.PublicKey)), more)
}

// publishes makes an issuer publish only these keys.
func publishes(issuer *authtest.Issuer, keys ...string) {
	issuer.Answer(keySet(issuer, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"keys":[`+strings.Join(keys, ",")+`]}`)
	}))
}

// TestReadsTokensStrictly signs tokens that a lenient reader takes (RFC 7519,
// sections 2 and 4; RFC 7515, sections 4 and 4.1.11; RFC 8725, section 2).
func TestReadsTokensStrictly(t *testing.T) {
	issuer := authtest.Start(t)
	signer := newHandSigner(t, "hand")
	publishes(issuer, signer.jwk(""))
	o := newOIDC(t, issuer)
	now := time.Now().Unix()
	claims := map[string]string{
		"iss": fmt.Sprintf("%q", issuer.URL), "aud": fmt.Sprintf("%q", authtest.Audience), "sub": `"alice"`,
		"exp": fmt.Sprint(now + 3600), "nbf": fmt.Sprint(now), "iat": fmt.Sprint(now),
	}
	// token replaces members of the claims; an empty one is omitted.
	token := func(header string, change map[string]string, more ...string) string {
		members := more
		for name, value := range claims {
			if changed, ok := change[name]; ok {
				value = changed
			}
			if value != "" {
				members = append(members, fmt.Sprintf("%q:%s", name, value))
			}
		}
		return signer.sign(header, "{"+strings.Join(members, ",")+"}")
	}
	mustAuthenticate(t, o, token("", nil))
	mustAuthenticate(t, o, token(`,"typ":"at+jwt"`, nil))

	good, other := claims["aud"], `"other"`
	refusals := map[string]string{
		"an audience in other letters beside another": token("", map[string]string{"aud": other}, `"Aud":`+good),
		"an audience in other letters alone":          token("", map[string]string{"aud": ""}, `"AUD":`+good),
		"an audience beside a number":                 token("", map[string]string{"aud": "[" + good + ",7]"}),
		"an issuer in other letters":                  token("", map[string]string{"iss": ""}, `"Iss":`+claims["iss"]),
		"an expiry in other letters beside a past":    token("", map[string]string{"exp": fmt.Sprint(now - 60)}, `"Exp":`+claims["exp"]),
		"an expiry in other letters alone":            token("", map[string]string{"exp": ""}, `"EXP":`+claims["exp"]),
		"a long s in a name":                          token("", map[string]string{"iss": ""}, `"iſs":`+claims["iss"]),
		"a subject in other letters":                  token("", map[string]string{"sub": ""}, `"Sub":"alice"`),
		"an audience twice":                           token("", map[string]string{"aud": good + `,"aud":` + other}),
		"an audience twice, ours last":                token("", map[string]string{"aud": other + `,"aud":` + good}),
		"an expiry twice":                             token("", map[string]string{"exp": claims["exp"] + `,"exp":` + claims["exp"]}),
		"a role twice":                                token("", nil, `"role":"viewer"`, `"role":"admin"`),
		"a name twice deeper down":                    token("", nil, `"app":{"role":"viewer","role":"admin"}`),
		"a name twice, once escaped":                  token("", nil, `"role":"viewer"`, `"rol\u0065":"admin"`),
		"an expiry as a text":                         token("", map[string]string{"exp": `"` + claims["exp"] + `"`}),
		"an expiry out of range":                      token("", map[string]string{"exp": "1e300"}),
		"an expiry past the year 9999":                token("", map[string]string{"exp": "253402300800"}),
		"a negative expiry":                           token("", map[string]string{"exp": "-1"}),
		"an expiry of null":                           token("", map[string]string{"exp": "null"}),
		"an expiry of true":                           token("", map[string]string{"exp": "true"}),
		"an expiry in a list":                         token("", map[string]string{"exp": "[" + claims["exp"] + "]"}),
		"a start as a text":                           token("", map[string]string{"nbf": `"0"`}),
		"a start out of range":                        token("", map[string]string{"nbf": "1e300"}),
		"a start of null":                             token("", map[string]string{"nbf": "null"}),
		"a start of false":                            token("", map[string]string{"nbf": "false"}),
		"issued as a text":                            token("", map[string]string{"iat": `"0"`}),
		"issued out of range":                         token("", map[string]string{"iat": "1e300"}),
		"issued in two minutes":                       token("", map[string]string{"iat": fmt.Sprint(now + 120)}),
		"valid in two minutes":                        token("", map[string]string{"nbf": fmt.Sprint(now + 120)}),
		"bound to a key":                              token("", nil, `"cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}`),
		"bound to a certificate":                      token("", nil, `"cnf":{"x5t#S256":"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}`),
		"bound to nothing that is known":              token("", nil, `"cnf":{}`),
		"bound, in a null":                            token("", nil, `"cnf":null`),
		"a subject that is no UTF-8":                  token("", map[string]string{"sub": "\"al\xffice\""}),
		"claims that are no UTF-8":                    token("", nil, "\"x\":\"\xc3\x28\""),
		"claims that are a list":                      signer.sign("", `[{"iss":1}]`),
		"claims of null":                              signer.sign("", `null`),
		"claims with something behind":                signer.sign("", `{} {}`),
		"no claims":                                   signer.sign("", ` `),
		"an empty list of extensions":                 token(`,"crit":[]`, nil),
		"an extension that is known elsewhere":        token(`,"crit":["b64"],"b64":true`, nil),
		"extensions of null":                          token(`,"crit":null`, nil),
		"compressed":                                  token(`,"zip":"DEF"`, nil),
		"compressed in a way that is none":            token(`,"zip":null`, nil),
		"a header parameter twice":                    token(`,"kid":"hand"`, nil),
		"an algorithm twice":                          token(`,"alg":"none"`, nil),
		"a type of null":                              token(`,"typ":null`, nil),
		"a type twice":                                token(`,"typ":"JWT","typ":"at+jwt"`, nil),
	}
	for name, token := range refusals {
		t.Run(name, func(t *testing.T) { mustRefuse(t, o, token, fault.Unauthenticated) })
	}
	// Names that differ in case are other claims.
	for name, token := range map[string]string{
		"an audience in other letters beside ours": token("", nil, `"Aud":"other"`),
		"an expiry in other letters in the past":   token("", nil, `"Exp":1`),
		"a start of 1970":                          token("", map[string]string{"nbf": "0"}),
		"an expiry at the end of time":             token("", map[string]string{"exp": "253402300799"}),
		"neither start nor issue":                  token("", map[string]string{"nbf": "", "iat": ""}),
		"thirty seconds ahead":                     token("", map[string]string{"nbf": fmt.Sprint(now + 30), "iat": fmt.Sprint(now + 30)}),
	} {
		t.Run(name, func(t *testing.T) { mustAuthenticate(t, o, token) })
	}
}

// TestKeysVerifyOnlyWhatTheyAreFor: a token names its key, and a key may say
// what it is for (RFC 7517, sections 4.2 to 4.5).
func TestKeysVerifyOnlyWhatTheyAreFor(t *testing.T) {
	issuer := authtest.Start(t)
	first, second := newHandSigner(t, "first"), newHandSigner(t, "second")
	claims, err := json.Marshal(issuer.Claims(nil))
	if err != nil {
		t.Fatal(err)
	}
	foreign := handSigner{"first", second.private}  // signed by the second key
	unknown := handSigner{"unknown", first.private} // names a key that does not exist
	unnamed := handSigner{"", first.private}
	for name, test := range map[string]struct {
		token string
		keys  []string
		taken bool
	}{
		"the named key":                {first.sign("", string(claims)), []string{second.jwk(""), first.jwk("")}, true},
		"another key than the named":   {foreign.sign("", string(claims)), []string{first.jwk(""), second.jwk("")}, false},
		"a name that no key has":       {unknown.sign("", string(claims)), []string{first.jwk("")}, false},
		"no name":                      {unnamed.sign("", string(claims)), []string{second.jwk(""), first.jwk("")}, true},
		"for signatures":               {first.sign("", string(claims)), []string{first.jwk(`,"use":"sig","alg":"EdDSA","key_ops":["verify"]`)}, true},
		"for encryption":               {first.sign("", string(claims)), []string{first.jwk(`,"use":"enc"`), second.jwk("")}, false},
		"for another algorithm":        {first.sign("", string(claims)), []string{first.jwk(`,"alg":"ES256"`)}, false},
		"no name, another algorithm":   {unnamed.sign("", string(claims)), []string{first.jwk(`,"alg":"ES256"`)}, false},
		"for encrypting only":          {first.sign("", string(claims)), []string{first.jwk(`,"key_ops":["encrypt"]`), second.jwk("")}, false},
		"for nothing":                  {first.sign("", string(claims)), []string{first.jwk(`,"key_ops":[]`), second.jwk("")}, false},
		"operations of another type":   {first.sign("", string(claims)), []string{first.jwk(`,"key_ops":"verify"`), second.jwk("")}, false},
		"of the same name, the second": {first.sign("", string(claims)), []string{handSigner{"first", second.private}.jwk(""), first.jwk("")}, true},
	} {
		t.Run(name, func(t *testing.T) {
			publishes(issuer, test.keys...)
			o := newOIDC(t, issuer)
			if test.taken {
				mustAuthenticate(t, o, test.token)
				return
			}
			mustRefuse(t, o, test.token, fault.Unauthenticated)
		})
	}
}

// TestWeakKeysAreNotTrusted: RSA keys have 2,048 bits or more (RFC 7518, section
// 3.3).
func TestWeakKeysAreNotTrusted(t *testing.T) {
	issuer := authtest.Start(t)
	for bits, taken := range map[int]bool{1024: false, 2040: false, 2048: true} {
		private, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatalf("make a key of %d bits: %v", bits, err)
		}
		public, err := json.Marshal(jose.JSONWebKey{Key: private.Public(), KeyID: "k"})
		if err != nil {
			t.Fatal(err)
		}
		publishes(issuer, string(public), newHandSigner(t, "other").jwk(""))
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: private, KeyID: "k"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		claims, err := json.Marshal(issuer.Claims(nil))
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signer.Sign(claims)
		if err != nil {
			t.Fatal(err)
		}
		token, err := signed.CompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		if o := newOIDC(t, issuer); taken {
			mustAuthenticate(t, o, token)
		} else {
			mustRefuse(t, o, token, fault.Unauthenticated)
		}
	}
}

// TestUnknownKeyWhileTheIssuerIsAway: while the issuer is away, a token of an unknown
// key is not refused as invalid.
func TestUnknownKeyWhileTheIssuerIsAway(t *testing.T) {
	issuer, now := authtest.Start(t), newClock()
	o := newOIDC(t, issuer, at(now))
	mustAuthenticate(t, o, issuer.AccessToken(t, nil))
	stranger := authtest.NewKey(t, jose.ES256).Sign(t, issuer.Claims(nil))
	mustRefuse(t, o, stranger, fault.Unauthenticated)
	issuer.Down()
	now.Advance(10 * time.Second)
	for range 3 {
		mustRefuse(t, o, stranger, fault.Unavailable)
	}
}
