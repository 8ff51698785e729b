package audit

import (
	"context"
	"time"

	"modelproviders/pkg/audit/chain"
)

// Store keeps events and their chains. No method changes an event. When the
// database cannot be reached every method returns a fault of kind unavailable.
type Store interface {
	chain.Store

	// AppendEvents adds events of one workspace that are not linked yet.
	AppendEvents(ctx context.Context, events ...Event) error
	// Events returns up to q.Limit events of a workspace before q.Before, newest
	// first.
	Events(ctx context.Context, workspace string, q Query) ([]Event, error)
}

// Filter selects events; zero values select everything.
type Filter struct {
	Action     Action
	Actor      string // subject
	ProviderID string // the target, or the provider of the target
	Outcome    Outcome
	From, To   time.Time // From is included, To is not
}

// Query selects a page of events.
type Query struct {
	Filter
	Before *Position
	Limit  int // 0: no limit
}

// Position is the last event of a page.
type Position struct {
	At time.Time `json:"a"`
	ID string    `json:"i"`
}

// Position is where the event stands in a list.
func (e Event) Position() Position { return Position{At: e.At, ID: e.ID} }
