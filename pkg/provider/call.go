package provider

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"modelproviders/pkg/egress"
	"modelproviders/pkg/tracing"
)

// call is one request and its outcome. The hooks of a trace may set the atomics and
// the fields that the lock guards even after the request has returned.
type call struct {
	redact   *redactor
	method   string
	endpoint string // scheme://host/path, without the query
	host     string

	status      int // 0: no answer came
	header      http.Header
	contentType string // the media type in lower case
	kept        []byte // the beginning of the body; of an error, in UTF-8
	cut         bool   // the body of the error was longer
	fault       error  // the error of sending the request or reading the answer

	span *tracing.Span

	connected atomic.Bool
	wantsCert atomic.Bool // the server asked for a client certificate

	mu    sync.Mutex
	times times
}

// times says when things happened. A zero time means that they did not.
type times struct {
	sent, dialling, dialled, handshaking, shaken, firstByte, done time.Time
}

// trace returns a context for the request that records when it gets a connection.
func (c *call) trace(ctx context.Context) context.Context {
	at := func(t *time.Time) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if t.IsZero() {
			*t = time.Now()
		}
	}
	ctx = egress.WithCertificateAsked(ctx, func() { c.wantsCert.Store(true) })
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
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
		GotConn:              func(httptrace.GotConnInfo) { c.connected.Store(true) },
	})
}

// receive records the header and limits the body. It reads the part of an error's
// body that is kept.
func (c *call) receive(res *http.Response) error {
	c.status, c.header = res.StatusCode, res.Header
	c.span.Number("http.response.status_code", c.status)
	c.contentType, _, _ = mime.ParseMediaType(res.Header.Get("Content-Type"))
	success := c.status < http.StatusMultipleChoices
	raw := res.Body
	body, err := c.decompress(raw)
	if countLines(res.Header) > maxHeaderLines {
		err = errHeaderLines
	} else if err != nil && !success { // the status says what is wrong
		coding, _ := errors.AsType[codingError](err)
		body, err = bufio.NewReader(strings.NewReader(string(coding))), nil
	}
	if err != nil {
		_ = raw.Close()
		return err
	}
	res.Header.Del("Content-Encoding")
	res.Header.Del("Content-Length")
	res.ContentLength = -1
	c.contentType = detectType(body, c.contentType)
	if success {
		res.Body = newBody(c, body, raw)
		return nil
	}
	// The status says what is wrong, even if the body is incomplete.
	begin, broken := io.ReadAll(io.LimitReader(body, maxErrorBody+1))
	_ = raw.Close()
	if c.cut = broken != nil || len(begin) > maxErrorBody; c.cut {
		begin = c.redact.unfinished(begin[:min(len(begin), maxErrorBody)])
	}
	c.kept = bytes.ToValidUTF8(begin, []byte("\uFFFD"))
	c.end(nil)
	res.Body = http.NoBody
	return nil
}

func countLines(header http.Header) (lines int) {
	for _, values := range header {
		lines += len(values)
	}
	return lines
}

// end records the end of the body, or why it was not reached.
func (c *call) end(err error) {
	if c.fault == nil {
		c.fault = err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.times.done.IsZero() {
		c.times.done = time.Now()
		c.span.End(err)
	}
}

func (c *call) isHTML() bool {
	body := c.page()
	if c.contentType == typeHTML || c.contentType == "application/xhtml+xml" {
		// The words of an error count for more than its label.
		return c.status < 400 || bytes.HasPrefix(bytes.TrimSpace(body), []byte("<"))
	}
	return c.contentType != typeEvents && looksLikeHTML(body)
}

func looksLikeHTML(body []byte) bool {
	start := strings.ToLower(string(bytes.TrimSpace(body[:min(len(body), 256)])))
	return strings.HasPrefix(start, "<!doctype html") || strings.HasPrefix(start, "<html")
}

// timing splits the time from sending the request to the end of its answer, or
// until now if the end was not read.
func (c *call) timing() Timing {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.times
	if t.done.IsZero() {
		t.done = time.Now()
	}
	between := func(from, to time.Time) time.Duration {
		if from.IsZero() || to.IsZero() {
			return 0
		}
		return to.Sub(from)
	}
	return Timing{
		Connect:   between(t.dialling, t.dialled),
		TLS:       between(t.handshaking, t.shaken),
		FirstByte: between(t.sent, t.firstByte),
		Total:     between(t.sent, t.done),
	}
}
