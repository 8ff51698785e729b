package provider

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// tokenConfig says how to ask for an access token. The configs of golang.org/x/oauth2
// implement it.
type tokenConfig interface {
	TokenSource(ctx context.Context) oauth2.TokenSource
}

// tokenTransport authenticates requests with an access token.
type tokenTransport struct {
	*tokenCache[string]
	config tokenConfig
	tables tables            // what the errors of the token endpoint mean
	tokens *http.Client      // for the requests for tokens
	next   http.RoundTripper // for the requests with a token
}

// withToken is a client that authenticates its requests with an access token.
func withToken(env environment, config tokenConfig, tables tables) *http.Client {
	transport := &tokenTransport{config: config, tables: tables, tokens: env.tokens, next: env.http.Transport}
	transport.tokenCache = newTokenCache(transport.request)
	return &http.Client{Transport: transport, CheckRedirect: env.http.CheckRedirect}
}

// RoundTrip sends a request with an access token. If that is refused, the next
// request fetches another one.
func (t *tokenTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	token, err := t.get(req.Context())
	if err != nil {
		return nil, t.tables.explain(req.Context(), "", err)
	}
	hideJWT(req.Context(), token)
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := t.next.RoundTrip(req)
	if err == nil && res.StatusCode == http.StatusUnauthorized {
		t.drop(func(kept string) bool { return kept == token })
	}
	return res, err
}

// request asks for an access token.
func (t *tokenTransport) request(ctx context.Context) (token string, expires time.Time, err error) {
	sender := &tokenSender{ctx: ctx, transport: t.tokens.Transport}
	client := &http.Client{Transport: sender, CheckRedirect: t.tokens.CheckRedirect}
	issued, err := t.config.TokenSource(context.WithValue(ctx, oauth2.HTTPClient, client)).Token()
	switch {
	case sender.err != nil:
		return "", time.Time{}, sender.err
	case err != nil || issued.AccessToken == "":
		return "", time.Time{}, errors.Join(errNoToken, err)
	}
	return issued.AccessToken, issued.Expiry, nil
}

// tokenSender sends the request of x/oauth2 in the context of the caller, which the
// library may leave out, and keeps the error, which the library returns as text.
type tokenSender struct {
	ctx       context.Context
	transport http.RoundTripper
	err       error
}

// RoundTrip implements [http.RoundTripper]. It keeps a signed assertion out of the
// result, because it can be used like a token.
func (s *tokenSender) RoundTrip(req *http.Request) (res *http.Response, err error) {
	defer func() { s.err = err }()
	form := req.Clone(s.ctx)
	if form.Body, err = req.GetBody(); err != nil {
		return nil, err
	}
	if err := form.ParseForm(); err != nil {
		return nil, err
	}
	hideJWT(s.ctx, form.PostForm.Get("assertion"))
	return s.transport.RoundTrip(req.WithContext(s.ctx))
}

// hideJWT keeps a token and its signature out of the result of the exchange. The rest of a
// token is worthless without the signature.
func hideJWT(ctx context.Context, token string) {
	hide(ctx, token)
	hide(ctx, token[strings.LastIndexByte(token, '.')+1:])
}
