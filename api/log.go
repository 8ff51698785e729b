package api

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
)

// logRequest logs each request. It logs the route, not the URL, because clients
// may put secrets in a URL.
func (a *API) logRequest(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := time.Now()
		if err := next(c); err != nil {
			c.Error(err)
		}
		attrs := []slog.Attr{
			slog.String("request_id", requestID(c)),
			slog.String("method", c.Request().Method),
			slog.String("route", c.Path()),
			slog.Int("status", c.Response().Status),
			slog.Duration("duration", time.Since(began)),
			slog.Int64("bytes", c.Response().Size),
			slog.String("client_ip", c.RealIP()),
		}
		if p := principal(c); p.Subject != "" {
			attrs = append(attrs, slog.String("principal", p.Subject), slog.String("workspace", p.Workspace))
		}
		attrs = append(attrs, stateOf(c).call...)
		err := stateOf(c).err
		f := fault.As(err)
		level := a.levelOf(c, f)
		switch {
		case f == nil && err != nil:
			attrs = append(attrs, slog.Bool("client_gone", true))
		case f != nil:
			attrs = append(attrs, slog.String("code", string(f.Kind)))
			if level == slog.LevelError || f.Kind == fault.Unauthenticated {
				attrs = append(attrs, slog.String("cause", f.Error()))
			}
		}
		a.Logger.LogAttrs(c.Request().Context(), level, "request", attrs...)
		return nil
	}
}

// levelOf returns the level of the log line of a request. A failure of an upstream is
// no error of this service.
func (a *API) levelOf(c echo.Context, f *fault.Error) slog.Level {
	route := strings.TrimPrefix(c.Path(), a.BasePath)
	switch {
	case f != nil && f.Kind != fault.UpstreamFailed && answers[f.Kind].status >= http.StatusInternalServerError:
		return slog.LevelError
	case f == nil && slices.Contains([]string{"/healthz", "/readyz", "/metrics"}, route):
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// logCall adds a call to an upstream to the log line of the request: of which provider
// or type it was, and how it ended. The line has nothing that a user or an upstream wrote.
func logCall(c echo.Context, providerID string, success bool, attrs ...slog.Attr) {
	attrs = append(attrs, slog.String("outcome", testStatus(success)))
	if providerID != "" {
		attrs = append(attrs, slog.String("provider_id", providerID))
	} else {
		attrs = append(attrs, slog.String("provider_type", c.Param("type")))
	}
	stateOf(c).call = attrs
}

// logFailure is [logCall] for a call that failed unless failure is nil.
func logFailure(c echo.Context, providerID string, failure *provider.Failure, attrs ...slog.Attr) {
	if failure != nil {
		attrs = append(attrs, slog.String("kind", string(failure.Kind)))
	}
	logCall(c, providerID, failure == nil, attrs...)
}
