package auth

import (
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"modelproviders/pkg/fault"
)

// Limits bound what callers may do; 0 means no limit.
type Limits struct {
	TestsPerMinute   int // per workspace
	TestsInFlight    int // per workspace
	RevealsPerMinute int // per principal
	SignInsPerMinute int // failed ones, per client address
}

// Limiter enforces [Limits]. It counts in memory: if several processes share a
// database, each enforces its share of a limit. It is safe for concurrent use.
type Limiter struct {
	testsInFlight int
	now           func() time.Time

	mu        sync.Mutex // also held while calling now, so that time never goes back for a bucket
	processes int
	tests     *rates
	reveals   *rates
	signIns   *rates
	inFlight  map[string]int // tests by workspace
	refused   uint64         // tests, because too many were in flight
	waits     map[string]int // by workspace
	noWaits   uint64         // refused waits
}

// NewLimiter returns a limiter for a single process; see [Limiter.Share].
func NewLimiter(limits Limits, now func() time.Time) *Limiter {
	return &Limiter{
		testsInFlight: limits.TestsInFlight, now: now, processes: 1,
		tests:    newRates(limits.TestsPerMinute, "tests in this workspace"),
		reveals:  newRates(limits.RevealsPerMinute, "reveals"),
		signIns:  newRates(limits.SignInsPerMinute, "failed sign-ins from this address"),
		inFlight: map[string]int{}, waits: map[string]int{},
	}
}

// Share sets how many processes share the limits, including this one.
func (l *Limiter) Share(processes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.processes = processes
	now := l.now()
	for _, r := range []*rates{l.tests, l.reveals, l.signIns} {
		r.share(processes, now)
	}
}

// retryInFlight is when to retry after too many concurrent tests. Most tests end
// within this time.
const retryInFlight = 2 * time.Second

// Test counts a test in a workspace until leave is called. It returns
// rate_limited if there are too many.
func (l *Limiter) Test(workspace string) (leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.testsInFlight > 0 && l.inFlight[workspace] >= shareOf(l.testsInFlight, l.processes) {
		l.refused++
		return nil, fault.New(fault.RateLimited, "Too many tests are running in this workspace. The limit is %d.", l.testsInFlight).After(retryInFlight)
	}
	if err := l.tests.take(workspace, l.now()); err != nil {
		return nil, err
	}
	return l.enter(l.inFlight, workspace), nil
}

// Bounds of requests that wait for changes.
const (
	maxWaits   = 100 // of a workspace, in each process
	retryWaits = 10 * time.Second
)

// Wait counts a request that waits for changes in a workspace until leave is called.
// It returns rate_limited if there are too many.
func (l *Limiter) Wait(workspace string) (leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waits[workspace] >= maxWaits {
		l.noWaits++
		return nil, fault.New(fault.RateLimited, "Too many requests wait for changes of this workspace. The limit is %d.", maxWaits).After(retryWaits)
	}
	return l.enter(l.waits, workspace), nil
}

// enter counts a request in a workspace until leave is called. The caller holds the
// mutex.
func (l *Limiter) enter(counts map[string]int, workspace string) (leave func()) {
	counts[workspace]++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if counts[workspace]--; counts[workspace] == 0 {
			delete(counts, workspace)
		}
	}
}

// Reveal counts a reveal by a principal. It returns rate_limited if there are too
// many.
func (l *Limiter) Reveal(by Principal) error {
	// No workspace and no kind contains NUL, so the keys of two principals differ.
	return l.take(l.reveals, by.Workspace+"\x00"+by.Kind+"\x00"+by.Subject)
}

// SignIn counts a failed sign-in from a client address. It returns rate_limited
// if there are too many.
func (l *Limiter) SignIn(address string) error { return l.take(l.signIns, networkOf(address)) }

func (l *Limiter) take(r *rates, key string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return r.take(key, l.now())
}

// LimiterStats are counts of a limiter.
type LimiterStats struct {
	Processes     int // that share the limits
	TestsInFlight int // in all workspaces
	Waits         int // for changes, in all workspaces
	// Refused is how often each limit was exceeded.
	Refused struct{ Tests, TestsInFlight, Waits, Reveals, SignIns uint64 }
}

// Stats returns the counts.
func (l *Limiter) Stats() LimiterStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := LimiterStats{Processes: l.processes}
	for _, tests := range l.inFlight {
		s.TestsInFlight += tests
	}
	for _, waits := range l.waits {
		s.Waits += waits
	}
	s.Refused.Tests, s.Refused.TestsInFlight, s.Refused.Waits = l.tests.refused, l.refused, l.noWaits
	s.Refused.Reveals, s.Refused.SignIns = l.reveals.refused, l.signIns.refused
	return s
}

// networkOf returns the key under which sign-ins from an address are counted. For
// IPv6 it is the /64 network, because a client can use any address in it.
func networkOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip.WithZone(""), 64).Masked().String()
}

// shareOf returns one process's share of a limit: at least 1, so that no process
// refuses everything.
func shareOf(limit, processes int) int { return max(1, limit/processes) }

const (
	maxBuckets = 100_000     // of one limit; all other keys share a bucket
	sweepEvery = time.Second // full buckets are removed at most this often
)

// rates limits how often something may happen per key and minute. Each key has a
// bucket that holds a minute's worth of tokens; full buckets are not stored. The
// caller's mutex guards it.
type rates struct {
	perMinute int // 0: no limit
	what      string
	held      int // this process's share of perMinute
	buckets   map[string]*rate.Limiter
	rest      *rate.Limiter // for all keys beyond maxBuckets
	swept     time.Time
	refused   uint64
}

func newRates(perMinute int, what string) *rates {
	r := &rates{perMinute: perMinute, what: what, held: perMinute, buckets: map[string]*rate.Limiter{}}
	r.rest = r.newBucket()
	return r
}

func (r *rates) newBucket() *rate.Limiter { return rate.NewLimiter(rate.Limit(r.held)/60, r.held) }

// take counts one event of a key, or returns rate_limited.
func (r *rates) take(key string, now time.Time) error {
	if r.perMinute == 0 {
		return nil
	}
	reserved := r.bucket(key, now).ReserveN(now, 1)
	wait := reserved.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	reserved.CancelAt(now)
	r.refused++
	return fault.New(fault.RateLimited, "Too many %s. The limit is %d per minute.", r.what, r.perMinute).After(wait)
}

func (r *rates) bucket(key string, now time.Time) *rate.Limiter {
	if b, ok := r.buckets[key]; ok {
		return b
	}
	if now.Sub(r.swept) >= sweepEvery {
		r.sweep(now)
	}
	if len(r.buckets) >= maxBuckets {
		return r.rest
	}
	b := r.newBucket()
	r.buckets[key] = b
	return b
}

// sweep removes full buckets. They are the same as new ones.
func (r *rates) sweep(now time.Time) {
	r.swept = now
	maps.DeleteFunc(r.buckets, func(_ string, b *rate.Limiter) bool { return b.TokensAt(now) >= float64(r.held) })
}

// share changes this process's share. Buckets keep their tokens, up to their new
// size.
func (r *rates) share(processes int, now time.Time) {
	held := shareOf(r.perMinute, processes)
	if r.perMinute == 0 || held == r.held {
		return
	}
	r.sweep(now) // so that full buckets stay full
	r.held = held
	for _, b := range append(slices.Collect(maps.Values(r.buckets)), r.rest) {
		b.SetLimitAt(now, rate.Limit(held)/60)
		b.SetBurstAt(now, held)
	}
}
