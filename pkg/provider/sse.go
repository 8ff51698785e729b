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
// with the name and the data of one that has any, until the stream ends or each
// returns an error. An event in which the stream breaks off counts only if its
// data is whole.
//
// A [bufio.Scanner] is not enough. The format lets a lone CR end a line, and text
// has to be passed on before the byte after the CR arrives. A scanner also bounds
// only a line, not an event, nor the bytes that bring no part of the answer.
func readEvents(r io.Reader, each eachEvent) error {
	idle := 0 // bytes since the last useful event
	e := events{halves: halves{each: func(name string, data []byte) error {
		useful, err := each(name, data)
		if useful {
			idle = 0
		}
		return err
	}}}
	in := bufio.NewReader(r)
	for last := byte(0); idle <= maxIdle; {
		_, err := in.Peek(1)
		if err == io.EOF {
			return e.end()
		}
		if err != nil {
			return cmp.Or(e.halves.flush(), err)
		}
		text, _ := in.Peek(in.Buffered())
		if end := bytes.IndexAny(text, "\r\n"); end >= 0 {
			text = text[:max(end, 1)]
		}
		idle += len(text)
		switch c := text[0]; {
		case c != '\n' && c != '\r':
			if err := e.add(text); err != nil {
				return err
			}
		case c == '\r' || last != '\r': // CRLF ends one line
			if err := e.endLine(); err != nil {
				return err
			}
		}
		last = text[0]
		_, _ = in.Discard(len(text))
	}
	return errTooLarge
}

// events puts events together from lines.
type events struct {
	halves halves
	line   []byte
	name   string // of the event that has begun
	data   []byte
}

// add adds a piece to the line. Only the colon of a comment is kept.
func (e *events) add(piece []byte) error {
	switch {
	case len(e.line) == 0 && piece[0] == ':', len(e.line) > 0 && e.line[0] == ':':
		e.line = append(e.line[:0], ':')
		return nil
	case len(e.data)+len(e.line)+len(piece) > maxEvent:
		return errTooLarge
	}
	e.line = append(e.line, piece...)
	return nil
}

// endLine adds a line to the event; a blank one ends it.
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

// end passes on the event with which the stream ends, if its data is whole.
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

// halves passes events on, and joins characters that were cut in two. JSON writes
// one outside the Basic Multilingual Plane as two escapes (RFC 8259, section 7),
// and some servers send each in an event of its own. An event whose text ends with
// the first is held back until the next has come.
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
