package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
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
//
// With each heartbeat the token is checked again: one that has been revoked or
// has expired meanwhile ends the upstream call, and the stream with an `error`. A
// client that does not take what it is sent within a heartbeat ends it too.
func (a *API) streamTest(c echo.Context, run testRun) error {
	ctx, end := context.WithCancelCause(c.Request().Context())
	defer end(nil)
	events := &eventWriter{c: c, logger: a.Logger, patience: a.Heartbeat, end: end}
	check := func(ctx context.Context) {
		if err := a.checkAgain(ctx, c); err != nil {
			end(err)
		}
	}
	result, err := func() (registry.TestResult, error) {
		// Beating ends with the run: a beat between looking whether the stream
		// has begun and answering a problem would begin it and lose the problem.
		defer events.beat(ctx, a.Heartbeat, check)()
		return run(ctx, func(text string) { events.send("delta", testDelta{Text: text}) })
	}()
	if ended := fault.As(context.Cause(ctx)); err != nil && ended != nil {
		err = ended
	}
	switch {
	case err == nil:
		events.send("result", toTestResult(result, true))
	case !events.begun():
		return err
	case errors.Is(err, context.Canceled):
		c.Set(keyError, err) // the client has gone, or does not read
	default:
		failure := toFault(err)
		events.send("error", problemOf(failure, c))
		c.Set(keyError, failure)
	}
	events.finish()
	return nil
}

// checkAgain returns unauthenticated when the token of a request has been
// revoked or has expired since the request came. While that can't be found out
// the token is taken to be good.
func (a *API) checkAgain(ctx context.Context, c echo.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.Heartbeat)
	defer cancel()
	if _, err := a.Authenticator.Authenticate(ctx, bearerOf(c.Request())); fault.Is(err, fault.Unauthenticated) {
		return err
	}
	return nil
}

// eventWriter writes server-sent events, each flushed at once. The response
// begins with the first of them.
type eventWriter struct {
	c        echo.Context
	logger   *slog.Logger
	patience time.Duration           // how long a client may take to read a chunk
	end      context.CancelCauseFunc // gives the run up
	mu       sync.Mutex
	started  bool
	stalled  bool // the client did not take a chunk
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

// write sends a chunk. A client that does not take it, or has gone, ends the run.
func (w *eventWriter) write(chunk []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stalled {
		return
	}
	if !w.started {
		w.started = true
		h := w.c.Response().Header()
		h.Set(echo.HeaderContentType, "text/event-stream")
		h.Set("X-Accel-Buffering", "no") // nginx would hold the stream back
		w.c.Response().WriteHeader(http.StatusOK)
	}
	response := http.NewResponseController(w.c.Response())
	err := response.SetWriteDeadline(time.Now().Add(w.patience))
	if err == nil {
		_, err = w.c.Response().Write(chunk)
	}
	if err == nil {
		err = response.Flush()
	}
	if err == nil {
		err = response.SetWriteDeadline(time.Time{}) // HTTP/2 would end a stream that is silent
	}
	if err != nil {
		w.stalled = true
		w.end(fmt.Errorf("the client does not take the answer: %w", err))
	}
}

// finish bounds what is still to be written when the handler has returned: on
// HTTP/1 the end of the body.
func (w *eventWriter) finish() {
	if w.c.Request().ProtoMajor == 1 {
		_ = http.NewResponseController(w.c.Response()).SetWriteDeadline(time.Now().Add(w.patience))
	}
}

// beat writes a comment now and then, and calls check, until it is stopped.
func (w *eventWriter) beat(ctx context.Context, every time.Duration, check func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ticker := time.NewTicker(every)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-ticker.C:
				w.write([]byte(": still waiting\n\n"))
				check(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		ticker.Stop()
		cancel()
		wg.Wait()
	}
}
