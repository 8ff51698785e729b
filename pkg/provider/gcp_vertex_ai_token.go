package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	googleTokenURL = "https://oauth2.googleapis.com/token"
	// googleScope is what Vertex AI asks for.
	googleScope = "https://www.googleapis.com/auth/cloud-platform"
	// tokenMargin is how long a cached access token must still be good for.
	tokenMargin = 2 * time.Minute
)

// googleTokens exchanges assertions of a service account for access tokens
// (RFC 7523), and keeps the latest one.
type googleTokens struct {
	account serviceAccount
	url     string // Google's, or the operator's own; never the key file's
	http    *http.Client
	turn    chan struct{} // holds one element; whoever takes it may fetch

	mu     sync.Mutex
	token  string
	expiry time.Time
}

func newGoogleTokens(account serviceAccount, env environment) *googleTokens {
	tokens := &googleTokens{
		account: account, url: cmp.Or(env.endpoints["google_token"], googleTokenURL), http: env.http, turn: make(chan struct{}, 1),
	}
	tokens.turn <- struct{}{}
	return tokens
}

// get returns an access token that is valid for a while. If several callers need
// one, one fetches it and the others wait for it or for the end of their context.
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
	return g.fetch(ctx)
}

// cached is the token that is kept; empty when it is not good for long.
func (g *googleTokens) cached() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Until(g.expiry) <= tokenMargin {
		return ""
	}
	return g.token
}

// sign authenticates a request with an access token. The error is a *Failure.
func (g *googleTokens) sign(req *http.Request, _ []byte) error {
	token, err := g.get(req.Context())
	if err != nil {
		return tokenTables.explain(req.Context(), "", err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return nil
}

// refused forgets the token of a request that was refused, so that the next call
// fetches one.
func (g *googleTokens) refused(req *http.Request) {
	token, _ := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	g.drop(token)
}

func (g *googleTokens) drop(token string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.token == token {
		g.token, g.expiry = "", time.Time{}
	}
}

// fetch asks for an access token and keeps it. Assertion and signature are as good
// as a token, and stay out of the result.
func (g *googleTokens) fetch(ctx context.Context) (string, error) {
	assertion, err := g.account.assertion(time.Now())
	if err != nil {
		return "", err
	}
	hide(ctx, assertion)
	hide(ctx, assertion[strings.LastIndexByte(assertion, '.')+1:])
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := g.http.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	var answer struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
	}
	switch {
	case err != nil:
		return "", err
	case res.StatusCode >= http.StatusMultipleChoices:
		return "", fmt.Errorf("unexpected status %d", res.StatusCode)
	case json.Unmarshal(body, &answer) != nil:
		return "", errNoAnswer
	case answer.AccessToken == "":
		return "", &Failure{Kind: UpstreamError, Message: "Google's token endpoint answered without an access token."}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.token, g.expiry = answer.AccessToken, time.Now().Add(time.Duration(answer.ExpiresIn)*time.Second)
	return g.token, nil
}

// tokenTables are what Google's token endpoint says, {"error":"…",
// "error_description":"…"} (RFC 6749, section 5.2).
var tokenTables = tables{
	name: "Google's token endpoint",
	rules: []rule{
		{status: "429", kind: RateLimited, hint: "Google limits how often tokens are fetched: try again in a minute."},
		{status: "5xx", kind: UpstreamError, hint: hintTokenService},
		{code: "internal_failure|temporarily_unavailable", kind: UpstreamError, hint: hintTokenService},
		{words: "iat and exp|timeframe", kind: Authentication, hint: "The time of the signature is wrong for Google: set the clock of the server that runs this service."},
		{status: "400 401", words: "not found|disabled", kind: Authentication, hint: "The service account was deleted or disabled: enable it in the Google Cloud console, or enter the key of another one."},
		{status: "400 401 403", code: "*", kind: Authentication, hint: "The key was deleted, or does not belong to this service account: make a new key in the Google Cloud console and paste its whole JSON file."},
		{status: "404 405", kind: Misconfigured, hint: "The address that this service has for Google's token endpoint is not one: the operator of this service can correct it."},
	},
	hints: map[FailureKind]string{
		InvalidRequest: "The service account was refused before a model was asked: enter a new key of it.",
	},
}

const hintTokenService = "Google's token service failed. Nothing is wrong with this provider: try again."
