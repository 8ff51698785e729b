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

// stream answers with server-sent events (WHATWG HTML, section 9.2), which run sends.
// If run fails, it answers with a problem document, or with an `error` event that
// contains it if the stream has begun.
//
// With each heartbeat the token is checked again. If it was revoked or has expired,
// the run is canceled and the stream ends with an `error`. The run is also canceled if
// the client doesn't read a chunk within a heartbeat.
func (a *API) stream(c echo.Context, run func(ctx context.Context, send sendEvent) error) error {
	ctx, end := context.WithCancelCause(c.Request().Context())
	defer end(nil)
	events := &eventWriter{c: c, logger: a.Logger, patience: a.Heartbeat, end: end}
	check := func(ctx context.Context) {
		if err := a.checkAgain(ctx, c); err != nil {
			end(err)
		}
	}
	err := func() error {
		// The heartbeat stops when the run ends. Otherwise a beat between the check
		// below and the problem document would begin the stream.
		defer events.beat(ctx, a.Heartbeat, check)()
		return run(ctx, events.send)
	}()
	err = endedBy(ctx, err)
	switch {
	case err == nil:
	case !events.begun():
		return err
	case errors.Is(err, context.Canceled):
		c.Set(keyError, err) // the client has gone, or doesn't read
	default:
		failure := toFault(err)
		events.send("error", problemOf(failure, c))
		c.Set(keyError, failure)
	}
	events.finish()
	return nil
}

// sendEvent sends an event with data as JSON. It can be called concurrently.
type sendEvent func(event string, data any)

// checkAgain returns unauthenticated if the token of a request was revoked or has
// expired since the request began. If the check fails, the token counts as valid.
func (a *API) checkAgain(ctx context.Context, c echo.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.Heartbeat)
	defer cancel()
	if _, err := a.Authenticator.Authenticate(ctx, bearerOf(c.Request())); fault.Is(err, fault.Unauthenticated) {
		return err
	}
	return nil
}

// eventWriter writes server-sent events and flushes each. The first event begins
// the response.
type eventWriter struct {
	c        echo.Context
	logger   *slog.Logger
	patience time.Duration           // how long a client may take to read a chunk
	end      context.CancelCauseFunc // cancels the run
	mu       sync.Mutex
	started  bool
	stalled  bool // the client didn't read a chunk
}

func (w *eventWriter) send(event string, data any) {
	var chunk bytes.Buffer
	chunk.WriteString("event: " + event + "\ndata: ")
	if err := encodeJSON(&chunk, data); err != nil { // ends with a newline
		w.logger.Error("could not encode an event", slog.String("request_id", requestID(w.c)), slog.Any("error", err))
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

// write sends a chunk. If the client has gone or doesn't read it, the run ends.
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
		h.Set("X-Accel-Buffering", "no") // or nginx would buffer the stream
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
		err = response.SetWriteDeadline(time.Time{}) // or HTTP/2 would end a silent stream
	}
	if err != nil {
		w.stalled = true
		w.end(fmt.Errorf("the client does not read the response: %w", err))
	}
}

// finish limits the time for what is written after the handler has returned: on
// HTTP/1, the end of the body.
func (w *eventWriter) finish() {
	if w.c.Request().ProtoMajor == 1 {
		_ = http.NewResponseController(w.c.Response()).SetWriteDeadline(time.Now().Add(w.patience))
	}
}

// beat writes a comment and calls check at intervals, until it is stopped.
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
