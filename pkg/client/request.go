package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// maxBody limits a response: a page of 100 providers with 500 models each is about
// 25 MB.
const maxBody = 128 << 20

const (
	mediaJSON   = "application/json"
	mediaEvents = "text/event-stream"
)

// CallOption changes one call.
type CallOption func(*request)

// IfVersion makes a deletion fail with [ProblemCodeVersionMismatch] if the resource has
// another version. Edits have a field for it, such as [ProviderUpdate.Version].
func IfVersion(version int64) CallOption {
	return func(r *request) { r.header.Set("If-Match", strconv.Quote(strconv.FormatInt(version, 10))) }
}

// IdempotencyKey replaces the random key of a method that creates. Two calls with the same
// key within 24 hours create once, also if they are made by different processes.
func IdempotencyKey(key string) CallOption {
	return func(r *request) { r.header.Set("Idempotency-Key", key) }
}

// Force makes an edit or a deletion remove and disable models, and their provider, also if
// they have references. Without it, the problem is [ProblemCodeInUse].
func Force() CallOption {
	return func(r *request) { r.params = map[string]bool{"force": true} }
}

// request is a request of the API, which can be sent several times.
type request struct {
	method string
	path   []string
	params any    // query parameters: a struct, or a map
	cursor string // replaces the one of params
	body   any    // is sent as JSON
	header http.Header
	once   bool // is not sent again
}

func get(path ...string) request             { return newRequest(http.MethodGet, nil, path) }
func post(body any, path ...string) request  { return newRequest(http.MethodPost, body, path) }
func patch(body any, path ...string) request { return newRequest(http.MethodPatch, body, path) }
func put(body any, path ...string) request   { return newRequest(http.MethodPut, body, path) }

func newRequest(method string, body any, path []string) request {
	header := http.Header{"Accept": {mediaJSON}, "User-Agent": {"modelproviders-go"}}
	if body != nil {
		header.Set("Content-Type", mediaJSON)
	}
	return request{method: method, path: path, body: body, header: header}
}

// query adds query parameters.
func (r request) query(params any) request {
	r.params = params
	return r
}

// with applies options.
func (r request) with(options []CallOption) request {
	for _, option := range options {
		option(&r)
	}
	return r
}

// creates makes it safe to send the request again. All attempts have the same key.
func (r request) creates(options []CallOption) request {
	r.header.Set("Idempotency-Key", rand.Text())
	return r.with(options)
}

// address returns the URL.
func (r request) address(base string) (string, error) {
	var address strings.Builder
	address.WriteString(base)
	for _, segment := range r.path {
		// Such a segment would address another resource.
		if segment == "" || segment == "." || segment == ".." {
			return "", fmt.Errorf("%s /%s: %q is not an id", r.method, strings.Join(r.path, "/"), segment)
		}
		address.WriteString("/" + url.PathEscape(segment))
	}
	query, err := r.queryValues()
	if len(query) > 0 {
		address.WriteString("?" + query.Encode())
	}
	return address.String(), err
}

// queryValues returns the query parameters. The JSON of params has their names and forms.
func (r request) queryValues() (url.Values, error) {
	text, err := json.Marshal(r.params)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&fields); err != nil {
		return nil, err
	}
	query := url.Values{}
	for name, value := range fields {
		query.Set(name, fmt.Sprint(value))
	}
	if r.cursor != "" {
		query.Set("cursor", r.cursor)
	}
	return query, nil
}

// delete sends a request to delete what is at a path.
func (c *Client) delete(ctx context.Context, options []CallOption, path ...string) error {
	_, err := send[struct{}](ctx, c, newRequest(http.MethodDelete, nil, path).with(options))
	return err
}

// send returns the content of the response to a request.
func send[T any](ctx context.Context, c *Client, r request) (content T, err error) {
	response, err := c.do(ctx, r)
	if err != nil {
		return content, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNoContent {
		return content, nil
	}
	if err := expect(response, mediaJSON); err != nil {
		return content, err
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxBody)).Decode(&content); err != nil {
		return content, fmt.Errorf("read the response to %s: %w", name(response), err)
	}
	return content, nil
}

// download returns the body of a response of any media type.
func (c *Client) download(ctx context.Context, path ...string) ([]byte, error) {
	response, err := c.do(ctx, get(path...))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("read the response to %s: %w", name(response), err)
	}
	return content, nil
}

// expect returns an error if a response has another media type, such as that of a web
// page at a wrong URL.
func expect(response *http.Response, media string) error {
	given, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil || given != media {
		return fmt.Errorf("the response to %s is not %s but %q; check the URL of the service",
			name(response), media, response.Header.Get("Content-Type"))
	}
	return nil
}

// name describes the request of a response in errors.
func name(response *http.Response) string {
	return response.Request.Method + " " + response.Request.URL.Redacted()
}
