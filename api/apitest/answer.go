package apitest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// Answer is an answer of the service. Its methods fail the test of the client if the
// answer is not the expected one.
type Answer struct {
	Status int
	Header http.Header
	Body   string

	call     string // for messages
	instance string
	t        testing.TB
}

// Is checks the status.
func (a *Answer) Is(status int) *Answer {
	a.t.Helper()
	if a.Status != status {
		a.t.Fatalf("%s is answered with %d, not %d: %s", a.call, a.Status, status, a.excerpt())
	}
	return a
}

// Has checks the value of a header. An empty value means that there must be no such
// header.
func (a *Answer) Has(header, value string) *Answer {
	a.t.Helper()
	if got := strings.Join(a.Header.Values(header), ", "); got != value {
		a.t.Errorf("%s is answered with %s: %q, not %q", a.call, header, got, value)
	}
	return a
}

// Into decodes a body that has no unknown field.
func (a *Answer) Into(dst any) {
	a.t.Helper()
	decoder := json.NewDecoder(strings.NewReader(a.Body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(dst); err != nil {
		a.t.Fatalf("%s is answered with what is no %T: %v: %s", a.call, dst, err, a.excerpt())
	}
}

// Object decodes a body into a map. Numbers remain text.
func (a *Answer) Object() Object {
	a.t.Helper()
	decoder := json.NewDecoder(strings.NewReader(a.Body))
	decoder.UseNumber()
	var object Object
	if err := decoder.Decode(&object); err != nil {
		a.t.Fatalf("%s is answered with what is no object: %v: %s", a.call, err, a.excerpt())
	}
	return object
}

// problem is a problem document (RFC 9457) as the contract describes it.
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Instance  string `json:"instance"`
	Code      string `json:"code"`
	RequestID string `json:"request_id"`
	Errors    []struct {
		Field   string `json:"field"`
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"errors"`
	Upstream Object `json:"upstream"`
	InUse
}

// InUse is what depends on models that a request would remove or disable.
type InUse struct {
	References []ReferenceInUse `json:"references"`
	Count      int              `json:"reference_count"`
}

// ReferenceInUse is one thing that depends on a model.
type ReferenceInUse struct {
	ID      string `json:"id"`
	ModelID string `json:"model_id"`
	Ref     string `json:"ref"`
	Label   string `json:"label"`
	URL     string `json:"url"`
}

// Problem checks that the answer is a problem document with a status, a code and
// exactly these invalid fields, each written `name code`. It returns the detail.
func (a *Answer) Problem(status int, code string, fields ...string) string {
	a.t.Helper()
	a.Is(status).Has("Content-Type", "application/problem+json")
	var p problem
	a.Into(&p)
	if p.Code != code {
		a.t.Errorf("%s is refused as %s, not %s: %s", a.call, p.Code, code, a.Body)
	}
	if p.Status != status || p.Instance != a.instance || p.RequestID != a.Header.Get("X-Request-Id") {
		a.t.Errorf("%s is refused with status %d, instance %q, request_id %q, which are not those of the exchange (X-Request-Id %q)",
			a.call, p.Status, p.Instance, p.RequestID, a.Header.Get("X-Request-Id"))
	}
	if p.Type == "" || p.Title == "" || p.Detail == "" || strings.Contains(p.Type, " ") {
		a.t.Errorf("%s is refused without type, title or detail: %s", a.call, a.Body)
	}
	var got []string
	for _, e := range p.Errors {
		got = append(got, e.Field+" "+e.Code)
		if e.Message == "" {
			a.t.Errorf("%s refuses the field %s without a message", a.call, e.Field)
		}
	}
	slices.Sort(got)
	slices.Sort(fields)
	if !slices.Equal(got, fields) {
		a.t.Errorf("%s is refused for\n  %s\nnot for\n  %s", a.call, strings.Join(got, "\n  "), strings.Join(fields, "\n  "))
	}
	return p.Detail
}

// InUse is Problem for what is in use. It returns what uses it.
func (a *Answer) InUse() InUse {
	a.t.Helper()
	a.Problem(http.StatusConflict, "in_use")
	var p problem
	a.Into(&p)
	return p.InUse
}

// excerpt returns the beginning of the body, for messages.
func (a *Answer) excerpt() string {
	const limit = 1000
	if len(a.Body) <= limit {
		return a.Body
	}
	return a.Body[:limit] + "…"
}

// RequestID returns the id of the request in the log.
func (a *Answer) RequestID() string { return a.Header.Get("X-Request-Id") }

func etag(version int64) string { return fmt.Sprintf(`"%d"`, version) }
