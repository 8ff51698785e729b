package audit

import (
	"context"
	"time"

	"github.com/google/uuid"

	"modelproviders/pkg/fault"
)

// Log records events.
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

// Record adds an event in the transaction of ctx, or in one of its own. Who, from
// where and when come from ctx and the clock; Workspace, Actor and Count only
// where they are empty.
func (l *Log) Record(ctx context.Context, e Event) error {
	id, err := uuid.NewV7()
	if err != nil {
		return fault.Wrap(fault.Internal, err, "The audit event could not be made.")
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
	if e.Seal, err = l.key.seal(e); err != nil {
		return fault.Wrap(fault.Internal, err, "The audit event could not be sealed.")
	}
	return l.store.AppendEvent(ctx, e)
}

// Events returns events of a workspace; see Store.
func (l *Log) Events(ctx context.Context, workspace string, q Query) ([]Event, error) {
	return l.store.Events(ctx, workspace, q)
}
