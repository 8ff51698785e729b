package apitest

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// patience bounds the wait for an event. It is reached only if something is broken.
const patience = 20 * time.Second

// Event is a server-sent event, or a part of a stream that has only an id.
type Event struct{ ID, Name, Data string }

// Events is a stream of server-sent events that is read while it arrives. The test fails
// if it is not as documented.
type Events struct {
	Header http.Header
	t      testing.TB
	lines  *bufio.Reader
	leave  context.CancelFunc
}

// Events calls GET for a stream, which ends with the test, or with [Events.Leave].
func (c *Client) Events(path string, edits ...Edit) *Events {
	c.t.Helper()
	ctx, leave := context.WithCancel(c.t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.s.URL+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.Token)
	request.Header.Set("Accept", mediaEvents)
	for _, edit := range edits {
		edit(request)
	}
	response, err := c.s.http.Do(request)
	if err != nil {
		c.t.Fatalf("GET %s: %v", path, err)
	}
	c.t.Cleanup(func() {
		leave()
		response.Body.Close()
	})
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		c.t.Fatalf("GET %s is answered with %d: %s", path, response.StatusCode, text)
	}
	return &Events{Header: response.Header, t: c.t, lines: bufio.NewReader(response.Body), leave: leave}
}

// Next waits for the next event. It is empty at the end of the stream.
func (e *Events) Next() (event Event) {
	e.t.Helper()
	late := time.AfterFunc(patience, e.leave)
	defer late.Stop()
	for {
		line, err := e.lines.ReadString('\n')
		if err == io.EOF {
			return Event{}
		}
		if err != nil {
			e.t.Fatal("waiting for an event: ", err)
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "event":
			event.Name = value
		case "id":
			event.ID = value
		case "data":
			event.Data = value
		}
		if line == "\n" && event != (Event{}) {
			return event
		}
	}
}

// Leave ends the stream.
func (e *Events) Leave() { e.leave() }
