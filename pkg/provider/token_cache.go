package provider

import (
	"context"
	"sync"
	"time"
)

const (
	// tokenMargin is how long before its end a token is renewed.
	tokenMargin = 2 * time.Minute
	// tokenReserve is how long a token must still be valid to be used.
	tokenReserve = 10 * time.Second
	// renewTimeout bounds a renewal while the old token is still valid, and renewPause is
	// the time until the next one if it failed.
	renewTimeout = 5 * time.Second
	renewPause   = 30 * time.Second
)

// tokenCache keeps the latest access token, or another credential that expires.
type tokenCache[T comparable] struct {
	fetch func(ctx context.Context) (token T, expires time.Time, err error)
	turn  chan struct{} // a semaphore of size one for fetches

	mu      sync.Mutex
	token   T
	expires time.Time
	renew   time.Time // the token is renewed at its next use after this
}

func newTokenCache[T comparable](fetch func(context.Context) (T, time.Time, error)) *tokenCache[T] {
	return &tokenCache[T]{fetch: fetch, turn: make(chan struct{}, 1)}
}

// get returns a token. One caller fetches it. The others wait for it or for the end of
// their context; if it is only a renewal, they go on with the old token, and so do all if
// the renewal fails.
func (c *tokenCache[T]) get(ctx context.Context) (T, error) {
	token, valid, due := c.cached()
	switch {
	case valid && !due:
		return token, nil
	case valid:
		select {
		case c.turn <- struct{}{}:
		default:
			return token, nil
		}
	default:
		select {
		case c.turn <- struct{}{}:
		case <-ctx.Done():
			return token, ctx.Err()
		}
	}
	defer func() { <-c.turn }()
	if token, valid, due = c.cached(); valid && !due {
		return token, nil
	}
	if valid {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, renewTimeout)
		defer cancel()
	}
	next, expires, err := c.fetch(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.token, c.expires, c.renew = next, expires, expires.Add(-tokenMargin)
	case valid:
		c.renew = time.Now().Add(renewPause)
		return token, nil
	}
	return next, err
}

// cached returns the token that is kept, whether it can still be used, and whether it is
// to be renewed.
func (c *tokenCache[T]) cached() (token T, valid, due bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	return c.token, now.Add(tokenReserve).Before(c.expires), !now.Before(c.renew)
}

// drop forgets a token that was refused.
func (c *tokenCache[T]) drop(refused T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token == refused {
		c.expires = time.Time{}
	}
}
