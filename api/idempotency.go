package api

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"regexp"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

const (
	headerIfMatch             = "If-Match"
	headerIdempotencyKey      = "Idempotency-Key"
	headerIdempotencyReplayed = "Idempotency-Replayed"
)

// idempotencyKeyForm is the form of a key: printable ASCII.
var idempotencyKeyForm = regexp.MustCompile(`^[ -~]{1,255}$`)

// idempotent makes a handler idempotent for requests with an Idempotency-Key. The
// handler and the stored answer are one transaction. The handler must answer
// through the context that it gets, and with JSON.
func (a *API) idempotent(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		given := c.Request().Header.Values(headerIdempotencyKey)
		if len(given) == 0 {
			return next(c)
		}
		if len(given) > 1 || !idempotencyKeyForm.MatchString(given[0]) {
			faults := fault.Fields{{Name: headerIdempotencyKey, Code: fault.Invalid, Message: "must be one value of 1 to 255 printable ASCII characters"}}
			return faults.Err(fault.MalformedRequest, "The Idempotency-Key header is invalid; see errors.")
		}
		body, err := readBody(c)
		if err != nil {
			return err
		}
		p, r := principal(c), c.Request()
		key := registry.IdempotencyKey{Workspace: p.Workspace, Principal: p.Kind + ":" + p.Subject, Method: r.Method, Path: r.URL.Path, Key: given[0]}
		answer, replayed, err := a.Idempotency.Do(r.Context(), key, body, func(ctx context.Context) (registry.Answer, error) {
			return capture(ctx, c, next)
		})
		if err != nil {
			return err
		}
		h := c.Response().Header()
		for name, value := range answer.Header {
			h.Set(name, value)
		}
		if replayed {
			h.Set(headerIdempotencyReplayed, "true")
		}
		c.Response().WriteHeader(answer.Status)
		_, err = c.Response().Write(answer.Body)
		return err
	}
}

// captured records an answer instead of sending it.
type captured struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements [http.ResponseWriter].
func (w *captured) Header() http.Header { return w.header }

// WriteHeader implements [http.ResponseWriter].
func (w *captured) WriteHeader(status int) { w.status = status }

// Write implements [http.ResponseWriter].
func (w *captured) Write(b []byte) (int, error) { return w.body.Write(b) }

// capture runs a handler in a context and returns its answer. The body of the
// request must have been read; see [readBody].
func capture(ctx context.Context, c echo.Context, handler echo.HandlerFunc) (registry.Answer, error) {
	sent, request := c.Response(), c.Request()
	w := &captured{header: http.Header{}}
	c.SetResponse(echo.NewResponse(w, c.Echo()))
	c.SetRequest(request.WithContext(ctx))
	defer func() {
		c.SetResponse(sent)
		c.SetRequest(request)
	}()
	if err := handler(c); err != nil {
		maps.Copy(sent.Header(), w.header) // such as Accept-Patch
		return registry.Answer{}, err
	}
	header := map[string]string{}
	for name := range w.header {
		header[name] = w.header.Get(name)
	}
	return registry.Answer{Status: w.status, Header: header, Body: w.body.Bytes()}, nil
}
