package provider

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// tokenTransport authenticates requests with an access token, or with another credential
// that expires.
type tokenTransport[T comparable] struct {
	*tokenCache[T]
	authenticate func(req *http.Request, token T) error
	refusals     []int             // the statuses with which a token may be refused
	tables       tables            // what the errors of the token endpoint mean
	next         http.RoundTripper // for the requests with a token
}

// RoundTrip sends a request with a token. If that is refused, the next request fetches
// another one.
func (t *tokenTransport[T]) RoundTrip(req *http.Request) (*http.Response, error) {
	token, err := t.get(req.Context())
	if err != nil {
		return nil, t.tables.explain(req.Context(), "", err)
	}
	req = req.Clone(req.Context())
	if err := t.authenticate(req, token); err != nil {
		return nil, err
	}
	res, err := t.next.RoundTrip(req)
	if err == nil && slices.Contains(t.refusals, res.StatusCode) {
		t.drop(token)
	}
	return res, err
}

// tokenConfig says how to ask for an access token. The configs of golang.org/x/oauth2
// implement it.
type tokenConfig interface {
	TokenSource(ctx context.Context) oauth2.TokenSource
}

// withToken is a client that authenticates its requests with an access token.
func withToken(env environment, config tokenConfig, tables tables) *http.Client {
	return &http.Client{CheckRedirect: env.http.CheckRedirect, Transport: &tokenTransport[string]{
		tokenCache: newTokenCache(func(ctx context.Context) (string, time.Time, error) {
			return fetchToken(ctx, config, env.tokens)
		}),
		authenticate: func(req *http.Request, token string) error {
			hideJWT(req.Context(), token)
			req.Header.Set("Authorization", "Bearer "+token)
			return nil
		},
		refusals: []int{http.StatusUnauthorized}, tables: tables, next: env.http.Transport,
	}}
}

// fetchToken asks for an access token.
func fetchToken(ctx context.Context, config tokenConfig, client *http.Client) (token string, expires time.Time, err error) {
	sender := &tokenSender{ctx: ctx, transport: client.Transport}
	client = &http.Client{Transport: sender, CheckRedirect: client.CheckRedirect}
	issued, err := config.TokenSource(context.WithValue(ctx, oauth2.HTTPClient, client)).Token()
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
