package auth

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"modelproviders/pkg/fault"
)

// Limits bound what callers may ask for; 0 is no bound.
type Limits struct {
	TestsPerMinute   int // of a workspace
	TestsInFlight    int // of a workspace
	RevealsPerMinute int // of a principal
	SignInsPerMinute int // failed ones, of a client address
}

// Limiter holds callers to [Limits]. It counts in memory: of several processes
// on one database each holds its share of a bound, so that together they hold
// the bound without asking each other. It is safe for concurrent use.
type Limiter struct {
	testsInFlight int
	now           func() time.Time

	mu        sync.Mutex // held while now is read, so that no bucket sees time go back
	processes int        // that are alive
	tests     *rates
	reveals   *rates
	signIns   *rates
	inFlight  map[string]int // tests, by workspace
}

// NewLimiter makes a limiter of a process that is alone.
func NewLimiter(limits Limits, now func() time.Time) *Limiter {
	return &Limiter{
		testsInFlight: limits.TestsInFlight, now: now, processes: 1,
		tests:    newRates(limits.TestsPerMinute, "tests in this workspace"),
		reveals:  newRates(limits.RevealsPerMinute, "reveals"),
		signIns:  newRates(limits.SignInsPerMinute, "failed sign-ins from this address"),
		inFlight: map[string]int{},
	}
}

// Share tells how many processes are alive, this one included. What is in flight
// ends as it would have: a smaller share refuses new things alone.
func (l *Limiter) Share(processes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if processes == l.processes {
		return
	}
	l.processes = processes
	now := l.now()
	for _, r := range []*rates{l.tests, l.reveals, l.signIns} {
		r.share(processes, now)
	}
}

// retryInFlight is how long to wait for one of the things in flight to end: most
// end within it.
const retryInFlight = 2 * time.Second

// Test takes a place for a call to an upstream in a workspace, to be given back
// with leave. It returns rate_limited when there are too many.
func (l *Limiter) Test(workspace string) (leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.testsInFlight > 0 && l.inFlight[workspace] >= shareOf(l.testsInFlight, l.processes) {
		f := fault.New(fault.RateLimited, "Too many tests in this workspace at once: at most %d.", l.testsInFlight)
		f.RetryAfter = retryInFlight
		return nil, f
	}
	if err := l.tests.take(workspace, l.now()); err != nil {
		return nil, err
	}
	l.inFlight[workspace]++
	return func() { l.leave(workspace) }, nil
}

func (l *Limiter) leave(workspace string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inFlight[workspace]--; l.inFlight[workspace] == 0 {
		delete(l.inFlight, workspace)
	}
}

// Reveal counts a reveal of a principal. It returns rate_limited when there were
// too many.
func (l *Limiter) Reveal(by Principal) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	// No workspace and no kind has a NUL in it, so no two principals are one.
	return l.reveals.take(by.Workspace+"\x00"+by.Kind+"\x00"+by.Subject, l.now())
}

// SignIn counts a failed sign-in from a client address. It returns rate_limited
// when there were too many.
func (l *Limiter) SignIn(address string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.signIns.take(networkOf(address), l.now())
}

// networkOf is what a client address counts as: of IPv6 the /64, which is what
// one client has to choose addresses from.
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

// shareOf is the share of one process in a bound. Each holds at least 1: rather
// a sum above the bound than a process that refuses everything.
func shareOf(bound, processes int) int { return max(1, bound/processes) }

// maxBuckets bounds the keys of one bound that are counted by themselves; those
// that come after them share one bucket.
const maxBuckets = 100_000

// sweepEvery is how often full buckets are looked for, at most.
const sweepEvery = time.Second

// rates bounds how many things of a key may happen a minute: each key has a
// bucket that holds as many as a minute brings. A bucket that is not kept is
// full. The caller's mutex guards it.
type rates struct {
	perMinute int    // 0: no bound
	what      string // is bounded
	held      int    // the share of perMinute that this process holds
	buckets   map[string]*rate.Limiter
	rest      *rate.Limiter // of all keys that have no bucket of their own
	swept     time.Time     // when full buckets were last looked for
}

func newRates(perMinute int, what string) *rates {
	r := &rates{perMinute: perMinute, what: what, held: perMinute, buckets: map[string]*rate.Limiter{}}
	r.rest = r.newBucket()
	return r
}

func (r *rates) newBucket() *rate.Limiter { return rate.NewLimiter(r.limit(), r.held) }

func (r *rates) limit() rate.Limit { return rate.Limit(r.held) / 60 }

// take counts one of a key, or returns rate_limited and counts nothing.
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
	f := fault.New(fault.RateLimited, "Too many %s: at most %d a minute.", r.what, r.perMinute)
	f.RetryAfter = wait
	return f
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

// sweep forgets full buckets: a key that comes back gets one that is full too.
func (r *rates) sweep(now time.Time) {
	r.swept = now
	for key, b := range r.buckets {
		if b.TokensAt(now) >= float64(r.held) {
			delete(r.buckets, key)
		}
	}
}

// share holds the share of one of several processes from now on. A bucket keeps
// what is in it, as far as it has room.
func (r *rates) share(processes int, now time.Time) {
	held := shareOf(r.perMinute, processes)
	if r.perMinute == 0 || held == r.held {
		return
	}
	r.sweep(now) // what is full stays full
	r.held = held
	for _, b := range r.buckets {
		b.SetLimitAt(now, r.limit())
		b.SetBurstAt(now, held)
	}
	r.rest.SetLimitAt(now, r.limit())
	r.rest.SetBurstAt(now, held)
}
