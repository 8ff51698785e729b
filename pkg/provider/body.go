package provider

import (
	"errors"
	"io"
	"net/http"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"
)

// body is the body of a successful answer: it bounds what is read, refuses text
// that is not UTF-8, and tells its call how it ended.
type body struct {
	io.Reader
	io.Closer
	call  *call
	total int
	limit int
}

func newBody(c *call, r io.Reader, closer io.Closer) *body {
	b := &body{Reader: r, Closer: closer, call: c, limit: maxAnswer}
	switch {
	case c.contentType == typeEvents || c.contentType == typeFrames:
		b.limit = maxStream
	case c.method == http.MethodGet:
		b.limit = maxList
	}
	if c.contentType != typeFrames {
		b.Reader = transform.NewReader(r, encoding.UTF8Validator)
	}
	return b
}

// Read reads on. Past a bound, or where the text is not UTF-8, it fails for
// good.
func (b *body) Read(p []byte) (int, error) {
	if err := b.call.broken(); err != nil {
		return 0, err
	}
	n, err := b.Reader.Read(p)
	b.keep(p[:n])
	b.total += n
	switch {
	case b.total > b.limit:
		n, err = 0, errTooLarge
	case errors.Is(err, encoding.ErrInvalidUTF8):
		n, err = 0, errNotUTF8
	}
	switch {
	case err == io.EOF:
		b.call.end(nil)
	case err != nil:
		b.call.end(err)
	}
	return n, err
}

// Close closes the body. An answer that is closed early has ended.
func (b *body) Close() error {
	b.call.end(nil)
	return b.Closer.Close()
}

// keep keeps the beginning of the body, for what is told of it.
func (b *body) keep(p []byte) {
	b.call.mu.Lock()
	defer b.call.mu.Unlock()
	if room := maxHead - len(b.call.head); room > 0 {
		b.call.head = append(b.call.head, p[:min(room, len(p))]...)
	}
}
