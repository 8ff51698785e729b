package provider

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"modelproviders/pkg/egress"
)

// What is read of an upstream is bounded, so that a hostile one costs neither
// memory nor, within the deadline of the context, time.
const (
	maxAnswer      = 1 << 20   // bytes of a whole answer, and of the text of a stream
	maxList        = 4 << 20   // bytes of a list of models
	maxStream      = 64 << 20  // bytes of a whole stream
	maxIdle        = 1 << 20   // bytes of a stream that bring no part of the answer
	maxEvent       = 384 << 10 // bytes of one server-sent event
	maxErrorBody   = 64 << 10  // bytes of an error's body; the rest is not read
	maxHead        = 4 << 10   // bytes that are kept of any other body
	maxHeaderLines = 1000
)

// Faults of an answer that are found while it is read.
var (
	errTooLarge    = errors.New("the answer is too large")
	errHeaderLines = errors.New("the answer has too many header lines")
	errNotUTF8     = errors.New("the answer is not valid UTF-8")
)

// exchange is what one use of a client did on the wire. It travels in the context;
// [recorder] fills it in.
type exchange struct {
	redact *redactor
	stream bool                    // a stream is asked for
	cancel context.CancelCauseFunc // gives the exchange up

	mu       sync.Mutex
	calls    []*call
	reported *call // the request to tell of, where it is not the latest
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
	return &exchange{redact: newRedactor(), cancel: func(error) {}}
}

// lastCall is the latest request of the context's exchange; nil: none was made.
func lastCall(ctx context.Context) *call {
	e := exchangeOf(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last()
}

func (e *exchange) last() *call {
	if len(e.calls) == 0 {
		return nil
	}
	return e.calls[len(e.calls)-1]
}

// report makes an earlier request the one that the result describes.
func report(ctx context.Context, c *call) {
	e := exchangeOf(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reported = c
}

// hide keeps a secret of this call, such as an access token, out of its result.
func hide(ctx context.Context, plain string) { exchangeOf(ctx).redact.add(plain) }

// told is the request that the result describes; nil: none was made.
func (e *exchange) told() *call {
	e.mu.Lock()
	defer e.mu.Unlock()
	return cmp.Or(e.reported, e.last())
}

// hasNoList reports whether each request for a list was answered that there is
// none.
func (e *exchange) hasNoList() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	lists := slices.DeleteFunc(slices.Clone(e.calls), func(c *call) bool { return c.method != http.MethodGet })
	return len(lists) > 0 && !slices.ContainsFunc(lists, func(c *call) bool { return !isAbsent(c.status) })
}

type recorder struct{ transport http.RoundTripper }

// RoundTrip sends the request and records the exchange.
func (r recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	e := exchangeOf(req.Context())
	e.hideCredentials(req)
	c := &call{redact: e.redact, method: req.Method, host: req.URL.Host, endpoint: req.URL.Scheme + "://" + req.URL.Host + req.URL.EscapedPath()}
	e.mu.Lock()
	e.calls, e.reported = append(e.calls, c), nil
	e.mu.Unlock()

	c.times.sent = time.Now()
	req = req.WithContext(egress.WithCertificateAsked(req.Context(), func() { c.wantsCert.Store(true) }))
	res, err := r.transport.RoundTrip(e.dress(req, c.trace()))
	if err != nil {
		c.end(err)
		return nil, err
	}
	if err := c.receive(res); err != nil {
		c.end(err)
		return nil, err
	}
	return res, nil
}

// dress is the request as it is sent: it names this program, not the SDK that made
// it.
func (e *exchange) dress(req *http.Request, trace *httptrace.ClientTrace) *http.Request {
	req = req.Clone(httptrace.WithClientTrace(req.Context(), trace))
	req.Header.Set("User-Agent", userAgent())
	req.Header.Set("Accept-Encoding", "gzip")
	if e.stream { // what compresses a stream may hold it back
		req.Header.Set("Accept-Encoding", "identity")
	}
	for name := range req.Header {
		if strings.HasPrefix(name, "X-Stainless-") {
			req.Header.Del(name)
		}
	}
	return req
}

// userAgent names this program and the version of its build.
var userAgent = sync.OnceValue(func() string {
	version := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = cmp.Or(strings.Trim(info.Main.Version, "()"), version)
	}
	return "modelproviders/" + version
})

// hideCredentials keeps signatures and access tokens out of the result: for a while
// they are as good as the secret.
func (e *exchange) hideCredentials(req *http.Request) {
	for _, name := range []string{"Authorization", "Api-Key", "X-Api-Key", "X-Goog-Api-Key", "X-Amz-Security-Token"} {
		value := req.Header.Get(name)
		if _, token, found := strings.Cut(value, " "); found { // a scheme is before it
			value = token
		}
		e.redact.add(value)
		if _, signature, found := strings.Cut(value, "Signature="); found {
			e.redact.add(signature)
		}
	}
}
