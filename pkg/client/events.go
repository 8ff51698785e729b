package client

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
)

// maxEvent limits one event of a stream.
const maxEvent = 16 << 20

// eventReader reads server-sent events.
type eventReader struct {
	body  io.ReadCloser
	lines *bufio.Scanner
}

// openEvents sends a request and returns the events of its response.
func openEvents(ctx context.Context, c *Client, r request) (*eventReader, error) {
	r.header.Set("Accept", mediaEvents)
	response, err := c.do(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := expect(response, mediaEvents); err != nil {
		_ = response.Body.Close()
		return nil, err
	}
	return &eventReader{response.Body, eventLines(response.Body)}, nil
}

func eventLines(body io.Reader) *bufio.Scanner {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxEvent)
	return lines
}

// next returns the name and the data of the next event. The data is valid until the next
// call.
func (e *eventReader) next() (name string, data []byte, err error) {
	for e.lines.Scan() {
		field, value, _ := bytes.Cut(e.lines.Bytes(), []byte(":"))
		switch string(field) {
		case "event":
			name = string(bytes.TrimSpace(value))
		case "data": // the API sends one line of data in each event
			return name, value, nil
		}
	}
	return "", nil, fmt.Errorf("the stream broke: %w", cmp.Or(e.lines.Err(), io.ErrUnexpectedEOF))
}

// drain reads up to the end, so that the connection can be used again.
func (e *eventReader) drain() {
	for e.lines.Scan() {
	}
}

// problemOf returns the problem in an `error` event.
func problemOf(data []byte) *Problem {
	problem := &Problem{}
	if err := json.Unmarshal(data, problem); err != nil {
		problem.Detail = "The stream ended with an error that is not a problem document."
	}
	return problem
}
