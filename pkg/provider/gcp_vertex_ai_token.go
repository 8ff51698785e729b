package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"golang.org/x/oauth2/jwt"
)

// googleScope is what Vertex AI asks for.
const googleScope = "https://www.googleapis.com/auth/cloud-platform"

// tokenMargin is how long a cached access token must still be good for.
const tokenMargin = 2 * time.Minute

// googleTokens exchanges a service account's signature for access tokens, and
// keeps the latest one. A change of the credential makes a new client, and so
// drops it.
type googleTokens struct {
	config *jwt.Config
	http   *http.Client
	turn   chan struct{} // holds one element; whoever takes it may fetch

	mu    sync.Mutex
	token *oauth2.Token // nil: none
}

// newGoogleTokens pins the token endpoint: to Google's, or to the operator's
// own. What the key file says of it is never dialled.
func newGoogleTokens(account serviceAccount, env environment) (*googleTokens, error) {
	file, err := json.Marshal(map[string]string{
		"type":           "service_account",
		"client_email":   account.ClientEmail,
		"private_key":    account.PrivateKey,
		"private_key_id": account.PrivateKeyID,
	})
	if err != nil {
		return nil, fmt.Errorf("encode service account: %w", err)
	}
	config, err := google.JWTConfigFromJSON(file, googleScope)
	if err != nil {
		return nil, errors.New("the service account cannot be read")
	}
	config.TokenURL = google.JWTTokenURL
	if env.secondEndpoint != "" {
		config.TokenURL = env.secondEndpoint
	}
	// Whoever relays the call, it is Google that checks the assertion.
	config.Audience = google.JWTTokenURL
	tokens := &googleTokens{config: config, http: env.http, turn: make(chan struct{}, 1)}
	tokens.turn <- struct{}{}
	return tokens, nil
}

// get returns an access token that is good for a while. Of several callers one
// fetches and the others wait for it, each as long as its context lets it. The
// error is a *Failure, or what happened on the wire.
func (g *googleTokens) get(ctx context.Context) (string, error) {
	if token := g.cached(); token != "" {
		return token, nil
	}
	select {
	case <-g.turn:
		defer func() { g.turn <- struct{}{} }()
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if token := g.cached(); token != "" {
		return token, nil
	}
	token, err := g.fetch(ctx)
	if err != nil {
		return "", err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.token = token
	return token.AccessToken, nil
}

// cached is the token that is kept; empty when it is not good for long.
func (g *googleTokens) cached() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.token == nil || time.Until(g.token.Expiry) <= tokenMargin {
		return ""
	}
	return g.token.AccessToken
}

// drop forgets a token that was refused, so that the next call fetches one.
func (g *googleTokens) drop(accessToken string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.token != nil && g.token.AccessToken == accessToken {
		g.token = nil
	}
}

func (g *googleTokens) fetch(ctx context.Context) (*oauth2.Token, error) {
	sender := &tokenCall{ctx: ctx, transport: g.http.Transport}
	client := &http.Client{Transport: sender, CheckRedirect: g.http.CheckRedirect}
	token, err := g.config.TokenSource(context.WithValue(ctx, oauth2.HTTPClient, client)).Token()
	var refused *oauth2.RetrieveError
	switch {
	case sender.err != nil:
		return nil, sender.err
	case errors.As(err, &refused):
		return nil, tokenTables.explain(ctx, "", err)
	case err != nil:
		return nil, err
	case token.AccessToken == "":
		return nil, &Failure{Kind: UpstreamError, Message: "Google's token endpoint answered without an access token."}
	}
	return token, nil
}

// tokenCall makes x/oauth2's request the caller's: the library sends it without
// a context, so that neither cancelling nor the deadline would reach it, and
// reports what went wrong as text only.
type tokenCall struct {
	ctx       context.Context
	transport http.RoundTripper
	err       error
}

// RoundTrip sends the request in the caller's context. The assertion in it is
// as good as a token, and stays out of what is said of the call.
func (c *tokenCall) RoundTrip(req *http.Request) (*http.Response, error) {
	if body, err := req.GetBody(); err == nil {
		form, _ := io.ReadAll(body)
		hideAssertion(c.ctx, string(form))
	}
	res, err := c.transport.RoundTrip(req.WithContext(c.ctx))
	c.err = err
	return res, err
}

func hideAssertion(ctx context.Context, form string) {
	values, err := url.ParseQuery(form)
	if err != nil {
		return
	}
	assertion := values.Get("assertion")
	hide(ctx, assertion)
	if i := strings.LastIndexByte(assertion, '.'); i >= 0 {
		hide(ctx, assertion[i+1:])
	}
}

// tokenTables are what Google's token endpoint says, {"error":"…",
// "error_description":"…"} (RFC 6749, section 5.2). No model was asked yet.
var tokenTables = tables{
	rules: []rule{
		{status: "429", kind: RateLimited, hint: "Google limits how often tokens are fetched: try again in a minute."},
		{status: "5xx", kind: UpstreamError, hint: hintTokenService},
		{code: "internal_failure|temporarily_unavailable", kind: UpstreamError, hint: hintTokenService},
		{words: "iat and exp|timeframe", kind: Authentication, hint: "Google finds the time of the signature wrong: set the clock of the server that runs this service."},
		{status: "400 401", words: "not found|disabled", kind: Authentication, hint: "The service account was deleted or disabled: enable it in the Google Cloud console, or enter the key of another one."},
		{status: "400 401 403", code: "*", kind: Authentication, hint: "The key was deleted, or does not belong to this service account: make a new key in the Google Cloud console and paste its whole JSON file."},
		{status: "404 405", kind: Misconfigured, hint: "What answers in the place of Google's token endpoint is none: the operator of this service can correct its address."},
	},
	hints: map[FailureKind]string{
		InvalidRequest: "The service account was refused before a model was asked: enter a new key of it.",
	},
}

const hintTokenService = "Google's token service failed. Nothing is wrong with this provider: try again."
