package provider

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html"
	"slices"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"
)

// cut stands where a secret was.
const cut = "••••"

// minSecret is the length, in characters, from which a secret is cut out:
// shorter ones are ordinary words.
const minSecret = 6

// minSecretInName is the same for names of models.
const minSecretInName = 16

// redactor cuts secrets out of text that an upstream wrote: as they are, in
// base64 (both alphabets, wherever in a longer text the secret stood), and with
// any of their characters escaped as in a URL or a JSON string, nested too. It
// is safe for concurrent use.
//
// A [strings.Replacer] is not enough. It replaces the first match at a place and
// not the longest, so the end of a longer secret would remain. It also needs the
// whole text: a secret that a stream splits into two pieces would pass.
type redactor struct {
	inherited int // how many of the patterns belong to a parent

	mu  sync.RWMutex
	all *matcher // immutable; a new one replaces it
}

// matcher is what is looked for in a text.
type matcher struct {
	patterns []pattern
	starts   [256]bool // the bytes that may begin a match
	longOnly bool      // for names of models
}

func newRedactor() *redactor { return &redactor{all: &matcher{}} }

// child makes a redactor that adds secrets of its own to those of r.
func (r *redactor) child() *redactor {
	all := r.matcher()
	return &redactor{inherited: len(all.patterns), all: all}
}

// add makes the redactor cut out a secret, if it is long enough.
func (r *redactor) add(plain string) { r.addBytes([]byte(plain)) }

// addBytes is add for a secret that is wiped later: the redactor keeps copies.
func (r *redactor) addBytes(secret []byte) {
	secret = bytes.TrimSpace(secret)
	known := func(p pattern) bool { return !p.base64 && bytes.Equal(p.core, secret) }
	if utf8.RuneCount(secret) < minSecret || slices.ContainsFunc(r.matcher().patterns, known) {
		return
	}
	patterns := patternsOf(secret)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = r.all.with(patterns)
}

// wipe overwrites the redactor's own secrets and forgets all.
func (r *redactor) wipe() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.all.patterns[r.inherited:] {
		clear(p.core)
	}
	r.inherited, r.all = 0, &matcher{}
}

func (r *redactor) matcher() *matcher {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.all
}

// with is a matcher that looks for more.
func (m *matcher) with(patterns []pattern) *matcher {
	sum := *m
	sum.patterns = slices.Concat(m.patterns, patterns)
	sum.starts['%'], sum.starts['\\'], sum.starts['+'] = true, true, true
	for b := range sum.starts {
		for _, p := range patterns {
			sum.starts[b] = sum.starts[b] || p.takes(0, byte(b))
		}
	}
	return &sum
}

// text cuts the secrets out of a whole text.
func (r *redactor) text(s string) string {
	out, _ := r.matcher().scanAll([]byte(s), true)
	return string(out)
}

// name cuts the secrets out of the name of a model: long ones only.
func (r *redactor) name(s string) string {
	long := *r.matcher()
	long.longOnly = true
	out, _ := long.scanAll([]byte(s), true)
	return string(out)
}

// unfinished cuts the secrets out of a text of which the end was cut off, and
// leaves out what may be the beginning of one.
func (r *redactor) unfinished(text []byte) []byte {
	out, _ := r.matcher().scanAll(text, false)
	return out
}

// stream cuts secrets out of a text that comes in pieces: the end of what has
// come is held back for as long as it may be the beginning of a secret.
type stream struct {
	redact  *redactor
	held    []byte
	scanned int  // how much of what is held was looked at
	work    int  // left for what has come
	spent   bool // nothing more is let go
}

// write takes the next piece and returns what can be let go. While much is held
// pieces are looked at several at a time, so that a long secret that comes in
// letters is not compared anew with each.
func (s *stream) write(piece string) string {
	s.held = append(s.held, piece...)
	if len(s.held)-s.scanned <= s.scanned/8 {
		return ""
	}
	return s.let(false)
}

// flush returns what was held back at the end of the text.
func (s *stream) flush() string { return s.let(true) }

