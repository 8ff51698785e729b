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

// cut replaces a secret in a text.
const cut = "••••"

// minSecret is the minimum length, in characters, of a secret that is cut out.
// Shorter secrets are often ordinary words.
const minSecret = 6

// minSecretInName is minSecret for names of models.
const minSecretInName = 16

// redactor cuts secrets out of text that an upstream wrote. It finds a secret as
// it is, in base64 (in both alphabets, also if the encoded text contains more than
// the secret), and with any characters escaped, even repeatedly, as in a URL or a
// JSON string. It is safe for concurrent use.
//
// A [strings.Replacer] is not enough. It replaces the first match at a position
// instead of the longest, so that the end of a longer secret would remain. It also
// needs the whole text, and would miss a secret that a stream splits in two.
type redactor struct {
	inherited int // the number of patterns that belong to the parent

	mu  sync.RWMutex
	all *matcher // immutable; a new one replaces it
}

// matcher finds secrets in a text.
type matcher struct {
	patterns []pattern
	starts   [256]bool // the bytes with which a match may begin
	longOnly bool      // find only secrets of minSecretInName characters or more
}

func newRedactor() *redactor { return &redactor{all: &matcher{}} }

// child returns a redactor for the secrets of r and its own.
func (r *redactor) child() *redactor {
	all := r.matcher()
	return &redactor{inherited: len(all.patterns), all: all}
}

// add makes the redactor cut out a secret, if it is long enough.
func (r *redactor) add(plain string) { r.addBytes([]byte(plain)) }

// addBytes is add for a secret that the caller wipes later: the redactor copies it.
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

// wipe overwrites the redactor's own secrets, and forgets those of the parent.
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

// with returns a matcher that also looks for other patterns.
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
	return string(r.matcher().scanAll([]byte(s), true))
}

// name cuts the long secrets out of the name of a model.
func (r *redactor) name(s string) string {
	long := *r.matcher()
	long.longOnly = true
	return string(long.scanAll([]byte(s), true))
}

// unfinished cuts the secrets out of a text whose end is missing. It also removes
// the end of the text if that may be the beginning of a secret.
func (r *redactor) unfinished(text []byte) []byte {
	return r.matcher().scanAll(text, false)
}

// stream cuts secrets out of a text that arrives in pieces. It holds back the end
// of the text while that may be the beginning of a secret.
type stream struct {
	redact  *redactor
	held    []byte
	scanned int // how many bytes of held were scanned
	work    int // the work that is left; see scanWork
}

// write adds the next piece and returns the text that can be released. If much is
// held, it scans only after several pieces, so that a long secret that arrives
// letter by letter is not compared again for each letter.
func (s *stream) write(piece string) string {
	s.held = append(s.held, piece...)
	if len(s.held)-s.scanned <= s.scanned/8 {
		return ""
	}
	return s.release(false)
}

// flush ends the text and returns what was held back.
func (s *stream) flush() string { return s.release(true) }

// release scans what is held and returns the text that can be released.
func (s *stream) release(final bool) string {
	if s.work < -scanWork { // it was used up, so the rest of the text is removed
		s.held = nil
		return ""
	}
	m := s.redact.matcher()
	s.work += m.allowance(len(s.held) - s.scanned)
	out, rest := m.scan(s.held, final, &s.work)
	s.held = append(s.held[:0], rest...)
	s.scanned = len(s.held)
	return string(out)
}

// A scan may take scanWorkPerByte steps for each byte of the text and each pattern,
// and scanWork more for the whole text. An upstream that knows the secret can write
// a text that takes long to compare.
const (
	scanWorkPerByte = 2
	scanWork        = 1 << 20
)

// allowance returns how many steps a scan of n bytes may take.
func (m *matcher) allowance(n int) int { return scanWorkPerByte * n * len(m.patterns) }

// scanAll is scan for a text that does not come in pieces.
func (m *matcher) scanAll(text []byte, final bool) []byte {
	work := m.allowance(len(text))
	out, _ := m.scan(text, final, &work)
	return out
}

// scan copies text and replaces the longest match of a pattern at each position.
// Unless the text is final, rest is the end that may be the beginning of a match.
// If the scan takes too many steps, it replaces the rest of the text.
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

// patternsOf returns the forms of a secret to look for. [pattern.match] handles
// escapes of single characters.
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

// escapeNonASCII escapes characters outside ASCII as \uXXXX (RFC 8259, section 7).
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

// base64Pattern returns the pattern of a secret in base64 (RFC 4648) that begins
// shift bytes into a group of three. The digits at its ends also contain bits of
// the bytes next to the secret.
func base64Pattern(secret []byte, shift int) pattern {
	padded := append(make([]byte, shift, shift+len(secret)), secret...)
	defer clear(padded)
	digits := base64.RawStdEncoding.AppendEncode(nil, padded)
	p := pattern{base64: true}
	if bits := shift * 8 % 6; shift > 0 { // digits without bits of the secret, then one with bits of both
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
