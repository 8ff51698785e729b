package api

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/registry"
)

// timestamp is a time in an answer: UTC, RFC 3339 with milliseconds.
type timestamp time.Time

const timestampLayout = "2006-01-02T15:04:05.000Z"

// MarshalText writes the time.
func (t timestamp) MarshalText() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, timestampLayout), nil
}

// handler handles a request. It returns the body of the answer, or nil if there is none or
// if it has answered itself.
type handler func(echo.Context) (any, error)

// created is the body of an answer to a request that created something.
type created struct {
	path string // of what was created
	body any
}

// answering answers with what a handler returns.
func (a *API) answering(handle handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		body, err := handle(c)
		if err != nil || c.Response().Committed {
			return err
		}
		answer, err := a.answerOf(body)
		if err != nil {
			return err
		}
		return send(c, answer)
	}
}

// answerOf makes the answer with what a handler returned. A body that has a revision is
// answered with its version as the ETag.
func (a *API) answerOf(body any) (registry.Answer, error) {
	answer := registry.Answer{Status: http.StatusOK, Header: map[string]string{}}
	if r, isNew := body.(created); isNew {
		answer.Status, body = http.StatusCreated, r.body
		answer.Header[echo.HeaderLocation] = a.BasePath + r.path
	}
	if r, versioned := body.(interface{ etag() string }); versioned {
		answer.Header["ETag"] = r.etag()
	}
	if body == nil {
		answer.Status = http.StatusNoContent
		return answer, nil
	}
	answer.Header[echo.HeaderContentType] = mediaJSON
	var encoded bytes.Buffer
	err := encodeJSON(&encoded, body)
	answer.Body = encoded.Bytes()
	return answer, err
}

func send(c echo.Context, answer registry.Answer) error {
	for name, value := range answer.Header {
		c.Response().Header().Set(name, value)
	}
	c.Response().WriteHeader(answer.Status)
	if len(answer.Body) == 0 { // HTTP/2 refuses even an empty body after 204
		return nil
	}
	_, err := c.Response().Write(answer.Body)
	return err
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

// orNull returns a pointer to a value, or nil for the zero value.
func orNull[T comparable](value T) *T {
	var zero T
	if value == zero {
		return nil
	}
	return &value
}

// orZero returns what a pointer points to, or the zero value for nil.
func orZero[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// encodeJSON writes a value as one line of JSON, without escapes for HTML.
func encodeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}
