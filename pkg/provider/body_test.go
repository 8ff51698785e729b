package provider

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// read reads a body of a content type to its end, in the given pieces.
func read(contentType string, pieces ...string) (*call, string, error) {
	c := &call{status: 200, contentType: contentType}
	readers := make([]io.Reader, len(pieces))
	for i, piece := range pieces {
		readers[i] = strings.NewReader(piece)
	}
	text, err := io.ReadAll(newBody(c, io.MultiReader(readers...), http.NoBody))
	return c, string(text), err
}

func TestBodyTakesCharactersInPieces(t *testing.T) {
	const text = `{"a":"ö 密 🔑"}`
	for i := range len(text) {
		for j := i; j < len(text); j++ {
			_, got, err := read("application/json", text[:i], text[i:j], text[j:])
			if err != nil || got != text {
				t.Fatalf("cut at %d and %d: %q, %v", i, j, got, err)
			}
		}
	}
	c := &call{contentType: "application/json"}
	if err := iotest.TestReader(newBody(c, strings.NewReader(text), http.NoBody), []byte(text)); err != nil {
		t.Error(err)
	}
}

func TestBodyRefusesWhatIsNotUTF8(t *testing.T) {
	for _, pieces := range [][]string{{"\xff"}, {"a\xc3"}, {"a\xc3", "b"}, {"\xe5\xaf", "\x86\xe5"}, {"ok", "\xf0\x9f\x94", "\x91\xf0"}, {"\xed\xa0\x80"}, {"\xff\xc3", "\xb6"}} {
		c, _, err := read("text/event-stream", pieces...)
		if !errors.Is(err, errNotUTF8) || !errors.Is(c.fault, errNotUTF8) {
			t.Errorf("%q: %v", pieces, err)
		}
	}
	if _, _, err := read("application/vnd.amazon.eventstream", "\xff\x00"); err != nil {
		t.Errorf("binary frames: %v", err)
	}
}

func TestBodyIsBounded(t *testing.T) {
	for _, c := range []struct {
		name, contentType string
		body              io.Reader
		want              error
	}{
		{"an answer at the bound", "application/json", io.LimitReader(endless("a"), maxAnswer), nil},
		{"an answer over the bound", "application/json", endless("a"), errTooLarge},
		{"a stream of many events", "text/event-stream", io.LimitReader(endless("data: {}\n\n"), 20<<20), nil},
		{"a stream over the bound", "text/event-stream", endless("data: {}\n\n"), errTooLarge},
	} {
		b := newBody(&call{contentType: c.contentType}, c.body, http.NoBody)
		n, err := io.Copy(io.Discard, b)
		if !errors.Is(err, c.want) || n > maxStream {
			t.Errorf("%s: %v after %d bytes", c.name, err, n)
		}
		if _, again := b.Read(make([]byte, 1)); c.want != nil && !errors.Is(again, c.want) {
			t.Errorf("%s: reading goes on: %v", c.name, again)
		}
	}
}

type repeater struct{ text, rest string }

// endless is a text that repeats without end.
func endless(text string) io.Reader { return &repeater{text: strings.Repeat(text, 1+4096/len(text))} }

func (r *repeater) Read(p []byte) (int, error) {
	if r.rest == "" {
		r.rest = r.text
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func FuzzBodyUTF8(f *testing.F) {
	f.Add([]byte("a\xc3\xb6\xff"), 1)
	f.Add([]byte("🔑密ö"), 2)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		if size < 1 {
			return
		}
		var pieces []string
		for rest := text; len(rest) > 0; {
			n := min(size, len(rest))
			pieces = append(pieces, string(rest[:n]))
			rest = rest[n:]
		}
		_, _, err := read("text/plain", pieces...)
		if valid := bytes.Equal(bytes.ToValidUTF8(text, nil), text); valid != (err == nil) {
			t.Errorf("%q in pieces of %d: %v", text, size, err)
		}
	})
}
