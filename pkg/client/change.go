package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// ListChanges returns a page of the changes of the workspace after a cursor. Without a
// cursor the page is empty, and its NextCursor is the present end.
func (c *Client) ListChanges(ctx context.Context, params ListChangesParams) (ChangeList, error) {
	return send[ChangeList](ctx, c, get("changes").query(params))
}

// StreamChanges iterates over the changes of the workspace after a cursor, as they happen.
// An empty cursor is the present end.
//
// It ends with an error when the context ends or the service refuses the request. If the
// connection breaks or the service is away, it connects again and continues, without
// losing or repeating a change. The error [ProblemCodeGone] means that the changes after
// the cursor are not stored any more: read the lists again, and begin at a new cursor.
func (c *Client) StreamChanges(ctx context.Context, after string) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		s := changeStream{Client: c, after: after}
		for failures := 0; ; failures++ {
			more, err := s.receive(ctx, yield)
			if !more {
				return
			}
			if err == nil {
				failures = 0
			}
			wait, again := waitBeforeStream(err, failures)
			if !again {
				yield(Change{}, err)
				return
			}
			select {
			case <-ctx.Done():
				yield(Change{}, context.Cause(ctx))
				return
			case <-time.After(wait):
			}
		}
	}
}

// maxSilence is when a connection counts as broken. The service sends a comment after 10
// silent seconds.
const maxSilence = time.Minute

// maxStreamFailures limits the time before a stream is opened again, to about 6 seconds.
const maxStreamFailures = 5

// changeStream is a stream of changes over several connections.
type changeStream struct {
	*Client
	after string
}

// receive yields the changes of one connection. It returns false if the iteration is to
// end, and no error if the connection was opened and ended.
func (s *changeStream) receive(ctx context.Context, yield func(Change, error) bool) (more bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silent := time.AfterFunc(maxSilence, cancel)
	defer silent.Stop()
	if s.after == "" {
		end, err := s.ListChanges(ctx, ListChangesParams{})
		if err != nil {
			return true, err
		}
		s.after = end.NextCursor
	}
	request := get("changes").query(ListChangesParams{After: s.after})
	request.once = true
	events, err := openEvents(ctx, s.Client, request)
	if err != nil {
		return true, err
	}
	defer events.body.Close()
	events.lines = eventLines(watchedReader{events.body, silent})
	for {
		name, data, err := events.next()
		if err != nil {
			return true, nil // the connection ended
		}
		switch name { // others may be added to the API
		case "change":
			var change Change
			if err := json.Unmarshal(data, &change); err != nil {
				return true, fmt.Errorf("read the event %q: %w", name, err)
			}
			s.after = change.Cursor
			if !yield(change, nil) {
				return false, nil
			}
		case "reset":
			return true, &Problem{Code: ProblemCodeGone, Status: http.StatusGone, Title: "Gone", Detail: "The changes after the cursor are not stored any more."}
		case "error":
			return true, problemOf(data)
		}
	}
}

// waitBeforeStream returns how long to wait before a stream is opened again, and false if
// that can't help.
func waitBeforeStream(err error, failures int) (wait time.Duration, again bool) {
	problem, unreachable := &Problem{}, &url.Error{}
	again = err == nil || errors.As(err, &unreachable)
	if errors.As(err, &problem) {
		again = problem.Status >= http.StatusInternalServerError || problem.Status == http.StatusTooManyRequests
	}
	return backoff(problem, min(failures, maxStreamFailures)), again
}

// watchedReader runs a timer while it waits for data.
type watchedReader struct {
	io.Reader
	silent *time.Timer
}

// Read implements [io.Reader].
func (r watchedReader) Read(p []byte) (int, error) {
	r.silent.Reset(maxSilence)
	defer r.silent.Stop()
	return r.Reader.Read(p)
}
