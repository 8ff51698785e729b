// Package client calls the modelproviders API.
//
//	c, err := client.New("https://models.example.com", os.Getenv("MODELPROVIDERS_TOKEN"))
//	…
//	provider, err := c.CreateProvider(ctx, client.ProviderCreate{
//		Name:        "Production OpenAI",
//		Type:        client.ProviderTypeNameOpenAI,
//		Credentials: client.OpenAICredentials{APIKey: os.Getenv("OPENAI_API_KEY")},
//	})
//
// # Methods
//
// Every operation of the API is a method of [Client] with the name of the operation:
// createProvider in openapi.yaml is [Client.CreateProvider]. Methods that list are
// iterators that request one page after the other; the method with the suffix Page
// requests a single page. Methods with the prefix Stream receive a test's response while
// it arrives.
//
// # Values
//
// The types of requests and responses are generated from openapi.yaml. In a request, the
// zero value of an optional field is not sent; where it has a meaning, such as false for
// Enabled, the field is a pointer, which new(false) sets. An empty list that is not nil is
// sent. In a response, a field that the API answers with null or leaves out has its zero
// value.
//
// Credentials and config depend on the provider type, so their fields take any value that
// is a JSON object: the type that is generated for the provider type, such as
// [OpenAICredentials] or [AzureOpenAIConfig], or a map[string]any.
//
// # Errors
//
// A response with an error is a [*Problem] for [errors.As]. Its code can be compared:
//
//	if errors.Is(err, client.ProblemCodeNotFound) { … }
//
// # Retries
//
// A request is sent again, after a growing and random time or the time that the response
// asks for, if the response is 429, or if it is 503 and the request can be repeated
// without harm: reads, edits, deletions, and the methods that create a provider or models,
// which send an Idempotency-Key. [WithRetries] sets how often.
package client

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

//go:generate go run -modfile=../../.ci/oapi-codegen.mod github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen -config codegen/config.yaml ../../openapi.yaml

// Client calls one service with one token. It is safe for concurrent use.
type Client struct {
	base      string // URL of the API, without a slash at the end
	http      *http.Client
	authorize func(http.Header) // a function, so that a printed Client does not contain the token
	retries   int
}

// Option changes a [Client].
type Option func(*Client)

// WithHTTPClient sets the client that sends requests, for example one with a proxy or
// with its own certificate authorities. Its CheckRedirect is not used: redirects are
// never followed, because they would send token and credentials to another place.
func WithHTTPClient(h *http.Client) Option {
	return func(c *Client) {
		copied := *h
		c.http = &copied
	}
}

// WithRetries sets how often a request is sent again; by default 4 times. 0 turns retries
// off.
func WithRetries(n int) Option { return func(c *Client) { c.retries = n } }

// New returns a client of the API at a URL, which may contain a base path. The token is
// empty if the service runs without authentication.
func New(address, token string, options ...Option) (*Client, error) {
	base, err := url.Parse(address)
	switch {
	case err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "":
		return nil, errors.New("the URL of the service must begin with http:// or https:// and a host")
	case base.User != nil || base.RawQuery != "" || base.Fragment != "":
		return nil, errors.New("the URL of the service must not contain a user, a query or a fragment")
	}
	token = strings.TrimSpace(token)
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the token contains characters that are not allowed in a token")
	}
	c := &Client{base: strings.TrimRight(base.String(), "/"), http: &http.Client{}, retries: 4}
	for _, option := range options {
		option(c)
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.authorize = func(header http.Header) {
		if token != "" {
			header.Set("Authorization", "Bearer "+token)
		}
	}
	return c, nil
}

// String returns the URL of the service.
func (c *Client) String() string { return fmt.Sprintf("modelproviders at %s", c.base) }
