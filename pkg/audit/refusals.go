package audit

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxGathered bounds the refusals that are told apart at once, of callers who are
// known and of others; further ones are counted by workspace and reason only.
const maxGathered = 10_000

// Refusals records refusals in a way that does not let whoever is refused flood
// the log of events. Of a caller who is known, the first refusal of an action is
// an event at once, and those that follow within a minute are one event with a
// count. Refusals of callers whom nobody knows are one event a minute for each
// client address. What is gathered is lost when the process is killed.
type Refusals struct {
	log       *Log
	workspace string

	mu       sync.Mutex
	gathered map[refusal]*tally
	known    int // of these, how many are of callers who are known
}

// refusal is who was refused what, and why. The route and the actor are empty
// where the caller is unknown, the client address where it is known.
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

// NewRefusals records refusals in the log; those of unknown callers are events of
// the workspace.
func NewRefusals(log *Log, workspace string) *Refusals {
	return &Refusals{log: log, workspace: workspace, gathered: map[refusal]*tally{}}
}

// Add records that the caller of ctx was refused a route, for a reason: a word of
// ours. A refusal that could not be recorded at once is gathered.
func (r *Refusals) Add(ctx context.Context, route, reason string) error {
	source := SourceOf(ctx)
	who := refusal{workspace: source.Workspace, actor: source.Actor, route: route, reason: reason}
	if source.Actor == (Actor{}) {
		who = refusal{workspace: r.workspace, clientIP: source.ClientIP, reason: reason}
	}
	if begun := r.add(who, 1); !begun {
		return nil
	}
	if err := r.log.Record(ctx, who.event(1)); err != nil {
		return err
	}
	r.add(who, -1)
	return nil
}

// known reports whether it is known who was refused.
func (r refusal) known() bool { return r.actor != (Actor{}) }

func (r refusal) event(count int) Event {
	return Event{
		Action: AccessDenied, Target: Target{Type: "route", ID: r.route, Name: r.route}, Outcome: Denied, Reason: r.reason, Count: count,
	}
}

// add counts refusals, and reports whether these are the first of a minute.
func (r *Refusals) add(who refusal, count int) (begun bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.gathered[who]
	full := len(r.gathered)-r.known >= maxGathered
	if who.known() {
		full = r.known >= maxGathered
	}
	if t == nil && full {
		who = refusal{workspace: who.workspace, reason: who.reason}
		t = r.gathered[who]
	}
	if t == nil {
		t = &tally{since: r.log.now()}
		r.gathered[who] = t
		if begun = who.known(); begun {
			r.known++
		}
	}
	t.count += count
	return begun
}

// Flush records an event for all refusals of a kind that were gathered for that
// long.
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
	for who, t := range r.gathered {
		if now.Sub(t.since) < gathered {
			continue
		}
		if t.count > 0 {
			taken[who] = t.count
		}
		delete(r.gathered, who)
		if who.known() {
			r.known--
		}
	}
	return taken
}
