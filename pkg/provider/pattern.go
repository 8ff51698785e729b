package provider

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
)

// pattern is one form of a secret: any one character of lead unless lead is empty,
// then core, then any one character of tail unless tail is empty. The core of a base64
// pattern is in the standard alphabet; the URL alphabet matches too.
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
	var some [8]reading
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
			readings, cut := readingsAt(text, i, some[:0])
			open = open || cut
			for _, r := range readings {
				if p.takes(j, r.char) && !slices.Contains(next, r.end) {
					next = append(next, r.end)
				}
			}
		}
		if len(next) == 0 {
			return 0, open
		}
		at, next = next, at
	}
	return slices.Max(at), open
}

// reading is a character that a part of a text may stand for.
type reading struct {
	char byte
	end  int // of the part
}

// readingsAt appends the readings of a text at a position; open means that the text ended
// before all of them were known.
func readingsAt(text []byte, i int, all []reading) (_ []reading, open bool) {
	if i >= len(text) {
		return nil, true
	}
	all = append(all, reading{text[i], i + 1})
	switch text[i] {
	case '+': // a space in a query (WHATWG URL, application/x-www-form-urlencoded)
		all = append(all, reading{' ', i + 1})
	case '%': // RFC 3986, 2.1; the percent sign may itself be escaped, as %25
		start := i + 1
		all, open = hexAt(text, start, 2, all)
		for nested := 0; nested < 3 && bytes.HasPrefix(text[start:], []byte("25")); nested++ {
			start += 2
			all, open = hexAt(text, start, 2, all)
		}
	case '\\':
		return backslashAt(text, i, all)
	}
	return all, open
}

// maxBackslashes is the number of backslashes before a character that was quoted
// four times. More of them are not read as one escape.
const maxBackslashes = 15

// backslashAt appends the readings of an escape of RFC 8259, section 7, or Go's \x.
// Text that was quoted more than once has several backslashes.
func backslashAt(text []byte, i int, all []reading) (_ []reading, open bool) {
	end := i
	for end < len(text) && end < i+maxBackslashes && text[end] == '\\' {
		end++
	}
	for width := 2; width <= 8 && i+width <= end; width *= 2 {
		all = append(all, reading{'\\', i + width})
	}
	if end == len(text) {
		return all, true
	}
	switch c := text[end]; c {
	case 'u':
		return hexAt(text, end+1, 4, all)
	case 'x':
		return hexAt(text, end+1, 2, all)
	default:
		if k := strings.IndexByte(`nrtbf"'/`, c); k >= 0 {
			all = append(all, reading{"\n\r\t\b\f\"'/"[k], end + 1})
		}
	}
	return all, false
}

// hexAt appends the reading of digits as the code of a character.
func hexAt(text []byte, start, digits int, all []reading) (_ []reading, open bool) {
	if start+digits > len(text) {
		return all, true
	}
	var code [2]byte
	if _, err := hex.Decode(code[2-digits/2:], text[start:start+digits]); err == nil && code[0] == 0 {
		all = append(all, reading{code[1], start + digits})
	}
	return all, false
}
