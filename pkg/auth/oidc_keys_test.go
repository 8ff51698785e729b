package auth_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/auth/authtest"
	"modelproviders/pkg/fault"
)

// lasting returns claims of a token that outlives changes of the clock.
func lasting() authtest.Claims {
	return authtest.Claims{"exp": time.Now().Add(100 * time.Hour).Unix()}
}

func TestIssuerIsNotAskedBeforeTheFirstToken(t *testing.T) {
	issuer := authtest.Start(t)
	o := newOIDC(t, issuer)
	for _, token := range []string{"", "not-a-token", "a.b.c", unsigned(t, issuer.Claims(nil), "AAAA")} {
		mustRefuse(t, o, token, fault.Unauthenticated)
	}
	if discovery, keys := issuer.Asked(); discovery+keys > 0 {
		t.Errorf("the issuer was asked %d times for what can't be a token", discovery+keys)
	}
}

func TestIssuerDownAtStartDelaysSignIns(t *testing.T) {
	issuer, now := authtest.Start(t), newClock()
	token := issuer.AccessToken(t, lasting())
	issuer.Down()
	o := newOIDC(t, issuer, at(now))

	for failed, seconds := range []int{1, 2, 4, 8, 16, 30, 30, 30} {
		f := mustRefuse(t, o, token, fault.Unavailable)
		if want := time.Duration(seconds) * time.Second; f.RetryAfter != want {
			t.Fatalf("after %d failed readings clients are told to wait %v, not %v", failed, f.RetryAfter, want)
		}
		now.Advance(f.RetryAfter)
	}
	issuer.Up()
	mustAuthenticate(t, o, token)
}

func TestIssuerThatIsDownIsNotHammered(t *testing.T) {
	issuer, now := authtest.Start(t), newClock()
	token := issuer.AccessToken(t, nil)
	issuer.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	o := newOIDC(t, issuer, at(now))
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() { mustRefuse(t, o, token, fault.Unavailable) })
	}
	group.Wait()
	for range 50 {
		mustRefuse(t, o, token, fault.Unavailable)
	}
	if discovery, keys := issuer.Asked(); discovery != 1 || keys != 0 {
		t.Errorf("100 sign-ins in one second ask an issuer that is down %d times", discovery+keys)
	}
}

func TestConcurrentSignInsReadKeysOnce(t *testing.T) {
	issuer := authtest.Start(t)
	token := issuer.AccessToken(t, nil)
	o := newOIDC(t, issuer)
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() { mustAuthenticate(t, o, token) })
	}
	group.Wait()
	if discovery, keys := issuer.Asked(); discovery != 1 || keys != 1 {
		t.Errorf("50 sign-ins ask %d times for the metadata and %d times for the keys", discovery, keys)
	}
}

func TestCallerThatLeavesDoesNotSpoilTheReading(t *testing.T) {
	issuer := authtest.Start(t)
	token := issuer.AccessToken(t, nil)
	asked, release := make(chan struct{}, 1), make(chan struct{})
	issuer.Answer(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-release
		issuer.Up()
		issuer.Provider(w, r)
	})
	o := newOIDC(t, issuer)
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := o.Authenticate(ctx, token)
		left <- err
	}()
	<-asked
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that leaves gets %v", err)
	}
	close(release)
	mustAuthenticate(t, o, token)
	if discovery, _ := issuer.Asked(); discovery != 1 {
		t.Errorf("the reading that a caller began and left is done %d times", discovery)
	}
}

func TestKeysRotateWithoutRestart(t *testing.T) {
	issuer, now := authtest.Start(t), newClock()
	o := newOIDC(t, issuer, at(now))
	old := issuer.AccessToken(t, lasting())
	mustAuthenticate(t, o, old)
	for range 3 {
		issuer.Rotate(authtest.NewKey(t, jose.ES256))
		mustAuthenticate(t, o, issuer.AccessToken(t, nil))
		now.Advance(10 * time.Second)
	}
}

func TestWithdrawnKeyIsNotTrustedForLong(t *testing.T) {
	issuer, now := authtest.Start(t), newClock()
	o := newOIDC(t, issuer, at(now))
	stolen := issuer.AccessToken(t, lasting())
	mustAuthenticate(t, o, stolen)
	issuer.Rotate(authtest.NewKey(t, jose.ES256))
	now.Advance(5 * time.Minute)
	mustRefuse(t, o, stolen, fault.Unauthenticated)
}

