package api

import (
	"bytes"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/registry"
)

// wantsEvents reports whether the client asks for server-sent events.
func wantsEvents(r *http.Request) bool {
	for _, accept := range r.Header.Values(echo.HeaderAccept) {
		for part := range strings.SplitSeq(accept, ",") {
			if media, _, err := mime.ParseMediaType(part); err == nil && media == "text/event-stream" {
				return true
			}
		}
	}
	return false
}

// streamTest runs a test and answers server-sent events (WHATWG HTML, section
// 9.2): `delta` events as the answer comes, then one `result` event. What goes
// wrong on our side before anything was streamed is answered as a problem, after
// that it is an `error` event with the same document.
func (a *API) streamTest(c echo.Context, run func(onDelta func(string)) (registry.TestResult, error)) error {
	events := &eventWriter{c: c, logger: a.Logger}
	result, err := func() (registry.TestResult, error) {
		// Beating ends with the run: a beat between looking whether the stream
		// has begun and answering a problem would begin it and lose the problem.
		defer events.beat(a.Heartbeat)()
		return run(func(text string) { events.send("delta", testDelta{Text: text}) })
	}()
	switch {
	case err == nil:
		events.send("result", toTestResult(result, true))
	case !events.begun():
		return err
	default:
		events.send("error", problemOf(toFault(err), c))
		c.Set(keyError, toFault(err))
	}
	return nil
}

// eventWriter writes server-sent events, each flushed at once. The response
// begins with the first of them.
type eventWriter struct {
	c       echo.Context
	logger  *slog.Logger
	mu      sync.Mutex
	started bool
}

func (w *eventWriter) send(event string, data any) {
	var chunk bytes.Buffer
	chunk.WriteString("event: " + event + "\ndata: ")
	if err := encodeJSON(&chunk, data); err != nil { // of one line, with its end
		w.logger.Error("an event could not be written", slog.String("request_id", requestID(w.c)), slog.Any("error", err))
		return
	}
	chunk.WriteString("\n")
	w.write(chunk.Bytes())
}

func (w *eventWriter) begun() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.started
}

// write sends a chunk. That the client has gone shows in the context of the
// request, which ends the upstream call; the error of a write adds nothing.
func (w *eventWriter) write(chunk []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.started {
		w.started = true
		h := w.c.Response().Header()
		h.Set(echo.HeaderContentType, "text/event-stream")
		h.Set("X-Accel-Buffering", "no") // nginx would hold the stream back
		w.c.Response().WriteHeader(http.StatusOK)
	}
	_, _ = w.c.Response().Write(chunk)
	w.c.Response().Flush()
}

// beat writes a comment now and then until it is stopped.
func (w *eventWriter) beat(every time.Duration) (stop func()) {
	ticker := time.NewTicker(every)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-ticker.C:
				w.write([]byte(": still waiting\n\n"))
			case <-done:
				return
			}
		}
	})
	return func() {
		ticker.Stop()
		close(done)
		wg.Wait()
	}
}
