package audit

import (
	"context"
	"time"
)

// Store keeps events and their chains. No method changes an event. When the
// database cannot be reached every method returns a fault of kind unavailable.
type Store interface {
	// InTx runs fn in one transaction; see registry.Store.
	InTx(ctx context.Context, fn func(ctx context.Context) error) error

	// AppendEvent adds an event, and notes that it is not linked yet.
	AppendEvent(ctx context.Context, e Event) error
	// Events returns up to q.Limit events of a workspace before q.Before, newest
	// first.
	Events(ctx context.Context, workspace string, q Query) ([]Event, error)

	// Workspaces returns the workspaces that have events or a chain, ordered.
	Workspaces(ctx context.Context) ([]string, error)
	// UnlinkedWorkspaces returns the workspaces that have events that are not
	// linked yet.
	UnlinkedWorkspaces(ctx context.Context) ([]string, error)
	// LockHead returns the head of a workspace's chain and keeps other linkers
	// away until the transaction ends. The head of a chain without links is the
	// zero Head. It returns conflict at once when another linker has the lock.
	LockHead(ctx context.Context, workspace string) (Head, error)
	// Unlinked returns up to limit events that are not linked yet, by id.
	Unlinked(ctx context.Context, workspace string, limit int) ([]Event, error)
	// AppendLinks adds links to the chain of a workspace, makes head its head
	// and forgets that their events were not linked.
	AppendLinks(ctx context.Context, workspace string, links []Link, head Head) error

	// Head returns the head of a workspace's chain; zero without links.
	Head(ctx context.Context, workspace string) (Head, error)
	// Links returns up to limit links of a workspace from number first on, by
	// number, each with its event; the event of a link whose event is gone is
	// zero.
	Links(ctx context.Context, workspace string, first int64, limit int) ([]LinkedEvent, error)
	// Strays returns up to limit events of a workspace that neither a link nor a
	// note tells of, and the linked ones that are told of twice.
	Strays(ctx context.Context, workspace string, limit int) ([]Event, error)
	// LastBefore returns the number of the last link whose event and all events
	// of the links before it are older than t; 0 when there is none.
	LastBefore(ctx context.Context, workspace string, t time.Time) (int64, error)
	// DropThrough removes the links up to and with a number, and their events,
	// and makes head the head.
	DropThrough(ctx context.Context, workspace string, number int64, head Head) error
}

// Query selects events; zero values select everything.
type Query struct {
	Action     Action
	Actor      string // subject
	ProviderID string // the target, or the provider of the target
	Outcome    Outcome
	From, To   time.Time // From is included, To is not
	Before     *Position
	Limit      int
}

// Position is the last event of a page.
type Position struct {
	At time.Time `json:"a"`
	ID string    `json:"i"`
}

// Link is one link of a chain. Numbers begin at 1 and have no gap.
type Link struct {
	Number  int64
	EventID string
	MAC     []byte
}

// LinkedEvent is a link with its event.
type LinkedEvent struct {
	Link
	Event Event
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
