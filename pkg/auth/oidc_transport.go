package auth

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	issuerTimeout   = 5 * time.Second
	maxIssuerAnswer = 1 << 20
)

// issuerTransport carries the calls to the issuer, bounded in time and size. The
// issuer is the operator's choice, not a user's, so it may be anywhere; but its
// answers decide who gets in, so they come by https, or from this machine. An
// error answer ends here, for go-oidc would quote all of it.
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
	if !secureURL(req.URL) {
		return nil, fmt.Errorf("%s is not an https URL", req.URL.Redacted())
	}
	ctx, cancel := context.WithTimeout(req.Context(), issuerTimeout)
	defer cancel()
	answer, err := t.base.RoundTrip(req.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxIssuerAnswer))
	if err != nil {
		return nil, fmt.Errorf("the answer of %s broke off: %w", req.URL.Redacted(), err)
	}
	redirect := answer.StatusCode >= http.StatusMultipleChoices && answer.StatusCode < http.StatusBadRequest
	if answer.StatusCode != http.StatusOK && !redirect {
		return nil, fmt.Errorf("%s answered with status %d", req.URL.Redacted(), answer.StatusCode)
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, nil
}
