package apitest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"modelproviders/pkg/auth"
)

// Object is a JSON object.
type Object = map[string]any

// List is a JSON array.
type List = []any

// Secret is part of every credential of the fixtures of this package. It must not be
// in any answer except that of a reveal, and in no line of the log.
const Secret = "canary-4f1d"

// Client calls a service as one principal, for one test. The test fails if an
// exchange is not as documented.
type Client struct {
	Token     string // if empty, none is sent
	Workspace string

	t testing.TB
	s *Server
}

// With returns a client for another token.
func (c *Client) With(token string) *Client {
	return &Client{Token: token, Workspace: c.Workspace, t: c.t, s: c.s}
}

// As returns a client for a principal with another role in the same workspace.
func (c *Client) As(role auth.Role) *Client {
	c.t.Helper()
	return c.With(c.s.NewToken(c.t, c.Workspace, role))
}

// In returns a client for the same principal and another test.
func (c *Client) In(t testing.TB) *Client {
	return &Client{Token: c.Token, Workspace: c.Workspace, t: t, s: c.s}
}

// Edit changes a request before it is sent.
type Edit func(*http.Request)

// Header sets a header, or removes it if the value is empty.
func Header(name, value string) Edit {
	return func(r *http.Request) {
		if value == "" {
			r.Header.Del(name)
			return
		}
		r.Header.Set(name, value)
	}
}

// IfMatch sends a version in the form of an ETag.
func IfMatch(version int64) Edit { return Header("If-Match", etag(version)) }

// Chunked sends the body without its length.
func Chunked(r *http.Request) {
	r.ContentLength = -1
	r.Body = io.NopCloser(r.Body)
	r.GetBody = nil
}

// Get calls GET.
func (c *Client) Get(path string, edits ...Edit) *Answer {
	c.t.Helper()
	return c.Do(http.MethodGet, path, nil, edits...)
}

// Post calls POST.
func (c *Client) Post(path string, body any, edits ...Edit) *Answer {
	c.t.Helper()
	return c.Do(http.MethodPost, path, body, edits...)
}

// Patch calls PATCH.
func (c *Client) Patch(path string, body any, edits ...Edit) *Answer {
	c.t.Helper()
	return c.Do(http.MethodPatch, path, body, edits...)
}

// Delete calls DELETE.
func (c *Client) Delete(path string, edits ...Edit) *Answer {
	c.t.Helper()
	return c.Do(http.MethodDelete, path, nil, edits...)
}

// Do calls the service. A body that is a string is sent unchanged, nil is not sent,
// and any other body is sent as JSON.
func (c *Client) Do(method, path string, body any, edits ...Edit) *Answer {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.s.URL+path, reader(c.t, body))
	if err != nil {
		c.t.Fatal(err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		request.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for _, edit := range edits {
		edit(request)
	}
	response, err := c.s.http.Do(request)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatalf("%s %s: read the answer: %v", method, path, err)
	}
	if bytes.Contains(text, []byte(Secret)) && !strings.HasSuffix(request.URL.Path, "/reveal") {
		c.t.Fatalf("%s %s answers a secret: %s", method, path, text)
	}
	return &Answer{
		Status: response.StatusCode, Header: response.Header, Body: string(text),
		call: method + " " + path, instance: request.URL.EscapedPath(), t: c.t,
	}
}

func reader(t testing.TB, body any) io.Reader {
	t.Helper()
	switch body := body.(type) {
	case nil:
		return nil
	case string:
		return strings.NewReader(body)
	default:
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.NewReader(text)
	}
}
