package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
)

// TestDelta is a piece of the answer of a model.
type TestDelta struct {
	Text string `json:"text"`
}

// TestStream is the test of one model: pieces of the answer, and then the result.
type TestStream = Stream[TestDelta, TestResult]

// ModelsTestStream is the test of several models: their results in the order in which the
// tests end, and then a summary.
type ModelsTestStream = Stream[ModelTestResult, ModelsTestSummary]

// VerificationStream is the verification of a model: the results of its stages in the order
// in which the checks end, and then all of them.
type VerificationStream = Stream[StageResult, Verification]

// Stream is a response that arrives in several events and ends with a result.
//
//	for delta := range stream.Events() {
//		fmt.Print(delta.Text)
//	}
//	result, err := stream.Result()
type Stream[E, R any] struct {
	events  *eventReader
	item    string // the name of the events before the last
	last    string // the name of the event that contains the result
	result  R
	err     error
	stopped bool
}

// stream sends a request and returns the stream of its response.
func stream[E, R any](ctx context.Context, c *Client, r request, item, last string) (*Stream[E, R], error) {
	events, err := openEvents(ctx, c, r)
	if err != nil {
		return nil, err
	}
	return &Stream[E, R]{events: events, item: item, last: last}, nil
}

// Events returns the events as they arrive. They end with the stream; [Stream.Result]
// tells whether it was complete.
func (s *Stream[E, R]) Events() iter.Seq[E] {
	return func(yield func(E) bool) {
		for !s.stopped {
			name, data, err := s.events.next()
			switch { // others may be added to the API
			case err != nil:
				s.end(err)
			case name == s.last:
				err := json.Unmarshal(data, &s.result)
				s.events.drain()
				s.end(err)
			case name == "error":
				s.end(problemOf(data))
			case name == s.item:
				var event E
				if err := json.Unmarshal(data, &event); err != nil {
					s.end(fmt.Errorf("read the event %q: %w", name, err))
				} else if !yield(event) {
					return
				}
			}
		}
	}
}

// Result waits for the end of the stream and returns the result. It closes the stream.
func (s *Stream[E, R]) Result() (R, error) {
	for range s.Events() {
	}
	return s.result, s.err
}

// Close ends the stream, and with it the test, if it has not ended yet. It need not be
// called after [Stream.Result].
func (s *Stream[E, R]) Close() error { return s.events.body.Close() }

func (s *Stream[E, R]) end(err error) {
	s.stopped, s.err = true, err
	_ = s.Close()
}
