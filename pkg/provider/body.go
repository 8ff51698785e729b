package provider

import (
	"errors"
	"io"
	"net/http"

	"golang.org/x/text/encoding"
	"golang.org/x/text/transform"
)

// body is the body of a successful answer. It limits what is read, refuses text that
// is not UTF-8, and reports to its call how it ended.
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
	if c.contentType == typeHTML { // not an answer, but its title says what it is
		b.Reader = io.LimitReader(b.Reader, maxHead)
	}
	return b
}

// Read reads the next part. After a limit was exceeded, or text was not UTF-8, it
// always fails.
func (b *body) Read(p []byte) (int, error) {
	c := b.call
	if c.fault != nil {
		return 0, c.fault
	}
	n, err := b.Reader.Read(p)
	if room := maxHead - len(c.kept); room > 0 {
		c.kept = append(c.kept, p[:min(room, n)]...)
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

// Close closes the body. An answer that is closed before its end counts as ended.
func (b *body) Close() error {
	b.call.end(nil)
	return b.Closer.Close()
}
