package provider

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"
	"strings"
)

// The media types that are distinguished.
const (
	typeJSON   = "application/json"
	typeEvents = "text/event-stream"
	typeHTML   = "text/html"
	typeFrames = "application/vnd.amazon.eventstream"
)

var (
	byteOrderMark = []byte("\uFEFF")
	// eventStarts are the possible beginnings of a stream of events.
	eventStarts = [][]byte{[]byte(":"), []byte("data:"), []byte("event:"), []byte("id:"), []byte("retry:")}
)

// detectType returns the media type of a body by its first bytes, because many servers
// send the same Content-Type for everything. It removes a byte order mark, and reads
// no more than it needs.
func detectType(body *bufio.Reader, label string) string {
	if label == typeFrames {
		return label
	}
	for n := 1; ; {
		head, err := body.Peek(max(n, body.Buffered()))
		start := bytes.TrimLeft(bytes.TrimPrefix(head, byteOrderMark), " \t\r\n")
		mediaType, final := typeOfStart(start, label)
		if final || err != nil {
			if bytes.HasPrefix(head, byteOrderMark) {
				_, _ = body.Discard(len(byteOrderMark))
			}
			return mediaType
		}
		n = len(head) + 1
	}
}

// typeOfStart returns the media type of a body that begins with start. final means that
// the rest of the body can't change it.
func typeOfStart(start []byte, label string) (mediaType string, final bool) {
	switch {
	case len(start) == 0, len(start) < len(byteOrderMark) && bytes.HasPrefix(byteOrderMark, start):
		return label, false
	case start[0] == '{', start[0] == '[':
		return typeJSON, true
	case start[0] == '<' && label == typeEvents:
		return typeHTML, true
	}
	for _, word := range eventStarts {
		if bytes.HasPrefix(start, word) {
			return typeEvents, true
		}
		if bytes.HasPrefix(word, start) {
			return label, false
		}
	}
	return label, true
}

// codingError says that a content coding is not supported.
type codingError string

func (e codingError) Error() string { return string(e) }

// decompress removes the content coding of a body (RFC 9110, section 8.4). Some
// servers compress without being asked, others name a coding but don't compress.
func (c *call) decompress(body io.Reader) (*bufio.Reader, error) {
	raw := bufio.NewReader(body)
	coding := strings.ToLower(strings.TrimSpace(c.header.Get("Content-Encoding")))
	switch coding {
	case "", "identity", "none", "utf-8": // the last two are not codings
		return raw, nil
	case "gzip", "x-gzip":
		if magic, _ := raw.Peek(2); string(magic) != "\x1f\x8b" {
			return raw, nil
		}
		plain, err := gzip.NewReader(io.LimitReader(raw, maxStream))
		return bufio.NewReader(plain), err
	}
	return nil, codingError(c.host + " used a compression (" + coding + ") that is not supported. The answer must be uncompressed, or compressed with gzip.")
}
