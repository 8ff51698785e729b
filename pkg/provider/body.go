package provider

import (
	"bytes"
	"io"
	"net/http"
	"unicode/utf8"
)

// body is the body of a successful answer: it bounds what is read, refuses text
// that is not UTF-8, and tells its call how it ended.
type body struct {
	io.Reader
	io.Closer
	call    *call
	total   int
	limit   int
	binary  bool
	partial []byte // the beginning of a character
}

func newBody(c *call, r io.Reader, closer io.Closer) *body {
	b := &body{Reader: r, Closer: closer, call: c, limit: maxAnswer, binary: c.contentType == typeFrames}
	switch {
	case c.contentType == typeEvents || b.binary:
		b.limit = maxStream
	case c.method == http.MethodGet:
		b.limit = maxList
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
	if fault := b.check(p[:n], err == io.EOF); fault != nil {
		b.call.end(fault)
		return 0, fault
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

func (b *body) keep(p []byte) {
	b.call.mu.Lock()
	defer b.call.mu.Unlock()
	if room := maxHead - len(b.call.head); room > 0 {
		b.call.head = append(b.call.head, p[:min(room, len(p))]...)
	}
}

func (b *body) check(p []byte, last bool) error {
	b.total += len(p)
	if b.total > b.limit {
		return errTooLarge
	}
	if !b.binary && !b.isUTF8(p, last) {
		return errNotUTF8
	}
	return nil
}

// isUTF8 checks the text piece by piece; a character may be cut in two by a
// border between pieces.
func (b *body) isUTF8(p []byte, last bool) bool {
	if len(b.partial) > 0 {
		p = append(b.partial, p...)
		b.partial = nil
	}
	if utf8.Valid(p) {
		return true
	}
	cut := len(p)
	for i := 1; i < utf8.UTFMax && i <= len(p); i++ {
		if c := p[len(p)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(p[len(p)-i:]) {
				cut = len(p) - i
			}
			break
		}
	}
	if last || cut == len(p) {
		return false
	}
	b.partial = bytes.Clone(p[cut:])
	return utf8.Valid(p[:cut])
}
