package audit

import (
	"context"
	"time"
)

// Store keeps events and their chains. No method changes an event. When the
// database cannot be reached every method returns a fault of kind unavailable.
type Store interface {
	// InOwnTx runs fn in one transaction, as registry.Store does, but commits it
	// together with no other: what links or drops many events is long.
	InOwnTx(ctx context.Context, fn func(ctx context.Context) error) error

	// AppendEvents adds events of one workspace that are not linked yet.
	AppendEvents(ctx context.Context, events ...Event) error
	// Events returns up to q.Limit events of a workspace before q.Before, newest
	// first.
	Events(ctx context.Context, workspace string, q Query) ([]Event, error)

	// Workspaces returns the workspaces that have events or a head, ordered.
	Workspaces(ctx context.Context) ([]string, error)
	// UnlinkedWorkspaces returns the workspaces that have events that are not
	// linked, ordered.
	UnlinkedWorkspaces(ctx context.Context) ([]string, error)
	// Unlinked returns up to limit events that are not linked, by id.
	Unlinked(ctx context.Context, workspace string, limit int) ([]Event, error)
	// LockHead returns the head of a workspace's chain and keeps other linkers
	// away until the transaction ends. The head of a chain without links is the
	// zero Head. It returns conflict at once when another linker has the lock.
	LockHead(ctx context.Context, workspace string) (Head, error)
	// Link links events to the chain of a workspace, and makes head its head.
	Link(ctx context.Context, workspace string, links []Link, head Head) error

	// Head returns the head of a workspace's chain; zero without links.
	Head(ctx context.Context, workspace string) (Head, error)
	// Linked returns up to limit linked events of a workspace from a number on, by
	// number. Events that the service did not link may have any number.
	Linked(ctx context.Context, workspace string, from int64, limit int) ([]Event, error)
	// DropThrough removes the events up to and with a number, and makes head the
	// head.
	DropThrough(ctx context.Context, workspace string, number int64, head Head) error
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
	Limit  int
}

// Position is the last event of a page.
type Position struct {
	At time.Time `json:"a"`
	ID string    `json:"i"`
}

// Position is where the event stands in a list.
func (e Event) Position() Position { return Position{At: e.At, ID: e.ID} }

// Link links one event to a chain. Numbers begin at 1 and have no gap.
type Link struct {
	Number  int64
	EventID string
	MAC     []byte
}

// Head says where a chain begins and ends. First is the number of its first
// link, after older ones were dropped, and Base the MAC of the link before it.
type Head struct {
	First int64
	Base  []byte
	Count int64 // number of the last link
	Last  []byte
	MAC   []byte
}

// zero reports whether the head is that of a chain that never had a link.
func (h Head) zero() bool {
	return h.First == 0 && h.Count == 0 && len(h.Base) == 0 && len(h.Last) == 0 && len(h.MAC) == 0
}
