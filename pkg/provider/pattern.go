package provider

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
)

// pattern is one form of a secret: any one character of lead unless lead is empty,
// then core, then any one character of tail unless tail is empty. The core of a base64 pattern is in the standard
// alphabet; the URL alphabet matches too.
type pattern struct {
	lead   string
	core   []byte
	tail   string
	base64 bool
	long   bool // the secret is long enough to be cut out of names of models
}

func (p pattern) len() int { return min(len(p.lead), 1) + len(p.core) + min(len(p.tail), 1) }

// takes reports whether c can be character j of the pattern.
func (p pattern) takes(j int, c byte) bool {
	if p.base64 {
		switch c {
		case '-':
			c = '+'
		case '_':
			c = '/'
		}
	}
	if p.lead != "" {
		if j == 0 {
			return strings.IndexByte(p.lead, c) >= 0
		}
		j--
	}
	if j == len(p.core) {
		return strings.IndexByte(p.tail, c) >= 0
	}
	return p.core[j] == c
}

// match matches the pattern against the beginning of text, in which each character
// may be escaped. It returns the number of bytes that match; open means that the
// text ended before that was decided. The steps after the first character are
// subtracted from work.
//
// An escape can be read in several ways (a backslash is itself, or begins `\\`).
// match follows all readings at the same time; at holds the position of each.
func (p pattern) match(text []byte, work *int) (n int, open bool) {
	var first, second [8]int
	at, next := first[:1], second[:0]
	for j := range p.len() {
		next = next[:0]
		if j > 0 {
			*work -= len(at) * len(at)
		}
		if *work < -scanWork {
			return 0, false
		}
		for _, i := range at {
			next, open = p.step(j, text, i, next, open)
		}
		if len(next) == 0 {
			return 0, open
		}
		at, next = next, at
	}
	return slices.Max(at), open
}

// step adds to next the positions after character j of a reading at i.
func (p pattern) step(j int, text []byte, i int, next []int, open bool) ([]int, bool) {
	if i >= len(text) {
		return next, true
	}
	c := text[i]
	if p.takes(j, c) {
		next = add(next, i+1)
	}
	switch c {
	case '+': // a space in a query (WHATWG URL, application/x-www-form-urlencoded)
		if p.takes(j, ' ') {
			next = add(next, i+1)
		}
	case '%': // RFC 3986, 2.1; the percent sign may itself be escaped, as %25
		start := i + 1
		next, open = p.hex(j, text, start, 2, next, open)
		for nested := 0; nested < 3 && bytes.HasPrefix(text[start:], []byte("25")); nested++ {
			start += 2
			next, open = p.hex(j, text, start, 2, next, open)
		}
	case '\\':
		next, open = p.backslash(j, text, i, next, open)
	}
	return next, open
}

// maxBackslashes is the number of backslashes before a character that was quoted
// four times. More of them are not read as one escape.
const maxBackslashes = 15

// backslash follows the readings of an escape of RFC 8259, section 7, or Go's \x.
// Text that was quoted more than once has several backslashes.
func (p pattern) backslash(j int, text []byte, i int, next []int, open bool) ([]int, bool) {
	end := i
	for end < len(text) && end < i+maxBackslashes && text[end] == '\\' {
		end++
	}
	if p.takes(j, '\\') {
		for width := 2; width <= 8 && i+width <= end; width *= 2 {
			next = add(next, i+width)
		}
	}
	if end == len(text) {
		return next, true
	}
	switch c := text[end]; c {
	case 'u':
		return p.hex(j, text, end+1, 4, next, open)
	case 'x':
		return p.hex(j, text, end+1, 2, next, open)
	default:
		if k := strings.IndexByte(`nrtbf"'/`, c); k >= 0 && p.takes(j, "\n\r\t\b\f\"'/"[k]) {
			next = add(next, end+1)
		}
	}
	return next, open
}

// hex follows the reading of digits as the code of a character.
func (p pattern) hex(j int, text []byte, start, digits int, next []int, open bool) ([]int, bool) {
	if start+digits > len(text) {
		return next, true
	}
	var code [2]byte
	_, err := hex.Decode(code[2-digits/2:], text[start:start+digits])
	if err == nil && code[0] == 0 && p.takes(j, code[1]) {
		next = add(next, start+digits)
	}
	return next, open
}

// add adds a position, unless it is there already.
func add(positions []int, i int) []int {
	if slices.Contains(positions, i) {
		return positions
	}
	return append(positions, i)
}
