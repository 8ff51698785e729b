package provider

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"
)

// What is read of an upstream is bounded, so that a hostile one costs neither
// memory nor, within the deadline of the context, time.
const (
	maxAnswer      = 4 << 20  // bytes of a whole answer, and of the text of a stream
	maxStream      = 64 << 20 // bytes of a whole stream
	maxEvent       = 1 << 20  // bytes of one server-sent event
	maxErrorBody   = 64 << 10 // bytes of an error's body; the rest is not read
	maxHead        = 4 << 10  // bytes that are kept of any other body
	maxHeaderLines = 1000
)

// Faults of an answer that are found while it is read.
var (
	errTooLarge    = errors.New("the answer is too large")
	errHeaderLines = errors.New("the answer has too many header lines")
	errNotUTF8     = errors.New("the answer is not valid UTF-8")
)

// exchange is what one use of a client did on the wire. It travels in the
// context, and the HTTP client of [newHTTPClient] fills it in.
type exchange struct {
	redact *redactor

	mu       sync.Mutex
	last     *call // the latest request
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
	return &exchange{redact: newRedactor()}
}

// lastCall is the latest request of the context's exchange; nil: none was made.
func lastCall(ctx context.Context) *call {
	e := exchangeOf(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last
}

// report makes a request the one that the result tells of, though others came
// after it.
func report(ctx context.Context, c *call) {
	e := exchangeOf(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reported = c
}

// hide keeps a secret of this call, such as an access token, out of everything
// that the call's result says.
func hide(ctx context.Context, plain string) { exchangeOf(ctx).redact.add(plain) }

// told is the request that the result tells of; nil: none was made.
func (e *exchange) told() *call {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.reported != nil {
		return e.reported
	}
	return e.last
}

// call is one request and what came of it. What is set once the header has
// arrived may be read without the lock after the request has returned.
type call struct {
	method   string
	endpoint string // scheme://host/path, without the query
	host     string

	status      int // 0: no answer came
	header      http.Header
	contentType string // the media type in lower case
	// errorBody is the body of an answer that is no success, as far as it is
	// kept; UTF-8.
	errorBody []byte

	mu        sync.Mutex
	times     times
	connected bool
	fault     error  // of sending, or of reading the answer
	head      []byte // the beginning of a success's body
	whole     bool   // the body was read to its end
}

// times are when things happened; the zero time: not.
type times struct {
	sent, dialling, dialled, handshaking, shaken, firstByte, done time.Time
}

// newHTTPClient makes the client through which an upstream makes its calls: it
// records them in the exchange of their context, bounds what is read, and
// follows no redirect.
func newHTTPClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     recorder{transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type recorder struct{ transport http.RoundTripper }

// RoundTrip sends the request and records the exchange.
func (r recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	e := exchangeOf(req.Context())
	e.hideCredentials(req)
	c := &call{method: req.Method, host: req.URL.Host, endpoint: req.URL.Scheme + "://" + req.URL.Host + req.URL.EscapedPath()}
	e.mu.Lock()
	e.last, e.reported = c, nil
	e.mu.Unlock()

	c.times.sent = time.Now()
	res, err := r.transport.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), c.trace())))
	if err != nil {
		c.fail(err)
		return nil, err
	}
	if err := c.receive(res); err != nil {
		c.fail(err)
		return nil, err
	}
	return res, nil
}

// hideCredentials keeps what the request authenticates itself with out of the
// result: signatures and access tokens are as good as the secret for a while.
func (e *exchange) hideCredentials(req *http.Request) {
	for _, name := range []string{"Authorization", "Api-Key", "X-Api-Key", "X-Goog-Api-Key", "X-Amz-Security-Token"} {
		value := req.Header.Get(name)
		e.redact.add(value)
		if _, token, found := strings.Cut(value, " "); found {
			e.redact.add(token)
		}
		if _, signature, found := strings.Cut(value, "Signature="); found {
			e.redact.add(signature)
		}
	}
}

