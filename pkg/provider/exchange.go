package provider

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"modelproviders/pkg/tracing"
	"modelproviders/pkg/version"
)

// These limits prevent a hostile upstream from using much memory, or much time
// before the deadline of the context.
const (
	maxAnswer      = 1 << 20   // bytes of a whole answer, and of the text of a stream
	maxList        = 4 << 20   // bytes of a list of models
	maxStream      = 64 << 20  // bytes of a whole stream
	maxIdle        = 1 << 20   // bytes of a stream between two parts of the answer
	maxEvent       = 384 << 10 // bytes of one server-sent event
	maxErrorBody   = 64 << 10  // bytes of an error's body; the rest is not read
	maxHead        = 4 << 10   // bytes that are kept of any other body
	maxHeaderLines = 1000
)

// Errors of reading an answer.
var (
	errTooLarge    = errors.New("the answer is too large")
	errHeaderLines = errors.New("the answer has too many header lines")
	errNotUTF8     = errors.New("the answer is not valid UTF-8")
)

// exchange contains the requests of one use of a client, which is in one goroutine.
// The context carries it, and [recorder] fills it in.
type exchange struct {
	redact   *redactor
	stream   bool // the request asks for a stream
	calls    []*call
	reported *call // the request that the result describes; nil if none was made
}

type exchangeKey struct{}

func withExchange(ctx context.Context, e *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, e)
}

// exchangeOf returns the exchange of a context that a client made.
func exchangeOf(ctx context.Context) *exchange {
	if e, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return e
	}
	return &exchange{redact: newRedactor()}
}

// lastCall returns the latest request of the context's exchange, or nil.
func lastCall(ctx context.Context) *call {
	if calls := exchangeOf(ctx).calls; len(calls) > 0 {
		return calls[len(calls)-1]
	}
	return nil
}

// report makes an earlier request the one that the result describes.
func report(ctx context.Context, c *call) { exchangeOf(ctx).reported = c }

// hide keeps a secret of this exchange, such as an access token, out of its result.
func hide(ctx context.Context, plain string) { exchangeOf(ctx).redact.add(plain) }

// hasNoList reports whether all answers to requests for a list say that there is no
// list.
func (e *exchange) hasNoList() bool {
	lists := slices.DeleteFunc(slices.Clone(e.calls), func(c *call) bool { return c.method != http.MethodGet })
	other := slices.ContainsFunc(lists, func(c *call) bool { return !isAbsent(c.status) })
	return len(lists) > 0 && !other
}

// recorder is a transport that records requests in the exchange of their context.
type recorder struct{ transport http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (r recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	e := exchangeOf(req.Context())
	e.hideCredentials(req)
	c := &call{redact: e.redact, method: req.Method, host: req.URL.Host, endpoint: req.URL.Scheme + "://" + req.URL.Host + req.URL.EscapedPath()}
	e.calls, e.reported = append(e.calls, c), c

	ctx, span := tracing.StartCall(req.Context(), req.Method)
	c.span = span
	span.Text("http.request.method", req.Method)
	span.Text("server.address", req.URL.Host)
	req = req.Clone(c.trace(ctx))
	setHeaders(req.Header, e.stream)
	c.times.sent = time.Now()
	res, err := r.transport.RoundTrip(req)
	if err == nil {
		err = c.receive(res)
	}
	if err != nil {
		c.end(err)
		return nil, err
	}
	return res, nil
}

// setHeaders makes a request name this program, not the SDK that made it.
func setHeaders(header http.Header, stream bool) {
	header.Set("User-Agent", "modelproviders/"+version.Read().Version)
	header.Set("Accept-Encoding", "gzip")
	if stream { // what compresses a stream may hold it back
		header.Set("Accept-Encoding", "identity")
	}
	for name := range header {
		if strings.HasPrefix(name, "X-Stainless-") || name == "X-Amzn-Trace-Id" {
			header.Del(name)
		}
	}
}

// hideCredentials keeps signatures and access tokens out of the result, because they
// can be used like the secret for a while. The redactor already knows the keys.
func (e *exchange) hideCredentials(req *http.Request) {
	_, value, _ := strings.Cut(req.Header.Get("Authorization"), " ") // after the scheme
	_, signature, _ := strings.Cut(value, "Signature=")
	e.redact.add(value)
	e.redact.add(signature)
}
