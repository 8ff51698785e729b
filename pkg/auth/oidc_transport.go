package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/time/rate"
)

const (
	issuerTimeout   = 5 * time.Second
	maxIssuerAnswer = 1 << 20

	// Tokens that name unknown keys make the issuer be asked for new ones at most
	// paceBurst times at once and then once every pace: whoever sends made-up
	// tokens must not make us flood it.
	pace      = 10 * time.Second
	paceBurst = 5
)

// errPaced is returned instead of asking the issuer for its keys again so soon.
var errPaced = errors.New("the issuer's keys were read a moment ago")

// issuerError is a call to the issuer that brought no answer that can be used.
type issuerError struct{ cause error }

func (e *issuerError) Error() string { return e.cause.Error() }
func (e *issuerError) Unwrap() error { return e.cause }

// issuerTransport carries the calls to the issuer, bounded in time and size. The
// issuer is the operator's choice, not a user's, so it may be anywhere; but its
// answers decide who gets in, so they come by https, or from this machine. Every
// failure is an [issuerError]: go-oidc quotes whole answers in its own.
type issuerTransport struct{ base http.RoundTripper }

// newIssuerTransport wraps base. Without one, calls go to the issuer directly: a
// proxy that the environment happens to name is not asked about sign-ins.
func newIssuerTransport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = &http.Transport{
			ForceAttemptHTTP2:   true,
			MaxIdleConnsPerHost: 1,
			IdleConnTimeout:     time.Minute,
			TLSHandshakeTimeout: issuerTimeout,
		}
	}
	return issuerTransport{base: base}
}

// RoundTrip implements [http.RoundTripper]. The answer is read as a whole.
func (t issuerTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	answer, err := t.fetch(req)
	if err != nil {
		return nil, &issuerError{cause: err}
	}
	return answer, nil
}

func (t issuerTransport) fetch(req *http.Request) (*http.Response, error) {
	if !secureURL(req.URL) {
		return nil, fmt.Errorf("%s is not an https URL", req.URL.Redacted())
	}
	ctx, cancel := context.WithTimeout(req.Context(), issuerTimeout)
	defer cancel()
	answer, err := t.base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxIssuerAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("the answer of %s broke off: %w", req.URL.Redacted(), err)
	}
	if err := usable(answer, body); err != nil {
		return nil, fmt.Errorf("%s %w", req.URL.Redacted(), err)
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, nil
}

// usable tells why an answer is neither a document nor a redirect to one.
func usable(answer *http.Response, body []byte) error {
	redirect := answer.StatusCode >= http.StatusMultipleChoices && answer.StatusCode < http.StatusBadRequest
	switch {
	case redirect && answer.Header.Get("Location") != "":
		return nil
	case answer.StatusCode != http.StatusOK:
		return fmt.Errorf("answered with status %d", answer.StatusCode)
	case len(body) > maxIssuerAnswer:
		return fmt.Errorf("answered with more than %d bytes", maxIssuerAnswer)
	}
	var document map[string]any
	if json.Unmarshal(body, &document) != nil {
		return fmt.Errorf("did not answer with a JSON object")
	}
	return nil
}

// pacedTransport refuses calls that come too soon after one another.
type pacedTransport struct {
	base  http.RoundTripper
	limit *rate.Limiter
	now   func() time.Time
}

func newPacedTransport(base http.RoundTripper, now func() time.Time) http.RoundTripper {
	return &pacedTransport{base: base, limit: rate.NewLimiter(rate.Every(pace), paceBurst), now: now}
}

// RoundTrip implements [http.RoundTripper].
func (t *pacedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !t.limit.AllowN(t.now(), 1) {
		return nil, errPaced
	}
	return t.base.RoundTrip(req)
}
