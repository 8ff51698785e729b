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
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *Log) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Write implements [io.Writer]: the logger writes one line at a time.
func (l *Log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

// Text is everything that was logged so far.
func (l *Log) Text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Request returns the line of a request. It is written after the answer, so it
// is waited for.
func (l *Log) Request(t testing.TB, requestID string) Object {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		for line := range bytes.Lines([]byte(l.Text())) {
			var attrs Object
			if json.Unmarshal(line, &attrs) == nil && attrs["msg"] == "request" && attrs["request_id"] == requestID {
				return attrs
			}
		}
	}
	t.Fatalf("the request %s was not logged; the log is:\n%s", requestID, l.Text())
	return nil
}
