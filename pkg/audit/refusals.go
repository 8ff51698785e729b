package audit

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// gatherFor is how long refusals of one client address are gathered into one
// event.
const gatherFor = time.Minute

// maxGathered bounds the addresses that are gathered at once; those of further
// addresses are counted together, without an address.
const maxGathered = 10_000

// Refusals gathers refusals of callers that nobody knows: whoever floods the
// service with bad tokens must not flood the log of events.
type Refusals struct {
	log       *Log
	workspace string

	mu    sync.Mutex
	since map[string]time.Time
	count map[string]int
}

// NewRefusals gathers refusals for the log of a workspace.
func NewRefusals(log *Log, workspace string) *Refusals {
	return &Refusals{log: log, workspace: workspace, since: map[string]time.Time{}, count: map[string]int{}}
}

// Add counts a refusal of a client address.
func (r *Refusals) Add(clientIP string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.count[clientIP]; !known && len(r.count) >= maxGathered {
		clientIP = ""
	}
	if r.count[clientIP] == 0 {
		r.since[clientIP] = r.log.now()
	}
	r.count[clientIP]++
}

// Run records gathered refusals until ctx is done, and then what is left of
// them. report hears of what can't be recorded; it is tried again.
func (r *Refusals) Run(ctx context.Context, report func(error)) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := r.Flush(context.WithoutCancel(ctx), 0); err != nil {
				report(err)
			}
			return
		case <-ticker.C:
			if err := r.Flush(ctx, gatherFor); err != nil && ctx.Err() == nil {
				report(err)
			}
		}
	}
}

// Flush records an event for each address whose refusals were gathered for that
// long.
func (r *Refusals) Flush(ctx context.Context, gathered time.Duration) error {
	var errs []error
	for clientIP, count := range r.take(gathered) {
		err := r.log.Record(WithSource(ctx, Source{Workspace: r.workspace, ClientIP: clientIP}), Event{
			Action: AccessDenied, Target: Target{Type: "route"}, Outcome: Denied, Reason: "unauthenticated", Count: count,
		})
		if err != nil {
			errs = append(errs, err)
			r.put(clientIP, count)
		}
	}
	return errors.Join(errs...)
}

func (r *Refusals) take(gathered time.Duration) map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := map[string]int{}
	now := r.log.now()
	for _, clientIP := range slices.Collect(maps.Keys(r.count)) {
		if now.Sub(r.since[clientIP]) >= gathered {
			taken[clientIP] = r.count[clientIP]
			delete(r.count, clientIP)
			delete(r.since, clientIP)
		}
	}
	return taken
}

func (r *Refusals) put(clientIP string, count int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count[clientIP] == 0 {
		r.since[clientIP] = r.log.now()
	}
	r.count[clientIP] += count
}
