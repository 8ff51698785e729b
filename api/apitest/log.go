package apitest

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"
)

// Log gathers what a service logs.
type Log struct {
	mu       sync.Mutex
	text     bytes.Buffer
	requests map[string]Object // the lines of requests, by their ids
}

func (l *Log) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Write implements [io.Writer]: the logger writes one line at a time.
func (l *Log) Write(line []byte) (int, error) {
	var attrs Object
	err := json.Unmarshal(line, &attrs)
	l.mu.Lock()
	defer l.mu.Unlock()
	if id, ok := attrs["request_id"].(string); ok && err == nil && attrs["msg"] == "request" {
		if l.requests == nil {
			l.requests = map[string]Object{}
		}
		l.requests[id] = attrs
	}
	return l.text.Write(line)
}

// Text is everything that was logged so far.
func (l *Log) Text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *Log) request(id string) Object {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.requests[id]
}

// Request returns the line of a request. It is written after the answer, so it
// is waited for.
func (l *Log) Request(t testing.TB, requestID string) Object {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if line := l.request(requestID); line != nil {
			return line
		}
	}
	t.Fatalf("the request %s was not logged", requestID)
	return nil
}