func TestKnownKeysOutliveTheIssuerForAnHour(t *testing.T) {
	issuer, now := authtest.Start(t), newClock()
	o := newOIDC(t, issuer, at(now))
	known := issuer.AccessToken(t, lasting())
	mustAuthenticate(t, o, known)

	issuer.Down()
	now.Advance(59 * time.Minute)
	mustAuthenticate(t, o, known)
	unknown := authtest.NewKey(t, jose.ES256).Sign(t, issuer.Claims(lasting()))
	mustRefuse(t, o, unknown, fault.Unavailable)
	now.Advance(time.Minute)
	mustRefuse(t, o, known, fault.Unavailable)

	issuer.Up()
	now.Advance(time.Minute)
	mustAuthenticate(t, o, known)
	mustRefuse(t, o, unknown, fault.Unauthenticated)
}

func TestSlowIssuerDoesNotHoldUpKnownKeys(t *testing.T) {
	issuer, now := authtest.Start(t), newClock()
	o := newOIDC(t, issuer, at(now))
	token := issuer.AccessToken(t, nil)
	mustAuthenticate(t, o, token)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	issuer.Answer(func(http.ResponseWriter, *http.Request) { <-release })
	now.Advance(6 * time.Minute)
	mustAuthenticate(t, o, token)
}

func TestMadeUpKeysDoNotFloodTheIssuer(t *testing.T) {
	issuer, now := authtest.Start(t), newClock()
	o := newOIDC(t, issuer, at(now))
	mustAuthenticate(t, o, issuer.AccessToken(t, nil))
	for range 100 {
		mustRefuse(t, o, authtest.NewKey(t, jose.ES256).Sign(t, issuer.Claims(nil)), fault.Unauthenticated)
	}
	if _, keys := issuer.Asked(); keys > 2 {
		t.Errorf("100 tokens with made-up keys ask for the issuer's keys %d times in one moment", keys)
	}
	issuer.Rotate(authtest.NewKey(t, jose.ES256))
	now.Advance(10 * time.Second)
	mustAuthenticate(t, o, issuer.AccessToken(t, nil))
}

// TestTokensOfANewKeyShareOneFetch: none of them is refused while the fetch that
// brings their key is under way.
func TestTokensOfANewKeyShareOneFetch(t *testing.T) {
	issuer := authtest.Start(t)
	o := newOIDC(t, issuer)
	mustAuthenticate(t, o, issuer.AccessToken(t, nil))
	issuer.Rotate(authtest.NewKey(t, jose.ES256))
	issuer.Answer(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(100 * time.Millisecond)
		issuer.Provider(w, r)
	})
	token := issuer.AccessToken(t, nil)
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() { mustAuthenticate(t, o, token) })
	}
	group.Wait()
	if discovery, keys := issuer.Asked(); discovery != 2 || keys != 2 {
		t.Errorf("20 tokens of a new key ask %d times for the metadata and %d times for the keys, want once more", discovery, keys)
	}
}

// TestIssuerWithAnotherSlash: the log tells the operator which setting to change.
func TestIssuerWithAnotherSlash(t *testing.T) {
	issuer := authtest.Start(t)
	o := newOIDC(t, issuer, func(cfg *auth.OIDCConfig) { cfg.Issuer += "/" })
	f := mustRefuse(t, o, issuer.AccessToken(t, nil), fault.Unavailable)
	if !strings.Contains(f.Error(), "MODELPROVIDERS_OIDC_ISSUER must be exactly that") || strings.Contains(f.Message, issuer.URL) {
		t.Errorf("an issuer configured with a slash too many is reported as %s", f.Error())
	}
}

// keySet replaces the answer of an issuer to requests for its keys.
func keySet(i *authtest.Issuer, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			answer(w, r)
			return
		}
		i.Provider(w, r)
	}
}

// published returns a key in the form of a key set.
func published(t *testing.T, key authtest.Key, use string) string {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKey{Key: key.Public(), KeyID: key.ID(), Use: use})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestKeysOfOtherKindsArePassedOver(t *testing.T) {
	issuer := authtest.Start(t)
	signing, encrypting := authtest.NewKey(t, jose.ES256), authtest.NewKey(t, jose.ES256)
	secret := []byte("a secret of thirty-two bytes, see")
	set := fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed448","x":"AAAA"},{"kty":"PQC"},7,{"kty":"oct","k":%q},%s,%s]}`,
		base64.RawURLEncoding.EncodeToString(secret), published(t, encrypting, "enc"), published(t, signing, ""))
	issuer.Answer(keySet(issuer, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, set) }))
	o := newOIDC(t, issuer)
	mustAuthenticate(t, o, signing.Sign(t, issuer.Claims(nil)))
	mustRefuse(t, o, encrypting.Sign(t, issuer.Claims(nil)), fault.Unauthenticated)
	mustRefuse(t, o, signing.SharedSecret(secret).Sign(t, issuer.Claims(nil)), fault.Unauthenticated)
}

