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

// answerEvents returns what run returns. If the client asks for events, it answers with
// those that run sends, and then with one of the name last, which has what run returns.
// Otherwise run gets no function to send with.
func (a *API) answerEvents(c echo.Context, last string, run func(ctx context.Context, send sendEvent) (any, error)) (any, error) {
	if !wantsEvents(c.Request()) {
		return run(c.Request().Context(), nil)
	}
	return nil, a.streamEvents(c, func(ctx context.Context, events *eventWriter) error {
		result, err := run(ctx, events.send)
		if err == nil {
			events.send(last, result)
		}
		return err
	})
}

// streamEvents answers with server-sent events (WHATWG HTML, section 9.2), which run
// sends. If run fails, it answers with a problem document, or with an `error` event that
// contains it if the stream has begun.
//
// The token is checked again at intervals. If it was revoked or has expired, the run is
// canceled and the stream ends with an `error`. The run is also canceled if the client
// doesn't read a chunk within a heartbeat.
func (a *API) streamEvents(c echo.Context, run func(ctx context.Context, events *eventWriter) error) error {
	ctx, end := context.WithCancelCause(c.Request().Context())
	defer end(nil)
	events := &eventWriter{c: c, logger: a.Logger, patience: a.Heartbeat, end: end, written: time.Now()}
	err := func() error {
		// The heartbeat stops when the run ends. Otherwise a beat between the check
		// below and the problem document would begin the stream.
		defer a.keepChecking(ctx, c, end, events.beat)()
		return run(ctx, events)
	}()
	err = endedBy(ctx, err)
	switch {
	case err == nil:
	case !c.Response().Committed:
		return err
	case errors.Is(err, context.Canceled):
		stateOf(c).err = err // the client has gone, or doesn't read
	default:
		failure := toFault(err)
		events.send("error", problemOf(failure, c))
		stateOf(c).err = failure
	}
	if c.Request().ProtoMajor == 1 { // limit the time for the end of the body, which follows
		_ = http.NewResponseController(c.Response()).SetWriteDeadline(time.Now().Add(a.Heartbeat))
	}
	return nil
}

// recheckEvery is how often the token of a request that takes long is checked again.
const recheckEvery = time.Second

// keepChecking calls each and checks the token of a request again, at intervals until it
// is stopped. If the token was revoked or has expired, it ends the request.
func (a *API) keepChecking(ctx context.Context, c echo.Context, end context.CancelCauseFunc, each func()) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ticker := time.NewTicker(min(recheckEvery, a.Heartbeat))
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-ticker.C:
				each()
				if err := a.checkAgain(ctx, c); err != nil {
					end(err)
				}
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

// sendEvent sends an event with data as JSON. It can be called concurrently.
type sendEvent func(event string, data any)

// eventWriter writes server-sent events and flushes each. The first event begins
// the response.
type eventWriter struct {
	c        echo.Context
	logger   *slog.Logger
	patience time.Duration           // how long a client may take to read a chunk
	end      context.CancelCauseFunc // cancels the run
	mu       sync.Mutex
	written  time.Time // when the last chunk was written
	stalled  bool      // the client didn't read a chunk
}

func (w *eventWriter) send(event string, data any) { w.sendWithID("", event, data) }

// sendWithID sends an event with an id, with which a client can resume the stream.
func (w *eventWriter) sendWithID(id, event string, data any) {
	var chunk bytes.Buffer
	chunk.WriteString("event: " + event)
	if id != "" {
		chunk.WriteString("\nid: " + id)
	}
	chunk.WriteString("\ndata: ")
	if err := encodeJSON(&chunk, data); err != nil { // ends with a newline
		w.logger.Error("could not encode an event", slog.String("request_id", requestID(w.c)), slog.Any("error", err))
		return
	}
	chunk.WriteString("\n")
	w.write(chunk.Bytes())
}

// sendID sends an id without an event.
func (w *eventWriter) sendID(id string) { w.write([]byte("id: " + id + "\n\n")) }

// beat sends a comment if nothing was sent for a while.
func (w *eventWriter) beat() {
	w.mu.Lock()
	silent := time.Since(w.written) >= w.patience
	w.mu.Unlock()
	if silent {
		w.write([]byte(": still waiting\n\n"))
	}
}

// write sends a chunk. If the client has gone or doesn't read it, the run ends.
func (w *eventWriter) write(chunk []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stalled {
		return
	}
	if !w.c.Response().Committed {
		h := w.c.Response().Header()
		h.Set(echo.HeaderContentType, "text/event-stream")
		h.Set("X-Accel-Buffering", "no") // or nginx would buffer the stream
		w.c.Response().WriteHeader(http.StatusOK)
	}
	response := http.NewResponseController(w.c.Response())
	w.written = time.Now()
	err := response.SetWriteDeadline(w.written.Add(w.patience))
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
