package api

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/expirable"
	"golang.org/x/time/rate"

	"modelproviders/pkg/fault"
)

// Limits bound what one caller may ask for; 0 is no bound.
type Limits struct {
	TestsPerMinute   int // of a workspace
	TestsInFlight    int // of a workspace
	RevealsPerMinute int // of a principal
	SignInsPerMinute int // failed ones, of a client address
}

type limiters struct {
	tests, reveals, signIns *rateLimiter
	inFlight                *inFlight
}

func newLimiters(l Limits) limiters {
	return limiters{
		tests:    newRateLimiter(l.TestsPerMinute),
		reveals:  newRateLimiter(l.RevealsPerMinute),
		signIns:  newRateLimiter(l.SignInsPerMinute),
		inFlight: &inFlight{limit: l.TestsInFlight, running: map[string]int{}},
	}
}

// maxBuckets bounds the memory of one limiter. A bucket that nobody took from
// for a minute is full again, so forgetting it changes nothing.
const maxBuckets = 100_000

// rateLimiter is a token bucket a key, of perMinute tokens, filled evenly.
type rateLimiter struct {
	perMinute int
	mu        sync.Mutex
	buckets   *expirable.LRU[string, *rate.Limiter]
}

func newRateLimiter(perMinute int) *rateLimiter {
	return &rateLimiter{perMinute: perMinute, buckets: expirable.NewLRU[string, *rate.Limiter](maxBuckets, nil, 2*time.Minute)}
}

// take takes one token of a key. It returns rate_limited when there is none.
func (l *rateLimiter) take(key, what string) error {
	if l.perMinute == 0 {
		return nil
	}
	reservation := l.bucket(key).Reserve()
	wait := reservation.Delay()
	if wait == 0 {
		return nil
	}
	reservation.Cancel()
	f := fault.New(fault.RateLimited, "Too many %s: at most %d a minute.", what, l.perMinute)
	f.RetryAfter = wait
	return f
}

func (l *rateLimiter) bucket(key string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	bucket, ok := l.buckets.Get(key)
	if !ok {
		bucket = rate.NewLimiter(rate.Limit(float64(l.perMinute)/time.Minute.Seconds()), l.perMinute)
	}
	l.buckets.Add(key, bucket) // again, so that it expires a while after its last use
	return bucket
}

// inFlight bounds what runs at once for a key.
type inFlight struct {
	limit   int
	mu      sync.Mutex
	running map[string]int
}

// retryInFlight is how long to wait for one of the running tests to end: most
// models answer within it.
const retryInFlight = 2 * time.Second

// enter takes a place, to be given back with leave. It returns rate_limited
// when every place is taken.
func (f *inFlight) enter(key, what string) (leave func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.limit > 0 && f.running[key] >= f.limit {
		refusal := fault.New(fault.RateLimited, "Too many %s at once: at most %d.", what, f.limit)
		refusal.RetryAfter = retryInFlight
		return nil, refusal
	}
	f.running[key]++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.running[key]--; f.running[key] == 0 {
			delete(f.running, key)
		}
	}, nil
}
