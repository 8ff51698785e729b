package audit

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"modelproviders/pkg/fault"
)

// Recorder keeps events. Inside a transaction an event is part of it.
type Recorder interface {
	// Seal completes an event, for a write that adds it together with what it
	// tells of. Who, from where and when come from ctx and the clock; Workspace,
	// Actor and Count only where they are empty.
	Seal(ctx context.Context, e Event) (Event, error)
	// Record seals events of one workspace and adds them.
	Record(ctx context.Context, events ...Event) error
}

// Log records events. It is a [Recorder].
type Log struct {
	store Store
	key   chainKey
	now   func() time.Time
}

// NewLog makes a log over a store. The key, 32 bytes, is the same for every
// process on the database.
func NewLog(store Store, key []byte, now func() time.Time) *Log {
	return &Log{store: store, key: key, now: now}
}

// Record implements [Recorder].
func (l *Log) Record(ctx context.Context, events ...Event) error {
	sealed := make([]Event, len(events))
	for i, e := range events {
		var err error
		if sealed[i], err = l.Seal(ctx, e); err != nil {
			return err
		}
	}
	return l.store.AppendEvents(ctx, sealed...)
}

// Seal implements [Recorder].
func (l *Log) Seal(ctx context.Context, e Event) (Event, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Event{}, fault.Wrap(fault.Internal, err, "The audit event could not be made.")
	}
	source := SourceOf(ctx)
	e.ID, e.At = id.String(), l.now().UTC().Truncate(time.Millisecond)
	e.RequestID, e.ClientIP = source.RequestID, source.ClientIP
	if e.Workspace == "" {
		e.Workspace = source.Workspace
	}
	if e.Actor == (Actor{}) {
		e.Actor = source.Actor
	}
	if e.Count == 0 {
		e.Count = 1
	}
	e = storable(e)
	if e.Seal, err = l.key.seal(e); err != nil {
		return Event{}, fault.Wrap(fault.Internal, err, "The audit event could not be sealed.")
	}
	e.LinkMAC = l.key.fresh(e)
	return e, nil
}

// Events returns events of a workspace, newest first.
func (l *Log) Events(ctx context.Context, workspace string, q Query) ([]Event, error) {
	return l.store.Events(ctx, workspace, q)
}

// storable puts U+FFFD for what not every database keeps, so that no event is
// lost over a byte that somebody put into a subject or a name, and each is read
// as it was sealed.
func storable(e Event) Event {
	for _, text := range []*string{&e.Workspace, &e.Actor.Subject, &e.Actor.Kind, &e.Target.Type, &e.Target.ID,
		&e.Target.Name, &e.ProviderID, &e.Reason, &e.RequestID, &e.ClientIP} {
		*text = storableText(*text)
	}
	changes := make([]Change, len(e.Changes))
	for i, c := range e.Changes {
		changes[i] = Change{Field: storableText(c.Field), Old: storableText(c.Old), New: storableText(c.New)}
	}
	e.Changes = changes
	return e
}

func storableText(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
