package strictjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"modelproviders/pkg/fault"
)

// maxDepth bounds how deep objects and arrays may be nested.
const maxDepth = 32

// check refuses data that is not one JSON value (RFC 8259) in UTF-8, or is
// nested too deep.
func check(data []byte) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return fault.New(fault.MalformedRequest, "Request body is empty. Send a JSON object.")
	}
	if bytes.HasPrefix(data, []byte("\uFEFF")) {
		return invalid(data, 0, "a byte order mark is not allowed")
	}
	d := newDecoder(data)
	for ended := false; ; ended = d.StackDepth() == 0 {
		before := d.InputOffset()
		_, err := d.ReadToken()
		syntax, _ := errors.AsType[*jsontext.SyntacticError](err)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case ended:
			rest := data[before:]
			return invalid(data, len(data)-len(bytes.TrimLeft(rest, " \t\r\n")), "unexpected text after the JSON object")
		case err != nil: // reading from memory does not fail, so it is the syntax
			return invalid(data, int(syntax.ByteOffset), reason(syntax))
		case d.StackDepth() > maxDepth:
			return invalid(data, int(d.InputOffset())-1, fmt.Sprintf("objects and arrays are nested more than %d levels deep", maxDepth))
		}
	}
}

// reason says what is wrong. It does not quote the data, which may contain a secret.
func reason(err *jsontext.SyntacticError) string {
	said := err.Err.Error()
	_, expected, told := strings.Cut(said, "(expecting ")
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "unexpected end of the body"
	case strings.Contains(said, "UTF-8"):
		return "the text is not valid UTF-8"
	case strings.Contains(said, "surrogate"):
		return "an escaped surrogate has no partner"
	case strings.Contains(said, "escape"):
		return "invalid escape sequence"
	case strings.Contains(expected, "non-control"):
		return "a control character in a string must be escaped"
	case told && !strings.Contains(said, "literal"):
		return "unexpected character; expected " + strings.TrimSuffix(expected, ")")
	}
	return "unexpected character"
}

// invalid returns the error for data that is wrong at an offset.
func invalid(data []byte, offset int, what string) error {
	before := data[:offset]
	line := 1 + bytes.Count(before, []byte{'\n'})
	column := 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return fault.New(fault.MalformedRequest, "Request body is not valid JSON: line %d, column %d: %s.", line, column, what)
}
