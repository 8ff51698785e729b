package strictjson

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// text reads a string.
func (p *parser) text() (string, error) {
	start := p.pos
	if !p.at('"') {
		return "", p.expected("a string in double quotes")
	}
	escaped := false
	for p.pos < len(p.data) {
		switch c := p.data[p.pos]; {
		case c == '"':
			p.pos++
			return p.unquote(start, escaped)
		case c == '\\':
			escaped = true
			if err := p.escape(); err != nil {
				return "", err
			}
		case c < ' ':
			return "", p.fail(p.pos, "a control character in a string must be escaped")
		default:
			p.pos++
		}
	}
	return "", p.fail(start, "the string that begins here has no end")
}

// unquote returns the string between start and pos.
func (p *parser) unquote(start int, escaped bool) (string, error) {
	if !escaped {
		return string(p.data[start+1 : p.pos-1]), nil
	}
	var s string
	if err := json.Unmarshal(p.data[start:p.pos], &s); err != nil {
		return "", p.fail(start, "the string that begins here is broken")
	}
	return s, nil
}

// escape reads one escape sequence, and with a high surrogate the low one that
// has to follow: half a pair is no character, and encoding/json would replace
// it silently.
func (p *parser) escape() error {
	start := p.pos
	p.pos++
	if p.pos == len(p.data) {
		return p.expected("the rest of an escape sequence")
	}
	c := p.data[p.pos]
	p.pos++
	if c != 'u' {
		if bytes.IndexByte([]byte(`"\/bfnrt`), c) < 0 {
			return p.fail(start, "there is no such escape sequence")
		}
		return nil
	}
	first, ok := p.hex4()
	if !ok {
		return p.fail(start, "four hexadecimal digits must follow \\u")
	}
	switch {
	case first >= 0xDC00 && first <= 0xDFFF:
		return p.fail(start, "half of a surrogate pair stands alone")
	case first >= 0xD800 && first <= 0xDBFF:
		pair := p.at('\\') && p.at('u')
		second, ok := p.hex4()
		if !pair || !ok || second < 0xDC00 || second > 0xDFFF {
			return p.fail(start, "half of a surrogate pair stands alone")
		}
	}
	return nil
}

func (p *parser) hex4() (rune, bool) {
	if len(p.data)-p.pos < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(p.data[p.pos:p.pos+4]), 16, 16)
	p.pos += 4
	return rune(n), err == nil
}

// number reads a number. Nothing may follow that looks like more of it.
func (p *parser) number() error {
	p.at('-')
	if !p.at('0') && !p.digits() {
		return p.expected("a digit")
	}
	if p.at('.') && !p.digits() {
		return p.expected("a digit")
	}
	if p.at('e') || p.at('E') {
		_ = p.at('+') || p.at('-')
		if !p.digits() {
			return p.expected("a digit")
		}
	}
	return nil
}

func (p *parser) digits() bool {
	start := p.pos
	for p.pos < len(p.data) && digit(p.data[p.pos]) {
		p.pos++
	}
	return p.pos > start
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// word reads true, false or null.
func (p *parser) word() error {
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(p.data[p.pos:], []byte(word)) {
			p.pos += len(word)
			return nil
		}
	}
	return p.expected("a value")
}
