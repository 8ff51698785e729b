package provider

import (
	"bufio"
	"bytes"
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
// It is written by hand because text has to be passed on as soon as it arrives.
// [bufio.ScanLines] would wait for what follows a CR, and would hold a line of any
// length. Here both the length of an event and the bytes without a part of the
// answer are bounded.
func readEvents(r io.Reader, each eachEvent) error {
	var split lineSplitter
	pieces := bufio.NewScanner(r)
	pieces.Buffer(make([]byte, 2*linePiece), 2*linePiece)
	pieces.Split(split.next)
	h := halves{each: func(name string, data []byte) error {
		useful, err := each(name, data)
		if useful {
			split.idle = 0
		}
		return err
	}}
	var field, name string
	var data bytes.Buffer
	for begins := true; pieces.Scan(); begins = split.ended {
		piece := pieces.Bytes()
		if begins && len(piece) == 0 {
			if len(bytes.TrimSpace(data.Bytes())) > 0 {
				if err := h.add(name, data.Bytes()); err != nil {
					return err
				}
			}
			name = ""
			data.Reset()
			continue
		}
		if begins {
			before, after, _ := bytes.Cut(piece, []byte(":"))
			field, piece = string(before), bytes.TrimPrefix(after, []byte(" "))
			if field == "data" && data.Len() > 0 {
				data.WriteByte('\n')
			}
		}
		switch {
		case field == "event" && begins:
			name = string(piece)
		case field != "data":
		case data.Len()+len(piece) > maxEvent:
			return errTooLarge
		default:
			data.Write(piece)
		}
	}
	if pieces.Err() == nil && (data.String() == "[DONE]" || json.Valid(data.Bytes())) {
		if err := h.add(name, data.Bytes()); err != nil {
			return err
		}
	}
	if err := h.flush(); err != nil {
		return err
	}
	return pieces.Err()
}

// linePiece is the length, in bytes, from which a line is passed on in pieces. It
// is longer than the name of a field.
const linePiece = 4 << 10

// lineSplitter splits at LF, CR and CRLF, and leaves comments out.
type lineSplitter struct {
	idle  int  // bytes since the last useful event, which are bounded
	ended bool // the piece that was passed on ends its line

	returned bool // the line before ended with CR
	comment  bool // the line has begun as one
	within   bool // a part of the line has been passed on
}

// next is a [bufio.SplitFunc].
func (s *lineSplitter) next(data []byte, atEOF bool) (read int, piece []byte, err error) {
	read, piece = s.split(data, atEOF)
	if s.idle += read; s.idle > maxIdle {
		return 0, nil, errTooLarge
	}
	s.within = piece != nil && !s.ended || piece == nil && s.within
	return read, piece, nil
}

func (s *lineSplitter) split(data []byte, atEOF bool) (read int, piece []byte) {
	for read < len(data) {
		if s.returned && data[read] == '\n' {
			read++
		}
		s.returned = false
		rest := data[read:]
		end := bytes.IndexAny(rest, "\r\n")
		s.comment = s.comment || !s.within && len(rest) > 0 && rest[0] == ':'
		switch {
		case end >= 0:
			read += end + 1
			s.returned = rest[end] == '\r'
			if !s.comment {
				s.ended = true
				return read, rest[:end]
			}
			s.comment = false
		case s.comment:
			return len(data), nil
		case len(rest) >= linePiece || atEOF && len(rest) > 0:
			s.ended = atEOF
			return len(data), rest
		default:
			return read, nil
		}
	}
	return read, nil
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
