package apitest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// RoundTripper checks every exchange that goes through base. One that is not as
// documented is an error of the round trip, or, within a stream of events, of
// reading the body. basePath is the prefix under which the API is mounted.
func (c *Checker) RoundTripper(base http.RoundTripper, basePath string) http.RoundTripper {
	return roundTripper{c, base, basePath}
}

type roundTripper struct {
	checker  *Checker
	base     http.RoundTripper
	basePath string
}

// RoundTrip implements http.RoundTripper.
func (t roundTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	sent := &recorder{}
	response, err := t.base.RoundTrip(sent.listen(request))
	if err != nil {
		return nil, err
	}
	path, mounted := strings.CutPrefix(request.URL.EscapedPath(), t.basePath)
	if !mounted {
		path = "" // fits no operation
	}
	x := &exchange{
		method: request.Method, path: path, query: request.URL.Query(), instance: request.URL.EscapedPath(),
		requestMedia: mediaOf(request.Header), requestBody: sent.bytes(),
		status: response.StatusCode, header: response.Header, media: mediaOf(response.Header),
	}
	if x.media != mediaEvents {
		if x.body, err = io.ReadAll(response.Body); err != nil {
			return nil, errors.Join(err, response.Body.Close())
		}
		response.Body = readCloser{bytes.NewReader(x.body), response.Body}
	}
	name := fmt.Sprintf("%s %s is answered with %d", x.method, x.instance, x.status)
	events, err := t.checker.check(x)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), response.Body.Close())
	}
	if events != nil {
		response.Body = &eventBody{ReadCloser: response.Body, name: name, checker: eventChecker{schema: events}}
	}
	return response, nil
}

type readCloser struct {
	io.Reader
	io.Closer
}

// eventBody checks a stream while it is read, and holds nothing back.
type eventBody struct {
	io.ReadCloser
	name    string
	checker eventChecker
}

// Read implements io.Reader.
func (b *eventBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	_, fault := b.checker.Write(p[:n])
	if fault == nil && errors.Is(err, io.EOF) {
		fault = b.checker.end()
	}
	if fault != nil {
		return n, fmt.Errorf("%s: %w", b.name, fault)
	}
	return n, err
}

// recorder keeps what is read of a request's body. The transport may still read
// it when the response is there.
type recorder struct {
	mu   sync.Mutex
	read bytes.Buffer
}

// listen returns the request with a body that is recorded.
func (r *recorder) listen(request *http.Request) *http.Request {
	if request.Body == nil || request.Body == http.NoBody {
		return request
	}
	out := request.Clone(request.Context())
	out.Body = readCloser{io.TeeReader(request.Body, r), request.Body}
	if request.GetBody != nil {
		out.GetBody = func() (io.ReadCloser, error) { // sent again, from its beginning
			body, err := request.GetBody()
			if err != nil {
				return nil, err
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.read.Reset()
			return readCloser{io.TeeReader(body, r), body}, nil
		}
	}
	return out
}

// Write implements io.Writer.
func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.read.Write(p)
}

func (r *recorder) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.read.Bytes())
}
