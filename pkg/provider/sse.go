package provider

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
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
	e := events{halves: halves{each: func(name string, data []byte) error {
		useful, err := each(name, data)
		if useful {
			idle = 0
		}
		return err
	}}}
	in := bufio.NewReader(r)
	for last := byte(0); idle <= maxIdle; {
		c, err := in.ReadByte()
		idle++
		switch {
		case err == io.EOF:
			return e.end()
		case err != nil:
			return cmp.Or(e.halves.flush(), err)
		case c == '\n' && last == '\r': // CRLF is one line end
		case c == '\n' || c == '\r':
			err = e.endLine()
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

// events assembles events from lines.
type events struct {
	halves halves
	line   []byte
	name   string // of the current event
	data   []byte
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

// endLine adds the current line to the event. A blank line ends the event.
func (e *events) endLine() error {
	line := e.line
	e.line = e.line[:0]
	if len(line) == 0 {
		return e.dispatch()
	}
	field, value, _ := bytes.Cut(line, []byte(":")) // the field of a comment is empty
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
	return nil
}

// dispatch passes the event on, if it has data.
func (e *events) dispatch() error {
	name, data := e.name, e.data
	e.name, e.data = "", e.data[:0]
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	return e.halves.add(name, data)
}

// end passes on the last event of the stream if its data is complete.
func (e *events) end() error {
	if len(e.line) > 0 {
		if err := e.endLine(); err != nil {
			return err
		}
	}
	if string(e.data) == "[DONE]" || json.Valid(e.data) {
		if err := e.dispatch(); err != nil {
			return err
		}
	}
	return e.halves.flush()
}

// halves passes events on, and joins surrogate pairs that a server split between two
// events. JSON escapes a character outside the Basic Multilingual Plane as two
// surrogates (RFC 8259, section 7). An event whose text ends with the first one is
// held back until the next event arrives.
type halves struct {
	each func(name string, data []byte) error
	name string
	data []byte // nil: none is held back
}

var (
	firstHalf  = regexp.MustCompile(`(?:^|[^\\])(?:\\\\)*\\u[dD][89abAB][[:xdigit:]]{2}"`)
	secondHalf = regexp.MustCompile(`[^\\]"(\\u[dD][c-fC-F][[:xdigit:]]{2})`)
)

func (h *halves) add(name string, data []byte) error {
	if h.data != nil {
		if second := secondHalf.FindSubmatchIndex(data); second != nil {
			end := firstHalf.FindIndex(h.data)[1] - 1
			h.data = slices.Insert(h.data, end, data[second[2]:second[3]]...)
			data = slices.Delete(data, second[2], second[3])
		}
		if err := h.flush(); err != nil {
			return err
		}
	}
	if bytes.Contains(data, []byte(`\u`)) && firstHalf.Match(data) {
		h.name, h.data = name, bytes.Clone(data)
		return nil
	}
	return h.each(name, data)
}

// flush passes on the event that was held back.
func (h *halves) flush() error {
	if h.data == nil {
		return nil
	}
	data := h.data
	h.data = nil
	return h.each(h.name, data)
}
