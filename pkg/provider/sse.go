package provider

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
)

// readEvents reads server-sent events (WHATWG HTML, section 9.2) and calls each
// with the name and the data of one that has any, until the stream ends or each
// returns an error. An event that the stream breaks off in is not passed on; one
// is whole without the empty line behind it where its data is.
func readEvents(r io.Reader, each func(name string, data []byte) error) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4<<10), maxEvent+1<<10)
	idle := 0 // bytes since the last event
	lines.Split(splitLines(&idle))
	h := halves{each: each}
	var name string
	var data []byte
	for lines.Scan() {
		line := lines.Bytes()
		if len(line) == 0 {
			if len(bytes.TrimSpace(data)) > 0 {
				idle = 0
				if err := h.add(name, data); err != nil {
					return err
				}
			}
			name, data = "", data[:0]
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			name = string(value)
		case "data":
			if len(data) > 0 {
				data = append(data, '\n')
			}
			if data = append(data, value...); len(data) > maxEvent {
				return errTooLarge
			}
		}
	}
	if lines.Err() == nil && (string(data) == "[DONE]" || json.Valid(data)) {
		if err := h.add(name, data); err != nil {
			return err
		}
	}
	if err := h.flush(); err != nil {
		return err
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return errTooLarge
	}
	return lines.Err()
}

// splitLines splits at LF, CR and CRLF. A line that ends with CR is passed on
// without waiting for what follows. Comments are left out, and not kept. What is
// read is added to idle, which is bounded.
func splitLines(idle *int) bufio.SplitFunc {
	returned := false // the line before ended with CR
	comment := false  // the line has begun as one
	return func(data []byte, atEOF bool) (read int, line []byte, err error) {
		defer func() {
			if *idle += read; *idle > maxIdle && err == nil {
				read, line, err = 0, nil, errTooLarge
			}
		}()
		for read < len(data) {
			if returned && data[read] == '\n' {
				read++
			}
			returned = false
			rest := data[read:]
			end := bytes.IndexAny(rest, "\r\n")
			comment = comment || len(rest) > 0 && rest[0] == ':'
			switch {
			case end >= 0:
				read += end + 1
				returned = rest[end] == '\r'
				if !comment {
					return read, rest[:end], nil
				}
				comment = false
			case comment:
				return len(data), nil, nil
			case atEOF && len(rest) > 0:
				return len(data), rest, nil
			default:
				return read, nil, nil
			}
		}
		return read, nil, nil
	}
}

// halves passes events on, and mends characters that were cut in two. JSON
// writes one outside the Basic Multilingual Plane as two escapes (RFC 8259,
// section 7); servers that count in UTF-16 send one in each of two events. An
// event whose text ends with the first is held back until the next has come.
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
