package provider

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"strings"
)

// Media types by which the form of a body is told.
const (
	typeJSON   = "application/json"
	typeEvents = "text/event-stream"
	typeHTML   = "text/html"
	typeFrames = "application/vnd.amazon.eventstream"
)

var (
	byteOrderMark = []byte("\uFEFF")
	// eventStarts are what a stream of events can begin with.
	eventStarts = [][]byte{[]byte(":"), []byte("data:"), []byte("event:"), []byte("id:"), []byte("retry:")}
)

// formOf is the media type of a body. What it begins with tells more than its
// label: many servers label everything alike. A byte order mark is dropped. No
// more is waited for than is needed to tell.
func formOf(body *bufio.Reader, label string) string {
	if label == typeFrames {
		return label
	}
	for n := 1; ; {
		head, err := body.Peek(max(n, body.Buffered()))
		start := bytes.TrimLeft(bytes.TrimPrefix(head, byteOrderMark), " \t\r\n")
		form, sure := formOfStart(start, label)
		if sure || err != nil {
			if bytes.HasPrefix(head, byteOrderMark) {
				_, _ = body.Discard(len(byteOrderMark))
			}
			return form
		}
		n = len(head) + 1
	}
}

// formOfStart is the media type of what begins with start, as far as start tells;
// sure says that more of it changes nothing.
func formOfStart(start []byte, label string) (form string, sure bool) {
	switch {
	case len(start) == 0, len(start) < len(byteOrderMark) && bytes.HasPrefix(byteOrderMark, start):
		return label, false
	case start[0] == '{', start[0] == '[':
		return typeJSON, true
	case start[0] == '<' && label == typeEvents:
		return typeHTML, true
	}
	for _, word := range eventStarts {
		if bytes.HasPrefix(start, word) {
			return typeEvents, true
		}
		if bytes.HasPrefix(word, start) {
			return label, false
		}
	}
	return label, true
}

// codingError says that a body is compressed in a way that is not read here.
type codingError string

func (e codingError) Error() string { return "compression (" + string(e) + ")" }

// withoutCoding is a body without its content coding (RFC 9110, section 8.4). Some
// servers compress what they were not asked to, others say so of what they do
// not compress.
func withoutCoding(body io.ReadCloser, coding string) (io.ReadCloser, error) {
	switch coding = strings.ToLower(strings.TrimSpace(coding)); coding {
	case "", "identity", "none", "utf-8": // the latter are no codings, and say that there is none
		return body, nil
	case "gzip", "x-gzip":
		return &gunzip{Closer: body, raw: bufio.NewReader(io.LimitReader(body, maxStream))}, nil
	}
	return nil, codingError(coding)
}

// gunzip decodes what is gzip, and passes on what is not. Nothing is read before
// the first Read.
type gunzip struct {
	io.Closer
	raw     *bufio.Reader
	decoded io.Reader
	err     error
}

// Read reads decoded bytes.
func (g *gunzip) Read(p []byte) (int, error) {
	if g.err == nil && g.decoded == nil {
		g.decoded = g.raw
		if magic, _ := g.raw.Peek(2); string(magic) == "\x1f\x8b" {
			g.decoded, g.err = gzip.NewReader(g.raw)
		}
	}
	if g.err != nil {
		return 0, g.err
	}
	n, err := g.decoded.Read(p)
	g.err = err
	return n, err
}
