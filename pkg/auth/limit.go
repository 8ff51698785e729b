package auth

import (
	"context"
	"time"

	"github.com/google/uuid"

	"modelproviders/pkg/fault"
)

// LimitStore keeps what the bounds on callers need to know. It is the database,
// so that all replicas count together. When it cannot be reached every method
// returns a fault of kind unavailable.
type LimitStore interface {
	// TakeRate takes one of a bucket, which fills by one every interval up to
	// burst. It returns how long to wait when the bucket is empty; nothing is
	// taken then.
	TakeRate(ctx context.Context, bucket string, interval time.Duration, burst int, now time.Time) (wait time.Duration, err error)
	// TakeSlot takes one of limit slots of a bucket, to be given back by its id
	// and lost at expires. It reports whether there was one.
	TakeSlot(ctx context.Context, bucket, id string, limit int, now, expires time.Time) (bool, error)
	// ReturnSlot gives a slot back.
	ReturnSlot(ctx context.Context, id string) error
	// DropLimits forgets full buckets and lost slots.
	DropLimits(ctx context.Context, now time.Time) error
}

// Limiter bounds what callers may ask for.
type Limiter struct {
	store LimitStore
	now   func() time.Time
}

// NewLimiter makes a limiter over a store.
func NewLimiter(store LimitStore, now func() time.Time) *Limiter {
	return &Limiter{store: store, now: now}
}

// Take counts one of at most perMinute things of a bucket; 0 is no bound. It
// returns rate_limited when there were too many; what names them.
func (l *Limiter) Take(ctx context.Context, bucket string, perMinute int, what string) error {
	if perMinute == 0 {
		return nil
	}
	wait, err := l.store.TakeRate(ctx, bucket, time.Minute/time.Duration(perMinute), perMinute, l.now())
	if err != nil || wait == 0 {
		return err
	}
	f := fault.New(fault.RateLimited, "Too many %s: at most %d a minute.", what, perMinute)
	f.RetryAfter = wait
	return f
}

// retryInFlight is how long to wait for one of the things in flight to end: most
// end within it.
const retryInFlight = 2 * time.Second

// Enter takes one of limit places of a bucket, to be given back with leave, and
// free again after lease whatever happens; a limit of 0 is no bound. It returns
// rate_limited when every place is taken; what names what takes them.
func (l *Limiter) Enter(ctx context.Context, bucket string, limit int, lease time.Duration, what string) (leave func() error, err error) {
	if limit == 0 {
		return func() error { return nil }, nil
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "No place could be taken.")
	}
	now := l.now()
	taken, err := l.store.TakeSlot(ctx, bucket, id.String(), limit, now, now.Add(lease))
	switch {
	case err != nil:
		return nil, err
	case !taken:
		f := fault.New(fault.RateLimited, "Too many %s at once: at most %d.", what, limit)
		f.RetryAfter = retryInFlight
		return nil, f
	}
	return func() error { return l.store.ReturnSlot(context.WithoutCancel(ctx), id.String()) }, nil
}
