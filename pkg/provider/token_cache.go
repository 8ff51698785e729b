package provider

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	tokenMargin  = 2 * time.Minute  // before its end, in which a token is renewed
	tokenReserve = 10 * time.Second // for which a token must still be valid to be used
	renewTimeout = 5 * time.Second  // of a renewal while the old token is still valid
	renewPause   = 30 * time.Second // until the next renewal if one failed
)

// tokenCache keeps the latest access token, or another credential that expires.
type tokenCache[T comparable] struct {
	fetch func(ctx context.Context) (token T, expires time.Time, err error)
	turn  *semaphore.Weighted // for one fetch at a time

	mu      sync.Mutex
	token   T
	expires time.Time
	renew   time.Time // the token is renewed at its next use after this
}

func newTokenCache[T comparable](fetch func(context.Context) (T, time.Time, error)) *tokenCache[T] {
	return &tokenCache[T]{fetch: fetch, turn: semaphore.NewWeighted(1)}
}

// get returns a token. One caller fetches it. The others wait for it or for the end of
// their context; if it is only a renewal, they go on with the old token, and so do all if
// the renewal fails.
func (c *tokenCache[T]) get(ctx context.Context) (T, error) {
	token, valid, due := c.cached()
	switch {
	case valid && (!due || !c.turn.TryAcquire(1)):
		return token, nil
	case !valid:
		if err := c.turn.Acquire(ctx, 1); err != nil {
			return token, err
		}
	}
	defer c.turn.Release(1)
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
