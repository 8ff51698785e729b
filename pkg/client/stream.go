package client

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
)

// maxEvent limits one event of a stream.
const maxEvent = 16 << 20

// TestDelta is a piece of the answer of a model.
type TestDelta struct {
	Text string `json:"text"`
}

// TestStream is the test of one model: pieces of the answer, and then the result.
type TestStream = Stream[TestDelta, TestResult]

// ModelsTestStream is the test of several models: their results in the order in which the
// tests end, and then a summary.
type ModelsTestStream = Stream[ModelTestResult, ModelsTestSummary]

// Stream is a response that arrives in several events and ends with a result.
//
//	for delta := range stream.Events() {
//		fmt.Print(delta.Text)
//	}
//	result, err := stream.Result()
type Stream[E, R any] struct {
	body    io.ReadCloser
	lines   *bufio.Scanner
	item    string // the name of the events before the last
	last    string // the name of the event that contains the result
	result  R
	err     error
	stopped bool
}

// stream sends a request and returns the stream of its response.
func stream[E, R any](ctx context.Context, c *Client, r request, item, last string) (*Stream[E, R], error) {
	r.header.Set("Accept", mediaEvents)
	response, err := c.do(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := expect(response, mediaEvents); err != nil {
		_ = response.Body.Close()
		return nil, err
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, maxEvent)
	return &Stream[E, R]{body: response.Body, lines: lines, item: item, last: last}, nil
}

// Events returns the events as they arrive. They end with the stream; [Stream.Result]
// tells whether it was complete.
func (s *Stream[E, R]) Events() iter.Seq[E] {
	return func(yield func(E) bool) {
		for !s.stopped {
			event, more := s.next()
			if more && !yield(event) {
				return
			}
		}
	}
}

// Result waits for the end of the stream and returns the result. It closes the stream.
func (s *Stream[E, R]) Result() (R, error) {
	for !s.stopped {
		s.next()
	}
	return s.result, s.err
}

// Close ends the stream, and with it the test, if it has not ended yet. It need not be
// called after [Stream.Result].
func (s *Stream[E, R]) Close() error { return s.body.Close() }

// next reads up to an event. It returns false at the end of the stream.
func (s *Stream[E, R]) next() (event E, more bool) {
	var name string
	for s.lines.Scan() {
		field, value, _ := bytes.Cut(s.lines.Bytes(), []byte(":"))
		switch string(field) {
		case "event":
			name = string(bytes.TrimSpace(value))
		case "data": // the API sends one line of data in each event
			if name == s.item {
				if err := json.Unmarshal(value, &event); err != nil {
					s.end(fmt.Errorf("read the event %q: %w", name, err))
					return event, false
				}
				return event, true
			}
			s.receive(name, value)
			if s.stopped {
				return event, false
			}
		}
	}
	s.end(fmt.Errorf("the stream broke: %w", cmp.Or(s.lines.Err(), io.ErrUnexpectedEOF)))
	return event, false
}

// receive handles an event that may be the last one. Others may be added to the API.
func (s *Stream[E, R]) receive(name string, data []byte) {
	switch name {
	case s.last:
		err := json.Unmarshal(data, &s.result)
		for s.lines.Scan() { // up to its end, so that the connection can be used again
		}
		s.end(err)
	case "error":
		problem := &Problem{}
		if err := json.Unmarshal(data, problem); err != nil {
			problem.Detail = "The stream ended with an error that is not a problem document."
		}
		s.end(problem)
	}
}

func (s *Stream[E, R]) end(err error) {
	s.stopped, s.err = true, err
	_ = s.body.Close()
}
