package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// service is the API of an upstream: JSON over HTTP. Its client authenticates the
// requests, and records them in the exchange of their context.
type service struct{ http *http.Client }

type authenticator struct {
	http.RoundTripper
	sign func(*http.Request) error
}

// RoundTrip implements [http.RoundTripper].
func (a authenticator) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	if err := a.sign(req); err != nil {
		return nil, err
	}
	return a.RoundTripper.RoundTrip(req)
}

func authenticated(client *http.Client, sign func(*http.Request) error) *http.Client {
	return &http.Client{Transport: authenticator{client.Transport, sign}, CheckRedirect: client.CheckRedirect}
}

func withHeader(client *http.Client, name, value string) *http.Client {
	return authenticated(client, func(req *http.Request) error {
		req.Header.Set(name, value)
		return nil
	})
}

// newHTTPClient returns the client for all calls of an upstream. It records them in
// the exchange of their context, limits what is read, and follows no redirects.
func newHTTPClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     recorder{transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// call makes a call with a JSON body, or without a body if it is nil.
func (s service) call(ctx context.Context, method, address string, body any) (*http.Response, error) {
	var payload []byte
	if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(payload))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return s.http.Do(req)
}

func (s service) list(ctx context.Context, address string, into any) error {
	res, err := s.call(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if err := checkStatus(res); err != nil {
		return err
	}
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

// prompt sends a prompt and reads the answer; see [readAnswer].
func (s service) prompt(ctx context.Context, p prompt, address string, sent, body map[string]any, read reader) (answer, error) {
	res, err := s.call(ctx, http.MethodPost, address, body)
	if err != nil {
		return answer{}, err
	}
	return readAnswer(ctx, p, sent, res, read)
}

// maxPages limits the calls of one discovery, because some upstreams return pages
// without end.
const maxPages = 10

// readPages reads a list of models page by page. address is that of the first page, with a
// query; the cursor that read returns with the models of a page is added to it, as the
// parameter of that name. The cursor after the last page is empty.
func readPages[P any](ctx context.Context, s service, address, parameter string,
	read func(page P) (models []DiscoveredModel, cursor string, err error),
) (Discovery, error) {
	d := Discovery{Supported: true}
	next := address
	for range maxPages {
		var page P
		if err := s.list(ctx, next, &page); err != nil {
			return Discovery{}, err
		}
		models, cursor, err := read(page)
		if err != nil {
			return Discovery{}, err
		}
		d.Models = append(d.Models, models...)
		if cursor == "" {
			return d, nil
		}
		if len(d.Models) >= MaxDiscovered {
			break
		}
		next = address + "&" + parameter + "=" + url.QueryEscape(cursor)
	}
	d.Truncated = true
	return d, nil
}