// trace notes when the connection was made. The hooks may be called after the
// request has returned, from other goroutines.
func (c *call) trace() *httptrace.ClientTrace {
	at := func(t *time.Time) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if t.IsZero() {
			*t = time.Now()
		}
	}
	return &httptrace.ClientTrace{
		DNSStart:     func(httptrace.DNSStartInfo) { at(&c.times.dialling) },
		ConnectStart: func(string, string) { at(&c.times.dialling) },
		ConnectDone: func(_, _ string, err error) {
			if err == nil {
				at(&c.times.dialled)
			}
		},
		TLSHandshakeStart:    func() { at(&c.times.handshaking) },
		TLSHandshakeDone:     func(tls.ConnectionState, error) { at(&c.times.shaken) },
		GotFirstResponseByte: func() { at(&c.times.firstByte) },
		GotConn: func(httptrace.GotConnInfo) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.connected = true
		},
	}
}

// receive takes note of the header, and bounds the body. The body of an answer
// that is no success is read here, as far as it is kept.
func (c *call) receive(res *http.Response) error {
	c.status, c.header = res.StatusCode, res.Header
	c.contentType, _, _ = mime.ParseMediaType(res.Header.Get("Content-Type"))
	lines := 0
	for _, values := range res.Header {
		lines += len(values)
	}
	if lines > maxHeaderLines {
		_ = res.Body.Close()
		return fmt.Errorf("%w: %d", errHeaderLines, lines)
	}
	if res.StatusCode < 300 {
		res.Body = newBody(c, res.Body)
		if c.contentType == "text/html" {
			// Whoever expects something else stops reading early; the title tells
			// a person what the page is.
			_, _ = io.CopyN(io.Discard, res.Body, maxHead)
			_ = res.Body.Close()
			res.Body = io.NopCloser(bytes.NewReader(c.page()))
		}
		return nil
	}
	// What is wrong is in the status: a body that breaks off takes nothing away.
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	_ = res.Body.Close()
	c.errorBody = bytes.ToValidUTF8(body, []byte("\uFFFD"))
	c.end(nil)
	res.Body = io.NopCloser(bytes.NewReader(c.errorBody))
	res.ContentLength = int64(len(c.errorBody))
	res.Header.Del("Content-Length")
	return nil
}

func (c *call) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fault == nil {
		c.fault = err
	}
	if c.times.done.IsZero() {
		c.times.done = time.Now()
	}
}

// end notes the end of the body, or why it was not reached.
func (c *call) end(err error) {
	if err != nil {
		c.fail(err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.whole = true
	if c.times.done.IsZero() {
		c.times.done = time.Now()
	}
}

// broken is why the request could not be sent or its answer not be read; nil
// when it could.
func (c *call) broken() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fault
}

// reached reports whether a connection was made.
func (c *call) reached() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.connected
}

// isHTML reports whether the body is an HTML page.
func (c *call) isHTML() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	body := c.errorBody
	if c.status < 300 {
		body = c.head
	}
	return c.contentType == "text/html" || c.contentType == "application/xhtml+xml" ||
		(c.contentType != "text/event-stream" && looksLikeHTML(body))
}

func looksLikeHTML(body []byte) bool {
	start := strings.ToLower(string(bytes.TrimSpace(body[:min(len(body), 256)])))
	return strings.HasPrefix(start, "<!doctype html") || strings.HasPrefix(start, "<html")
}

// latency is the time from sending the request to the end of its answer, or
// until now where that was not read.
func (c *call) latency() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.times.done.IsZero() {
		return time.Since(c.times.sent)
	}
	return c.times.done.Sub(c.times.sent)
}

// timing splits the latency.
func (c *call) timing() Timing {
	t := Timing{Total: c.latency()}
	c.mu.Lock()
	defer c.mu.Unlock()
	between := func(from, to time.Time) time.Duration {
		if from.IsZero() || to.IsZero() {
			return 0
		}
		return to.Sub(from)
	}
	t.Connect = between(c.times.dialling, c.times.dialled)
	t.TLS = between(c.times.handshaking, c.times.shaken)
	t.FirstByte = between(c.times.sent, c.times.firstByte)
	return t
}

// since is the time from sending the request to t.
func (c *call) since(t time.Time) time.Duration { return t.Sub(c.times.sent) }
