package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"golang.org/x/oauth2/jwt"
)

const (
	// googleScope is what Vertex AI asks for.
	googleScope = "https://www.googleapis.com/auth/cloud-platform"
	// tokenMargin is how long a cached access token must still be valid.
	tokenMargin = 2 * time.Minute
)

// googleTokens exchanges assertions of a service account for access tokens
// (RFC 7523), and keeps the latest one.
type googleTokens struct {
	config *jwt.Config
	http   *http.Client
	turn   chan struct{} // a semaphore of size one for fetches

	mu    sync.Mutex
	token oauth2.Token
}

// newGoogleTokens fetches tokens from Google, or from the operator's endpoint. The
// URL in the key file is never called.
func newGoogleTokens(account serviceAccount, env environment) (*googleTokens, error) {
	file, err := json.Marshal(map[string]string{
		"type": account.Type, "client_email": account.ClientEmail,
		"private_key": account.PrivateKey, "private_key_id": account.PrivateKeyID,
	})
	if err != nil {
		return nil, fmt.Errorf("encode service account: %w", err)
	}
	config, err := google.JWTConfigFromJSON(file, googleScope)
	if err != nil {
		return nil, fmt.Errorf("read service account: %w", err)
	}
	config.TokenURL = cmp.Or(env.endpoints["google_token"], google.JWTTokenURL)
	config.Audience = google.JWTTokenURL // Google checks the assertion, even behind a relay
	return &googleTokens{config: config, http: env.http, turn: make(chan struct{}, 1)}, nil
}

// get returns an access token that is valid for a while. If several callers need
// one, one fetches it and the others wait for it or for the end of their context.
func (g *googleTokens) get(ctx context.Context) (string, error) {
	if token := g.cached(); token != "" {
		return token, nil
	}
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if token := g.cached(); token != "" {
		return token, nil
	}
	return g.fetch(ctx)
}

// cached returns the token that is kept, or "" if it expires within tokenMargin.
func (g *googleTokens) cached() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Until(g.token.Expiry) <= tokenMargin {
		return ""
	}
	return g.token.AccessToken
}

// RoundTrip sends a request with an access token. If that is refused, the next
// request fetches another one.
func (g *googleTokens) RoundTrip(req *http.Request) (*http.Response, error) {
	token, err := g.get(req.Context())
	if err != nil {
		return nil, tokenTables.explain(req.Context(), "", err)
	}
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := g.http.Transport.RoundTrip(req)
	if err == nil && res.StatusCode == http.StatusUnauthorized {
		g.drop(token)
	}
	return res, err
}

func (g *googleTokens) drop(token string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.token.AccessToken == token {
		g.token = oauth2.Token{}
	}
}

// fetch asks for an access token and keeps it.
func (g *googleTokens) fetch(ctx context.Context) (string, error) {
	sender := &tokenSender{ctx: ctx, transport: g.http.Transport}
	client := &http.Client{Transport: sender, CheckRedirect: g.http.CheckRedirect}
	token, err := g.config.TokenSource(context.WithValue(ctx, oauth2.HTTPClient, client)).Token()
	switch {
	case sender.err != nil:
		return "", sender.err
	case err != nil:
		return "", err
	case token.AccessToken == "":
		return "", &Failure{Kind: UpstreamError, Message: "Google's token endpoint answered without an access token."}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.token = *token
	return token.AccessToken, nil
}

// tokenSender sends the request of x/oauth2 in the context of the caller, which the
// library leaves out, and keeps the error, which the library returns as text.
type tokenSender struct {
	ctx       context.Context
	transport http.RoundTripper
	err       error
}

// RoundTrip implements [http.RoundTripper]. It keeps the assertion and its signature out
// of the result, because they can be used like a token.
func (s *tokenSender) RoundTrip(req *http.Request) (res *http.Response, err error) {
	defer func() { s.err = err }()
	form := req.Clone(s.ctx)
	if form.Body, err = req.GetBody(); err != nil {
		return nil, err
	}
	if err := form.ParseForm(); err != nil {
		return nil, err
	}
	assertion := form.PostForm.Get("assertion")
	hide(s.ctx, assertion)
	hide(s.ctx, assertion[strings.LastIndexByte(assertion, '.')+1:])
	return s.transport.RoundTrip(req.WithContext(s.ctx))
}

// tokenTables are what Google's token endpoint says, {"error":"…",
// "error_description":"…"} (RFC 6749, section 5.2).
var tokenTables = tables{
	rules: []rule{
		{status: "429", kind: RateLimited, hint: "Google limits how often access tokens are fetched. Try again in a minute."},
		{status: "5xx", kind: UpstreamError, hint: hintTokenService},
		{code: "internal_failure|temporarily_unavailable", kind: UpstreamError, hint: hintTokenService},
		{words: "iat and exp|timeframe", kind: Authentication, hint: "Google rejected the time of the signature. Set the clock of the server that runs this service."},
		{status: "400 401", words: "not found|disabled", kind: Authentication, hint: "The service account was deleted or disabled. Enable it in the Google Cloud console, or enter the key of another one."},
		{status: "400 401 403", code: "*", kind: Authentication, hint: "The key was deleted, or does not belong to this service account. Create a new key in the Google Cloud console and paste its whole JSON file."},
		{status: "404 405", kind: Misconfigured, hint: "The configured address is not Google's token endpoint. Ask the operator of this service to correct it."},
	},
	hints: map[FailureKind]string{
		InvalidRequest: "Google refused the service account before the model was called. Enter a new key for it.",
	},
}

const hintTokenService = "Google's token service failed. Nothing is wrong with this provider. Try again."
