package audit

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxGathered bounds the refusals that are counted separately, once for known
// and once for unknown callers; further ones are counted by workspace and reason.
const maxGathered = 10_000

// Refusals records refusals so that refused callers can't flood the log. The
// first refusal of an action for a known caller is an event at once; those that
// follow within a minute become one event with a count. Refusals of unknown
// callers are one event a minute for each client address. Counts that are not
// recorded yet are lost when the process is killed.
type Refusals struct {
	log       *Log
	workspace string

	mu       sync.Mutex
	gathered map[bool]map[refusal]*tally // by whether the caller is known
}

// refusal is who was refused what, and why. The route and the actor are empty
// for an unknown caller, the client address for a known one.
type refusal struct {
	workspace     string
	actor         Actor
	clientIP      string
	route, reason string
}

// tally counts refusals that are not recorded yet.
type tally struct {
	since time.Time
	count int
}

// NewRefusals records refusals in a log; those of unknown callers belong to the
// workspace.
func NewRefusals(log *Log, workspace string) *Refusals {
	return &Refusals{log: log, workspace: workspace, gathered: map[bool]map[refusal]*tally{true: {}, false: {}}}
}

// Add records that the caller of ctx was refused a route, for a reason that the
// service names. A refusal that can't be recorded at once is counted for later.
func (r *Refusals) Add(ctx context.Context, route, reason string) error {
	source := SourceOf(ctx)
	who := refusal{workspace: source.Workspace, actor: source.Actor, route: route, reason: reason}
	if source.Actor == (Actor{}) {
		who = refusal{workspace: r.workspace, clientIP: source.ClientIP, reason: reason}
	}
	if !r.add(who, 1) {
		return nil
	}
	err := r.log.Record(ctx, who.event(1))
	if err == nil {
		r.add(who, -1)
	}
	return err
}

func (r refusal) known() bool { return r.actor != (Actor{}) }

func (r refusal) event(count int) Event {
	return Event{
		Action: AccessDenied, Target: Target{Type: "route", ID: r.route, Name: r.route}, Outcome: Denied, Reason: r.reason, Count: count,
	}
}

// add counts refusals, and reports whether they are the first of a known caller
// within a minute.
func (r *Refusals) add(who refusal, count int) (begun bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	gathered := r.gathered[who.known()]
	t := gathered[who]
	if t == nil && len(gathered) >= maxGathered {
		who = refusal{workspace: who.workspace, reason: who.reason}
		gathered = r.gathered[false]
		t = gathered[who]
	}
	if t == nil {
		t = &tally{since: r.log.now()}
		gathered[who] = t
		begun = who.known()
	}
	t.count += count
	return begun
}

// Flush records an event for each kind of refusal that has been counted for at
// least that long.
func (r *Refusals) Flush(ctx context.Context, gathered time.Duration) error {
	var errs []error
	for who, count := range r.take(gathered) {
		source := Source{Workspace: who.workspace, Actor: who.actor, ClientIP: who.clientIP}
		if err := r.log.Record(WithSource(ctx, source), who.event(count)); err != nil {
			errs = append(errs, err)
			r.add(who, count)
		}
	}
	return errors.Join(errs...)
}

func (r *Refusals) take(gathered time.Duration) map[refusal]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := map[refusal]int{}
	now := r.log.now()
	for _, all := range r.gathered {
		for who, t := range all {
			if now.Sub(t.since) < gathered {
				continue
			}
			if t.count > 0 {
				taken[who] = t.count
			}
			delete(all, who)
		}
	}
	return taken
}
