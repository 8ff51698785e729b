package api

import (
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// timestamp is a time in an answer: UTC, RFC 3339 with milliseconds.
type timestamp time.Time

const timestampLayout = "2006-01-02T15:04:05.000Z"

// MarshalText writes the time.
func (t timestamp) MarshalText() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, timestampLayout), nil
}

// created answers 201 with a new resource and its Location.
func (a *API) created(c echo.Context, path string, version int64, body any) error {
	c.Response().Header().Set(echo.HeaderLocation, a.BasePath+path)
	return versioned(c, http.StatusCreated, version, body)
}

// versioned answers a resource with its version as the ETag.
func versioned(c echo.Context, status int, version int64, body any) error {
	c.Response().Header().Set("ETag", etag(version))
	return c.JSON(status, body)
}

// mapped returns the elements of a list in the form of answers. It is never nil.
func mapped[T, U any](list []T, to func(T) U) []U {
	out := make([]U, len(list))
	for i, value := range list {
		out[i] = to(value)
	}
	return out
}

// names returns values of a string type as strings.
func names[T ~string](values []T) []string {
	return mapped(values, func(v T) string { return string(v) })
}

func timestampOrNull(t *time.Time) *timestamp {
	if t == nil {
		return nil
	}
	at := timestamp(*t)
	return &at
}

// serializer replaces Echo's, which escapes <, > and &.
type serializer struct{ echo.DefaultJSONSerializer }

// Serialize writes a value as one line of JSON.
func (serializer) Serialize(c echo.Context, value any, _ string) error {
	return encodeJSON(c.Response(), value)
}

// encodeJSON writes a value as one line of JSON, without escapes for HTML.
func encodeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
