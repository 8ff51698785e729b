package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	firstWait = 200 * time.Millisecond // before the first retry; the next ones wait twice as long as the one before
	maxWait   = time.Minute            // a client that is asked to wait longer gives up
)

// do sends a request, again if that may help. It returns a response that is a success.
func (c *Client) do(ctx context.Context, r request) (*http.Response, error) {
	address, err := r.address(c.base)
	if err != nil {
		return nil, err
	}
	var body []byte
	if r.body != nil {
		if body, err = json.Marshal(r.body); err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
	}
	for attempt := 0; ; attempt++ {
		response, err := c.attempt(ctx, r, address, body)
		if err != nil {
			return nil, err
		}
		if response.StatusCode < http.StatusMultipleChoices {
			return response, nil
		}
		problem := readProblem(response)
		wait := backoff(problem, attempt)
		if attempt >= c.retries || !r.mayRepeat(problem) || !inTime(ctx, problem, wait) {
			return nil, problem
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w while waiting after: %w", context.Cause(ctx), problem)
		case <-time.After(wait):
		}
	}
}

func (c *Client) attempt(ctx context.Context, r request, address string, body []byte) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	httpRequest, err := http.NewRequestWithContext(ctx, r.method, address, content)
	if err != nil {
		return nil, err
	}
	httpRequest.Header = r.header.Clone()
	c.authorize(httpRequest.Header)
	return c.http.Do(httpRequest)
}

// mayRepeat tells whether another attempt may succeed and can't do harm. A request that
// was refused with 429 had no effect. One that was refused with 503 may have had one: a
// test may have called a provider, and a new token is answered only once. With 409 and
// Retry-After, an earlier attempt with the same Idempotency-Key is still running.
func (r request) mayRepeat(problem *Problem) bool {
	switch problem.Status {
	case http.StatusTooManyRequests:
		return !r.once
	case http.StatusServiceUnavailable:
		return !r.once && (r.method != http.MethodPost || r.header.Get("Idempotency-Key") != "")
	case http.StatusConflict:
		return problem.RetryAfter > 0
	}
	return false
}

// backoff returns the time before the next attempt. Clients that failed together wait for
// different times.
func backoff(problem *Problem, attempt int) time.Duration {
	wait := firstWait << min(attempt, 8)
	random := wait/2 + rand.N(wait/2) //nolint:gosec // jitter needs no secret numbers
	if problem.RetryAfter > 0 {
		return problem.RetryAfter + random/2
	}
	return random
}

// inTime tells whether the wait is bearable and ends before the deadline.
func inTime(ctx context.Context, problem *Problem, wait time.Duration) bool {
	deadline, limited := ctx.Deadline()
	return problem.RetryAfter <= maxWait && (!limited || time.Until(deadline) > wait)
}
