package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// service is the API of an upstream: JSON over HTTP.
type service struct {
	// http records every call in the exchange of its context.
	http *http.Client
	// sign adds to a request with that body what authenticates it.
	sign func(req *http.Request, body []byte) error
	// refused is called with a request that was answered with 401, unless it is
	// nil.
	refused func(req *http.Request)
}

// withHeader authenticates requests with a header. It holds one copy of the
// value for all of them.
func withHeader(name, value string) func(*http.Request, []byte) error {
	return func(req *http.Request, _ []byte) error {
		req.Header.Set(name, value)
		return nil
	}
}

// newHTTPClient makes the client for all calls of an upstream: it records them in
// the exchange of their context, bounds what is read, and follows no redirect.
func newHTTPClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     recorder{transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// call makes a call with a JSON body, or with none where it is nil. A status
// that is no success is an error, of which the exchange has the rest.
func (s service) call(ctx context.Context, method, url string, body any) (*http.Response, error) {
	var payload []byte
	if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(payload))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if err := s.sign(req, payload); err != nil {
		return nil, err
	}
	res, err := s.send(req, s.http.Do)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		_ = res.Body.Close()
		return nil, fmt.Errorf("unexpected status %d", res.StatusCode)
	}
	return res, nil
}

// send sends a signed request.
func (s service) send(req *http.Request, do func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	res, err := do(req)
	if err == nil && res.StatusCode == http.StatusUnauthorized && s.refused != nil {
		s.refused(req)
	}
	return res, err
}

// authenticate is the middleware of an SDK that signs requests.
func (s service) authenticate(req *http.Request, next func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	if err := s.sign(req, nil); err != nil {
		return nil, err
	}
	return s.send(req, next)
}

// list reads a list of models.
func (s service) list(ctx context.Context, url string, into any) error {
	res, err := s.call(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return err
	case values(body) > maxListValues:
		return errTooLarge
	case holdsError(body):
		return answerError(problemOf(body))
	case json.Unmarshal(body, into) != nil:
		return errNoList
	}
	return nil
}

// prompt sends a prompt and reads the answer. sent are the parameters in the
// body, which the result reports.
func (s service) prompt(ctx context.Context, url string, sent, body map[string]any, emit func(string), r reading) (answer, error) {
	res, err := s.call(ctx, http.MethodPost, url, body)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	a, err := readAnswer(ctx, res, emit, r)
	a.sent = sent
	return a, err
}

// maxPages bounds the calls of one discovery, for upstreams whose pages never
// end.
const maxPages = 10

// readPages reads a list of models page by page. page returns the models after a
// cursor, and the next cursor; the first cursor and the one after the last are
// empty.
func readPages(page func(cursor string) (models []DiscoveredModel, next string, err error)) (Discovery, error) {
	d := Discovery{Supported: true}
	cursor := ""
	for range maxPages {
		models, next, err := page(cursor)
		if err != nil {
			return Discovery{}, err
		}
		d.Models = append(d.Models, models...)
		if next == "" {
			return d, nil
		}
		if len(d.Models) >= MaxDiscovered {
			break
		}
		cursor = next
	}
	d.Truncated = true
	return d, nil
}
