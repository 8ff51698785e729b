package audit

import (
	"cmp"
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/google/uuid"

	"modelproviders/pkg/audit/chain"
	"modelproviders/pkg/fault"
)

// Recorder stores events. Within a transaction, they are part of it.
type Recorder interface {
	// Seal completes an event that its caller stores together with the write that it
	// describes. The source comes from ctx and the time from the clock; Workspace,
	// Actor and Count are set only if they are empty.
	Seal(ctx context.Context, e Event) Event
	// Record seals and stores events of one workspace.
	Record(ctx context.Context, events ...Event) error
}

// Log records events and links them to chains. It is a [Recorder].
type Log struct {
	*chain.Chain
	store Store
	now   func() time.Time
}

// NewLog returns a log over a store. The key, 32 bytes, is the same for every
// process on the database.
func NewLog(store Store, key []byte, now func() time.Time) *Log {
	return &Log{Chain: chain.New(store, key, now), store: store, now: now}
}

// Record implements [Recorder].
func (l *Log) Record(ctx context.Context, events ...Event) error {
	sealed := make([]Event, len(events))
	for i, e := range events {
		sealed[i] = l.Seal(ctx, e)
	}
	return l.store.AppendEvents(ctx, sealed...)
}

// Seal implements [Recorder].
func (l *Log) Seal(ctx context.Context, e Event) Event {
	source := SourceOf(ctx)
	e.ID, e.At = uuid.Must(uuid.NewV7()).String(), l.now().UTC().Truncate(time.Millisecond)
	e.RequestID, e.ClientIP = source.RequestID, source.ClientIP
	e.Workspace, e.Actor, e.Count = cmp.Or(e.Workspace, source.Workspace), cmp.Or(e.Actor, source.Actor), cmp.Or(e.Count, 1)
	e = storable(e)
	e.Seal, e.LinkMAC = l.SealNew(e.Entry())
	return e
}

// Events returns events of a workspace, newest first.
func (l *Log) Events(ctx context.Context, workspace string, q Query) ([]Event, error) {
	return l.store.Events(ctx, workspace, q)
}

// Entry is the event as an entry of its chain.
func (e Event) Entry() chain.Entry {
	changes := []byte("[]") // for nil too
	if len(e.Changes) > 0 {
		changes, _ = json.Marshal(e.Changes) // strings can always be encoded
	}
	content := []string{e.Actor.Subject, e.Actor.Kind, string(e.Action), e.Target.Type, e.Target.ID, e.Target.Name,
		string(e.Outcome), string(changes), e.Reason, e.RequestID, e.ClientIP, strconv.Itoa(e.Count), e.ProviderID}
	if e.Actor.Name != "" { // an earlier version sealed events without one
		content = append(content, e.Actor.Name)
	}
	return chain.Entry{ID: e.ID, At: e.At, Workspace: e.Workspace, Seal: e.Seal, Number: e.Number, MAC: e.LinkMAC, Content: content}
}

// storable makes the texts of an event storable, so that no event is lost because of
// a byte in a name, and each event is read back as it was sealed.
func storable(e Event) Event {
	for _, text := range []*string{&e.Workspace, &e.Actor.Subject, &e.Actor.Kind, &e.Actor.Name, &e.Target.Type, &e.Target.ID,
		&e.Target.Name, &e.ProviderID, &e.Reason, &e.RequestID, &e.ClientIP} {
		*text = fault.Storable(*text)
	}
	changes := make([]Change, len(e.Changes))
	for i, c := range e.Changes {
		changes[i] = Change{Field: fault.Storable(c.Field), Old: fault.Storable(c.Old), New: fault.Storable(c.New)}
	}
	e.Changes = changes
	return e
}
