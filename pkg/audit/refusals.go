package audit

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxGathered bounds the addresses that are gathered at once; those of further
// addresses are counted together, without an address.
const maxGathered = 10_000

// Refusals gathers refusals of callers that nobody knows: whoever floods the
// service with bad tokens must not flood the log of events.
type Refusals struct {
	log       *Log
	workspace string

	mu    sync.Mutex
	since map[refused]time.Time
	count map[refused]int
}

// refused is who was refused, and why.
type refused struct{ clientIP, reason string }

// NewRefusals gathers refusals for the log of a workspace.
func NewRefusals(log *Log, workspace string) *Refusals {
	return &Refusals{log: log, workspace: workspace, since: map[refused]time.Time{}, count: map[refused]int{}}
}

// Add counts a refusal of a client address, for a reason: a word of ours.
func (r *Refusals) Add(clientIP, reason string) { r.add(refused{clientIP, reason}, 1) }

func (r *Refusals) add(who refused, count int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.count[who]; !known && len(r.count) >= maxGathered {
		who.clientIP = ""
	}
	if r.count[who] == 0 {
		r.since[who] = r.log.now()
	}
	r.count[who] += count
}

// Flush records an event for each address whose refusals were gathered for that
// long.
func (r *Refusals) Flush(ctx context.Context, gathered time.Duration) error {
	var errs []error
	for who, count := range r.take(gathered) {
		err := r.log.Record(WithSource(ctx, Source{Workspace: r.workspace, ClientIP: who.clientIP}), Event{
			Action: AccessDenied, Target: Target{Type: "route"}, Outcome: Denied, Reason: who.reason, Count: count,
		})
		if err != nil {
			errs = append(errs, err)
			r.add(who, count)
		}
	}
	return errors.Join(errs...)
}

func (r *Refusals) take(gathered time.Duration) map[refused]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := map[refused]int{}
	now := r.log.now()
	for who, since := range r.since {
		if now.Sub(since) >= gathered {
			taken[who] = r.count[who]
			delete(r.count, who)
			delete(r.since, who)
		}
	}
	return taken
}
