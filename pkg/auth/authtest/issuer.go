// Package authtest is an OpenID Connect issuer for tests: a real provider
// (zitadel/oidc) that listens on a local port, lets a public client sign users in
// by the authorization code flow with PKCE, and signs JWT access tokens. A test can
// take it down, change its answers and rotate its keys.
package authtest

import (
	"cmp"
	"html/template"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Audience is the audience of the issuer's access tokens, ClientID its public client.
const (
	Audience = "https://modelproviders.example.com"
	ClientID = "modelproviders-app"
)

// Claims are the claims of a token.
type Claims map[string]any

// Issuer is a running provider.
type Issuer struct {
	URL string

	server   *httptest.Server
	storage  *storage
	provider http.Handler
	answer   atomic.Pointer[http.HandlerFunc] // instead of the provider; nil: none
	mu       sync.Mutex
	asked    map[string]int // requests by path
}

// Start runs an issuer until the test ends. It signs with ES256.
func Start(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{asked: map[string]int{}}
	i.server = httptest.NewServer(i)
	t.Cleanup(i.server.Close)
	i.URL = i.server.URL
	i.storage = newStorage(NewKey(t, jose.ES256))
	provider, err := op.NewProvider(&op.Config{CodeMethodS256: true}, i.storage, op.StaticIssuer(i.URL), op.WithAllowInsecure())
	if err != nil {
		t.Fatal("make an OpenID provider: ", err)
	}
	i.provider = i.login(provider)
	return i
}

// login serves the provider and its sign-in page, which takes the user's name from the
// header X-User, or asks for it.
func (i *Issuer) login(provider op.OpenIDProvider) http.Handler {
	callback := op.AuthCallbackURL(provider)
	mux := http.NewServeMux()
	mux.Handle("/", provider)
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		id, user := r.FormValue("id"), cmp.Or(r.Header.Get("X-User"), r.FormValue("user"))
		if user == "" {
			_ = signInPage.Execute(w, id)
			return
		}
		if err := i.storage.signIn(id, user); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		http.Redirect(w, r, callback(op.ContextWithIssuer(r.Context(), i.URL), id), http.StatusFound)
	})
	return mux
}

// signInPage is the page that a person sees; its data is the id of the request.
var signInPage = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><title>Sign in</title>
<form><input type="hidden" name="id" value="{{.}}"><label>User <input name="user" autofocus></label> <button>Sign in</button></form>`))

// ServeHTTP implements [http.Handler].
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.asked[r.URL.Path]++
	i.mu.Unlock()
	if answer := i.answer.Load(); answer != nil {
		(*answer)(w, r)
		return
	}
	i.provider.ServeHTTP(w, r)
}

// Asked returns how often discovery and keys were asked for.
func (i *Issuer) Asked() (discovery, keys int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked["/.well-known/openid-configuration"], i.asked["/keys"]
}

// AllowRedirect lets an app receive codes at a URL.
func (i *Issuer) AllowRedirect(url string) { i.storage.allowRedirect(url) }

// Down makes the issuer abort every request.
func (i *Issuer) Down() {
	i.Answer(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

// Answer makes a handler answer every request.
func (i *Issuer) Answer(answer http.HandlerFunc) { i.answer.Store(&answer) }

// Up undoes Down and Answer.
func (i *Issuer) Up() { i.answer.Store(nil) }

// Provider answers a request normally.
func (i *Issuer) Provider(w http.ResponseWriter, r *http.Request) { i.provider.ServeHTTP(w, r) }

// Rotate makes the issuer sign with a new key and publish only that.
func (i *Issuer) Rotate(key Key) { i.storage.rotate(key) }

// Key is the key that the issuer signs with.
func (i *Issuer) Key() Key { return i.storage.signingKey() }

// SetUserClaims sets further claims of access tokens.
func (i *Issuer) SetUserClaims(claims Claims) { i.storage.setUserClaims(claims) }

// AccessToken signs an access token for the user alice that is valid for an hour.
// claims replace or add claims; a nil claim is omitted.
func (i *Issuer) AccessToken(t testing.TB, claims Claims) string {
	t.Helper()
	return i.Key().Sign(t, i.claims(time.Now(), claims))
}

// Claims returns the claims of [Issuer.AccessToken].
func (i *Issuer) Claims(claims Claims) Claims { return i.claims(time.Now(), claims) }

func (i *Issuer) claims(now time.Time, changes Claims) Claims {
	claims := Claims{
		"iss": i.URL, "aud": []string{Audience}, "sub": "alice", "client_id": ClientID, "jti": uuid.NewString(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}
