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
	if c.contentType == typeHTML { // it is no answer, but its title tells what it is
		b.Reader = io.LimitReader(b.Reader, maxHead)
	}
	return b
}

// Read reads on. Past a bound, or where the text is not UTF-8, it fails for
// good.
func (b *body) Read(p []byte) (int, error) {
	c := b.call
	if c.fault != nil {
		return 0, c.fault
	}
	n, err := b.Reader.Read(p)
	if room := maxHead - len(c.head); room > 0 {
		c.head = append(c.head, p[:min(room, n)]...)
	}
	b.total += n
	switch {
	case b.total > b.limit:
		n, err = 0, errTooLarge
	case errors.Is(err, encoding.ErrInvalidUTF8):
		n, err = 0, errNotUTF8
	}
	switch {
	case err == io.EOF:
		c.end(nil)
	case err != nil:
		c.end(err)
	}
	return n, err
}

// Close closes the body. An answer that is closed early has ended.
func (b *body) Close() error {
	b.call.end(nil)
	return b.Closer.Close()
}
