package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"modelproviders/pkg/secret"
	"modelproviders/pkg/version"
)

const (
	sendTimeout    = 15 * time.Second
	maxAnswerBytes = 64 << 10 // read so that the connection can be used again
)

// Receiver is the service that messages are sent to.
type Receiver struct {
	url     string
	signers []*standardwebhooks.Webhook
	http    *http.Client
}

// NewReceiver returns a receiver. Every secret signs each message, so that they can be
// replaced one after the other. The transport must reach the address.
func NewReceiver(address string, secrets secret.Text, transport http.RoundTripper) (*Receiver, error) {
	if err := CheckURL(address); err != nil {
		return nil, err
	}
	signers, err := signers(secrets)
	if err != nil {
		return nil, err
	}
	return &Receiver{url: address, signers: signers, http: &http.Client{
		Transport: transport, Timeout: sendTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// refusal is an answer that does not accept a message.
type refusal struct {
	status     int
	retryAfter time.Duration // the least time until the next attempt; 0: not given
}

// Error implements error.
func (r *refusal) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the receiver answered with status %d %s", r.status, http.StatusText(r.status)))
}

// send sends a message once. It returns nil if the receiver accepted it, and a
// *[refusal] if it answered something else. Errors do not contain the address, which may
// have a secret in its query.
func (r *Receiver) send(ctx context.Context, id string, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("could not make a request from the URL")
	}
	if err := r.sign(request.Header, id, body); err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "modelproviders/"+version.Read().Version)
	response, err := r.http.Do(request)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return err
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.CopyN(io.Discard, response.Body, maxAnswerBytes) // the status says everything
	if response.StatusCode >= 200 && response.StatusCode <= 299 {
		return nil
	}
	return &refusal{status: response.StatusCode, retryAfter: retryAfter(response.Header)}
}

func (r *Receiver) sign(header http.Header, id string, body []byte) error {
	now := time.Now()
	var signatures []string
	for _, signer := range r.signers {
		signature, err := signer.Sign(id, now, body)
		if err != nil {
			return err
		}
		signatures = append(signatures, signature)
	}
	header.Set(standardwebhooks.HeaderWebhookID, id)
	header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return nil
}

// retryAfter reads the Retry-After header (RFC 9110, section 10.2.3).
func retryAfter(header http.Header) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