func TestIssuerThatAnswersNonsense(t *testing.T) {
	write := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	const metadata = `{"issuer":%q,"jwks_uri":%q}`
	tests := map[string]func(i *authtest.Issuer) http.HandlerFunc{
		"a page":       func(*authtest.Issuer) http.HandlerFunc { return write(200, "<html>secret-page</html>") },
		"an error":     func(*authtest.Issuer) http.HandlerFunc { return write(500, `{"error":"secret-page"}`) },
		"not there":    func(*authtest.Issuer) http.HandlerFunc { return write(404, "secret-page") },
		"a list":       func(*authtest.Issuer) http.HandlerFunc { return write(200, `["secret-page"]`) },
		"far too much": func(*authtest.Issuer) http.HandlerFunc { return write(200, `{"a":"`+strings.Repeat("a", 1<<20)+`"}`) },
		"another issuer": func(*authtest.Issuer) http.HandlerFunc {
			return write(200, fmt.Sprintf(metadata, "https://other.example", "https://other.example/keys"))
		},
		"no key set": func(i *authtest.Issuer) http.HandlerFunc { return write(200, fmt.Sprintf(metadata, i.URL, "")) },
		"keys nobody can read": func(i *authtest.Issuer) http.HandlerFunc {
			return keySet(i, write(200, `{"keys":[{"kty":"EC","crv":"P-256","x":"secret-page"}]}`))
		},
		"a shared secret as key": func(i *authtest.Issuer) http.HandlerFunc {
			return keySet(i, write(200, `{"keys":[{"kty":"oct","alg":"HS256","k":"c2VjcmV0LXBhZ2U"}]}`))
		},
		"no keys": func(i *authtest.Issuer) http.HandlerFunc { return keySet(i, write(200, `{"keys":[]}`)) },
		"keys of another shape": func(i *authtest.Issuer) http.HandlerFunc {
			return keySet(i, write(200, `{"keys":"secret-page"}`))
		},
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			issuer, now := authtest.Start(t), newClock()
			token := issuer.AccessToken(t, lasting())
			issuer.Answer(answer(issuer))
			var log bytes.Buffer
			o := newOIDC(t, issuer, at(now), func(cfg *auth.OIDCConfig) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			f := mustRefuse(t, o, token, fault.Unavailable)
			if !strings.Contains(log.String(), issuer.URL) {
				t.Errorf("the operator is not told: %s", log.String())
			}
			if text := f.Error() + log.String(); strings.Contains(text, "secret-page") || strings.Contains(f.Message, issuer.URL) || len(text) > 2000 {
				t.Errorf("the issuer's answer is quoted, or its address told to a caller: %.2000s", text)
			}
			issuer.Up()
			now.Advance(time.Second)
			mustAuthenticate(t, o, token)
		})
	}
}

// anyHost sends every request to an issuer, whatever its host.
type anyHost struct{ issuer *authtest.Issuer }

func (a anyHost) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	target, err := url.Parse(a.issuer.URL)
	if err != nil {
		return nil, err
	}
	req.URL.Scheme, req.URL.Host = target.Scheme, target.Host
	return http.DefaultTransport.RoundTrip(req)
}

func TestKeysComeByTLSOnly(t *testing.T) {
	tests := map[string]struct {
		keysURL, redirect string
		taken             bool
	}{
		"https":                       {"https://keys.example.com/keys", "", true},
		"http":                        {"http://keys.example.com/keys", "", false},
		"https that redirects":        {"https://keys.example.com/old", "https://keys.example.com/keys", true},
		"https that leads out of TLS": {"https://keys.example.com/old", "http://keys.example.com/keys", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			issuer := authtest.Start(t)
			issuer.Answer(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/keys":
					issuer.Provider(w, r)
				case "/old":
					http.Redirect(w, r, test.redirect, http.StatusFound)
				default:
					_, _ = fmt.Fprintf(w, `{"issuer":"https://login.example.com","jwks_uri":%q}`, test.keysURL)
				}
			})
			o := newOIDC(t, issuer, func(cfg *auth.OIDCConfig) {
				cfg.Issuer, cfg.Transport = "https://login.example.com", anyHost{issuer}
			})
			token := issuer.AccessToken(t, authtest.Claims{"iss": "https://login.example.com"})
			if test.taken {
				mustAuthenticate(t, o, token)
				return
			}
			mustRefuse(t, o, token, fault.Unavailable)
		})
	}
}
