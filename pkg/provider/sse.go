package provider

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
)

// readEvents reads server-sent events (WHATWG HTML, section 9.2) and calls each
// with the name and the data of every event that has data, until the stream ends or
// each returns an error. If the stream ends within an event, the event counts only
// if its data is complete.
//
// A [bufio.Scanner] is not enough. A line can end with a CR alone, and its text must
// be passed on before the byte after the CR arrives. A scanner also limits only the
// length of a line, not that of an event or of data that is not part of the answer.
func readEvents(r io.Reader, each eachEvent) error {
	idle := 0 // bytes since the last event that was part of the answer
	e := events{each: func(name string, data []byte) error {
		useful, err := each(name, data)
		if useful {
			idle = 0
		}
		return err
	}}
	in := bufio.NewReader(r)
	for last := byte(0); idle <= maxIdle; {
		c, err := in.ReadByte()
		idle++
		switch {
		case errors.Is(err, io.EOF):
			return e.end()
		case err != nil:
			return cmp.Or(e.release(), err)
		case c == '\n' && last == '\r': // CRLF is one line end
		case (c == '\n' || c == '\r') && len(e.line) == 0: // a blank line ends an event
			err = e.dispatch()
		case c == '\n' || c == '\r':
			e.endLine()
		default:
			err = e.add(c)
		}
		if err != nil {
			return err
		}
		last = c
	}
	return errTooLarge
}

// events assembles events from lines, and passes them on. It joins surrogate pairs that a
// server split between two events: JSON escapes a character outside the Basic Multilingual
// Plane as two surrogates (RFC 8259, section 7). An event whose text ends with the first
// one is held back until the next event arrives.
type events struct {
	each func(name string, data []byte) error
	line []byte

	name string // of the current event
	data []byte

	heldName string
	held     []byte // nil: no event is held back
}

// add appends a byte to the current line. It keeps only the colon of a comment.
func (e *events) add(c byte) error {
	switch {
	case len(e.line) > 0 && e.line[0] == ':':
		return nil
	case len(e.data)+len(e.line) >= maxEvent:
		return errTooLarge
	}
	e.line = append(e.line, c)
	return nil
}

// endLine adds the current line to the event.
func (e *events) endLine() {
	field, value, _ := bytes.Cut(e.line, []byte(":")) // the field of a comment is empty
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(field) {
	case "event":
		e.name = string(value)
	case "data":
		if len(e.data) > 0 {
			e.data = append(e.data, '\n')
		}
		e.data = append(e.data, value...)
	}
	e.line = e.line[:0]
}

var (
	firstHalf  = regexp.MustCompile(`(?:^|[^\\])(?:\\\\)*\\u[dD][89abAB][[:xdigit:]]{2}"`)
	secondHalf = regexp.MustCompile(`[^\\]"(\\u[dD][c-fC-F][[:xdigit:]]{2})`)
)

// dispatch ends the event. It passes it on or holds it back, if it has data.
func (e *events) dispatch() error {
	name, data := e.name, e.data
	e.name, e.data = "", e.data[:0]
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	if e.held != nil {
		if second := secondHalf.FindSubmatchIndex(data); second != nil {
			end := firstHalf.FindIndex(e.held)[1] - 1
			e.held = slices.Insert(e.held, end, data[second[2]:second[3]]...)
			data = slices.Delete(data, second[2], second[3])
		}
		if err := e.release(); err != nil {
			return err
		}
	}
	if bytes.Contains(data, []byte(`\u`)) && firstHalf.Match(data) {
		e.heldName, e.held = name, bytes.Clone(data)
		return nil
	}
	return e.each(name, data)
}

// release passes on the event that was held back.
func (e *events) release() error {
	if e.held == nil {
		return nil
	}
	data := e.held
	e.held = nil
	return e.each(e.heldName, data)
}

// end passes on the last event of the stream if its data is complete.
func (e *events) end() error {
	e.endLine()
	if string(e.data) == "[DONE]" || json.Valid(e.data) {
		if err := e.dispatch(); err != nil {
			return err
		}
	}
	return e.release()
}
