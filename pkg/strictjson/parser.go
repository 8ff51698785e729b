package strictjson

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"modelproviders/pkg/fault"
)

// kind is a kind of JSON value, in words for people.
type kind string

const (
	object  kind = "an object"
	array   kind = "an array"
	text    kind = "a string"
	number  kind = "a number"
	boolean kind = "true or false"
	null    kind = "null"
)

// parser reads JSON (RFC 8259) from left to right. Its methods leave pos behind
// what they read, or return an error that says where the text is broken.
type parser struct {
	data  []byte
	pos   int
	depth int
}

// fail says what is wrong at a position. It never quotes the body, which may
// hold a secret.
func (p *parser) fail(pos int, format string, args ...any) error {
	before := p.data[:pos]
	line := 1 + bytes.Count(before, []byte{'\n'})
	column := 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return fault.New(fault.MalformedRequest, "The body is not valid JSON: line %d, column %d: %s.",
		line, column, fmt.Sprintf(format, args...))
}

// expected says what should stand where the parser is.
func (p *parser) expected(what string) error {
	if p.pos >= len(p.data) {
		return p.fail(p.pos, "the body ends where %s is expected", what)
	}
	return p.fail(p.pos, "%s is expected", what)
}

// checkText makes sure that the data is not empty and is Unicode.
func (p *parser) checkText() error {
	p.space()
	if p.pos == len(p.data) {
		return fault.New(fault.MalformedRequest, "The body is empty; a JSON object is expected.")
	}
	if bytes.HasPrefix(p.data, []byte("\uFEFF")) {
		return p.fail(0, "there is a byte order mark; send UTF-8 without one")
	}
	for i := 0; i < len(p.data); {
		r, size := utf8.DecodeRune(p.data[i:])
		if r == utf8.RuneError && size == 1 {
			return p.fail(i, "the text is not valid UTF-8")
		}
		i += size
	}
	return nil
}

// end makes sure that nothing follows.
func (p *parser) end() error {
	p.space()
	if p.pos < len(p.data) {
		return p.fail(p.pos, "there is more after the end of the JSON object")
	}
	return nil
}

func (p *parser) space() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\r', '\n':
			p.pos++
		default:
			return
		}
	}
}

// at reports whether c comes next, and takes it.
func (p *parser) at(c byte) bool {
	if p.pos < len(p.data) && p.data[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

// peek passes over white space and tells the kind of the value that begins.
func (p *parser) peek() (kind, error) {
	p.space()
	if p.pos == len(p.data) {
		return "", p.expected("a value")
	}
	switch c := p.data[p.pos]; {
	case c == '{':
		return object, nil
	case c == '[':
		return array, nil
	case c == '"':
		return text, nil
	case c == '-' || digit(c):
		return number, nil
	case c == 't' || c == 'f':
		return boolean, nil
	case c == 'n':
		return null, nil
	}
	return "", p.expected("a value")
}

// raw reads one value of any kind and returns it as it is written.
func (p *parser) raw() ([]byte, error) {
	p.space()
	start := p.pos
	err := p.skip()
	return p.data[start:p.pos], err
}

// skip reads one value of any kind.
func (p *parser) skip() error {
	kind, err := p.peek()
	if err != nil {
		return err
	}
	switch kind {
	case object:
		return p.object(func(string) error { return p.skip() })
	case array:
		return p.array(func(int) error { return p.skip() })
	case text:
		_, err := p.text()
		return err
	case number:
		return p.number()
	}
	return p.word()
}

// object reads an object; each reads the value of each member.
func (p *parser) object(each func(name string) error) error {
	if err := p.enter(); err != nil {
		return err
	}
	p.space()
	if p.at('}') {
		return p.leave()
	}
	for {
		p.space()
		name, err := p.text()
		if err != nil {
			return err
		}
		p.space()
		if !p.at(':') {
			return p.expected("a colon")
		}
		if err := each(name); err != nil {
			return err
		}
		p.space()
		if p.at('}') {
			return p.leave()
		}
		if !p.at(',') {
			return p.expected("a comma or a closing brace")
		}
	}
}

// array reads an array; each reads each element.
func (p *parser) array(each func(index int) error) error {
	if err := p.enter(); err != nil {
		return err
	}
	p.space()
	if p.at(']') {
		return p.leave()
	}
	for i := 0; ; i++ {
		if err := each(i); err != nil {
			return err
		}
		p.space()
		if p.at(']') {
			return p.leave()
		}
		if !p.at(',') {
			return p.expected("a comma or a closing bracket")
		}
	}
}

func (p *parser) enter() error {
	if p.depth == maxDepth {
		return p.fail(p.pos, "objects and arrays are nested deeper than %d", maxDepth)
	}
	p.depth++
	p.pos++
	return nil
}

func (p *parser) leave() error {
	p.depth--
	return nil
}