func (s *stream) let(final bool) string {
	if s.spent {
		s.held = nil
		return ""
	}
	m := s.redact.matcher()
	s.work += m.allowance(len(s.held) - s.scanned)
	out, rest := m.scan(s.held, final, &s.work)
	s.spent = s.work < -scanWork
	s.held = append(s.held[:0], rest...)
	s.scanned = len(s.held)
	return string(out)
}

// scanWorkPerByte bounds the steps of a scan, for each byte of the text and
// pattern, and scanWork how many more a whole text may take: an upstream that
// knows the secret can write what takes long to compare.
const (
	scanWorkPerByte = 2
	scanWork        = 1 << 20
)

// allowance is the work for n bytes of text.
func (m *matcher) allowance(n int) int { return scanWorkPerByte * n * len(m.patterns) }

// scanAll scans a text that comes as a whole.
func (m *matcher) scanAll(text []byte, final bool) (out, rest []byte) {
	work := m.allowance(len(text))
	return m.scan(text, final, &work)
}

// scan copies text without what matches a pattern: at each place the longest
// match. Unless the text is final, rest is the end that may begin a match. Of a
// text that takes too long the rest is cut out.
func (m *matcher) scan(text []byte, final bool, work *int) (out, rest []byte) {
	out = make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		longest := 0
		if m.starts[text[i]] {
			for _, p := range m.patterns {
				if m.longOnly && !p.long {
					continue
				}
				n, open := p.match(text[i:], work)
				if *work < -scanWork {
					return append(out, cut...), nil
				}
				if open && !final {
					return out, text[i:]
				}
				longest = max(longest, n)
			}
		}
		if longest == 0 {
			out = append(out, text[i])
			i++
			continue
		}
		out = append(out, cut...)
		i += longest
	}
	return out, nil
}

// patternsOf are the forms in which a secret is looked for. Escapes of single
// characters are left to [pattern.match].
func patternsOf(secret []byte) []pattern {
	patterns := []pattern{{core: bytes.Clone(secret)}}
	if bytes.ContainsAny(secret, `<>&'"`) {
		patterns = append(patterns, pattern{core: []byte(html.EscapeString(string(secret)))})
	}
	if bytes.ContainsFunc(secret, func(r rune) bool { return r >= utf8.RuneSelf }) {
		patterns = append(patterns, pattern{core: []byte(escapeNonASCII(string(secret)))})
	}
	for shift := range 3 {
		patterns = append(patterns, base64Pattern(secret, shift))
	}
	for i := range patterns {
		patterns[i].long = utf8.RuneCount(secret) >= minSecretInName
	}
	return patterns
}

// escapeNonASCII writes what is not ASCII as JSON's \uXXXX (RFC 8259, section 7).
func escapeNonASCII(s string) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(s)) {
		if unit < utf8.RuneSelf {
			b.WriteByte(byte(unit))
			continue
		}
		fmt.Fprintf(&b, `\u%04x`, unit)
	}
	return b.String()
}

const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// base64Pattern is the secret in base64 (RFC 4648), where it begins shift bytes
// into a group of three. The digits at its ends also hold bits of neighbours.
func base64Pattern(secret []byte, shift int) pattern {
	padded := append(make([]byte, shift, shift+len(secret)), secret...)
	defer clear(padded)
	digits := base64.RawStdEncoding.AppendEncode(nil, padded)
	p := pattern{base64: true}
	switch bits := shift * 8 % 6; shift {
	case 1, 2: // whole digits of the neighbour, then one of which it has some bits
		digits = digits[shift:]
		value := strings.IndexByte(base64Digits, digits[0])
		for high := range 1 << bits {
			p.lead += string(base64Digits[high<<(6-bits)|value])
		}
		digits = digits[1:]
	}
	if free := len(padded) * 8 % 6; free > 0 { // the secret has the high bits
		value := strings.IndexByte(base64Digits, digits[len(digits)-1])
		for low := range 1 << (6 - free) {
			p.tail += string(base64Digits[value|low])
		}
		digits = digits[:len(digits)-1]
	}
	p.core = digits
	return p
}
