package provider

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

// exchange is what one use of a client did on the wire. It travels in the
// context, and the HTTP client of [newHTTPClient] fills it in.
type exchange struct {
	redact *redactor
	stream bool                    // a stream is asked for
	cancel context.CancelCauseFunc // gives the exchange up

	tooLarge atomic.Bool // the answer was longer than is read

	mu       sync.Mutex
	last     *call // the latest request
	reported *call // the request to tell of, where it is not the latest
	calls    []*call
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

// nothingThere reports whether whatever was asked for, which is a list, was in
// none of the places where it was looked for.
func (e *exchange) nothingThere() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	lists := slices.DeleteFunc(slices.Clone(e.calls), func(c *call) bool { return c.method != http.MethodGet })
	return len(lists) > 0 && !slices.ContainsFunc(lists, func(c *call) bool { return !isAbsent(c.status) })
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

// newRequest makes a request with a JSON body, or with none.
func newRequest(ctx context.Context, method, url string, body any) (*http.Request, error) {
	var payload io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		payload = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, payload)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// send makes a call; the error of an answer that is no success is told by what
// the exchange recorded of it.
func send(client *http.Client, req *http.Request) (*http.Response, error) {
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		_ = res.Body.Close()
		return nil, fmt.Errorf("unexpected status %d", res.StatusCode)
	}
	return res, nil
}

// readJSON reads a whole body.
func readJSON(res *http.Response, into any) error {
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("parse answer: %w", err)
	}
	return nil
}

// readAnswer reads the answer to a prompt in the form in which it came, which
// need not be the one that was asked for: as a whole, or as events, whose text
// is emitted. It emits the text of a whole answer where there is an emit, and
// puts the text of events together where there is none.
func readAnswer(ctx context.Context, res *http.Response, emit func(string), whole func(body []byte) (answer, error), events func(emit func(string)) (answer, error)) (answer, error) {
	if lastCall(ctx).contentType != typeEvents {
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return answer{}, err
		}
		a, err := whole(body)
		if err == nil && emit != nil {
			emit(a.text)
			a.text = ""
		}
		return a, err
	}
	if emit != nil {
		return events(emit)
	}
	var text strings.Builder
	a, err := events(func(piece string) {
		if text.Len()+len(piece) > maxAnswer {
			exchangeOf(ctx).cancel(errTooLarge)
			return
		}
		text.WriteString(piece)
	})
	a.text = text.String()
	return a, err
}

type recorder struct{ transport http.RoundTripper }

// RoundTrip sends the request and records the exchange.
func (r recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	e := exchangeOf(req.Context())
	e.hideCredentials(req)
	c := &call{redact: e.redact, method: req.Method, host: req.URL.Host, endpoint: req.URL.Scheme + "://" + req.URL.Host + req.URL.EscapedPath()}
	e.mu.Lock()
	e.last, e.reported = c, nil
	e.calls = append(e.calls, c)
	e.mu.Unlock()

	c.times.sent = time.Now()
	req = req.WithContext(egress.WithCertificateAsked(req.Context(), c.askedForCertificate))
	res, err := r.transport.RoundTrip(e.dress(req, c.trace()))
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

// dress is the request as it is sent: it names this program, not the SDK that
// made it. Signed headers stay as they are.
func (e *exchange) dress(req *http.Request, trace *httptrace.ClientTrace) *http.Request {
	req = req.Clone(httptrace.WithClientTrace(req.Context(), trace))
	_, signed, _ := strings.Cut(req.Header.Get("Authorization"), "SignedHeaders=")
	signed, _, _ = strings.Cut(signed, ",")
	own := map[string]string{"User-Agent": userAgent(), "Accept-Encoding": "gzip"}
	if e.stream { // what compresses a stream may hold it back
		own["Accept-Encoding"] = "identity"
	}
	for name, value := range own {
		if !slices.Contains(strings.Split(signed, ";"), strings.ToLower(name)) {
			req.Header.Set(name, value)
		}
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

// hideCredentials keeps what the request authenticates itself with out of the
// result: signatures and access tokens are as good as the secret for a while.
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
