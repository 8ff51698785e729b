// Package chain makes a log tamper-evident: it seals entries, links them into
// one chain per workspace, verifies the chains, and drops old entries from them.
//
// An entry is stored with two HMACs: the seal, which authenticates its content, and
// the new MAC, which says that the entry is not linked yet. Writers never wait for
// each other. Within a second, one process links the new entries of a workspace in
// batches: each entry gets the next number, and its new MAC is replaced by the link
// MAC, which authenticates the previous link, the number and the seal. The head of a
// chain contains the number of links and the last link MAC, and has an HMAC of its
// own, so that verification notices a truncated chain.
//
//	seal      HMAC(key, "event" ‖ id ‖ time ‖ workspace ‖ content)
//	new MAC   HMAC(key, "note"  ‖ workspace ‖ id ‖ seal)
//	link MAC  HMAC(key, "link"  ‖ workspace ‖ n ‖ MAC of link n-1 ‖ seal)
//	head MAC  HMAC(key, "head"  ‖ workspace ‖ first ‖ MAC before first ‖ count ‖ last MAC)
//
// Every part is length-prefixed. Because linking overwrites the new MAC, someone who
// removes a chain can't make the service link the remaining entries again.
//
// [Chain.Verify] finds entries that were changed, removed, inserted or reordered
// without the key, except:
//
//   - an entry removed before it was linked. Someone who can write to the
//     database can delay linking; Verify reports an entry that waits too long;
//   - all entries of a workspace removed together with its chain;
//   - an older copy that was restored: of the whole database, of the head of a chain
//     whose last entries were removed, or of entries before they were linked.
package chain

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"time"
)

// Store keeps entries and the heads of their chains. When the database cannot be
// reached every method returns a fault of kind unavailable.
type Store interface {
	// InOwnTx is InTx of registry.Store for long transactions: linking or dropping
	// many entries must not delay the commits of other transactions.
	InOwnTx(ctx context.Context, fn func(ctx context.Context) error) error

	// Workspaces returns the workspaces that have entries or a head, ordered.
	Workspaces(ctx context.Context) ([]string, error)
	// UnlinkedWorkspaces returns the workspaces that have unlinked entries,
	// ordered.
	UnlinkedWorkspaces(ctx context.Context) ([]string, error)
	// Unlinked returns up to limit unlinked entries, by id.
	Unlinked(ctx context.Context, workspace string, limit int) ([]Entry, error)
	// Linked returns up to limit linked entries of a workspace from a number on,
	// by number. Entries that the service did not link may have any number.
	Linked(ctx context.Context, workspace string, from int64, limit int) ([]Entry, error)
	// Head returns the head of a workspace's chain; zero without links.
	Head(ctx context.Context, workspace string) (Head, error)
	// LockHead is Head, and keeps other linkers away until the transaction ends.
	// It returns conflict at once when another linker has the lock.
	LockHead(ctx context.Context, workspace string) (Head, error)
	// Link links entries to the chain of a workspace, and stores its new head.
	Link(ctx context.Context, workspace string, links []Link, head Head) error
	// DropThrough removes the entries up to and including a number, and stores
	// the new head.
	DropThrough(ctx context.Context, workspace string, number int64, head Head) error
}

// Entry is the part of an entry that a chain needs.
type Entry struct {
	ID        string
	At        time.Time
	Workspace string
	Content   []string // everything else that is sealed
	Seal      []byte
	Number    int64  // 0 until it is linked
	MAC       []byte // the link MAC, or the new MAC if it is not linked yet
}

// Link links one entry to a chain. Numbers begin at 1 and have no gap.
type Link struct {
	Number  int64
	EntryID string
	MAC     []byte
}

// Head says where a chain begins and ends. First is the number of the first link
// that was not dropped, and Base is the MAC of the link before it.
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

// Chain works on the chains of all workspaces.
type Chain struct {
	store Store
	key   []byte
	now   func() time.Time
}

// New returns a Chain over a store. The key, 32 bytes, is the same for every
// process on the database.
func New(store Store, key []byte, now func() time.Time) *Chain {
	return &Chain{store: store, key: key, now: now}
}

// SealNew returns the two HMACs that a new entry is stored with.
func (c *Chain) SealNew(e Entry) (seal, mac []byte) {
	e.Seal = c.seal(e)
	return e.Seal, c.newMAC(e)
}

func (c *Chain) seal(e Entry) []byte {
	return c.mac(append([]string{"event", e.ID, e.At.UTC().Format(time.RFC3339Nano), e.Workspace}, e.Content...)...)
}

func (c *Chain) sealed(e Entry) bool { return hmac.Equal(c.seal(e), e.Seal) }

func (c *Chain) newMAC(e Entry) []byte { return c.mac("note", e.Workspace, e.ID, string(e.Seal)) }

// isNew reports whether an unlinked entry is authentic.
func (c *Chain) isNew(e Entry) bool { return c.sealed(e) && hmac.Equal(c.newMAC(e), e.MAC) }

func (c *Chain) linkMAC(workspace string, number int64, before, seal []byte) []byte {
	return c.mac("link", workspace, strconv.FormatInt(number, 10), string(before), string(seal))
}

func (c *Chain) headMAC(workspace string, h Head) []byte {
	return c.mac("head", workspace, strconv.FormatInt(h.First, 10), string(h.Base), strconv.FormatInt(h.Count, 10), string(h.Last))
}

// authentic reports whether the service wrote a head. The head of a chain without
// links is zero.
func (c *Chain) authentic(workspace string, h Head) bool {
	return h.zero() || hmac.Equal(c.headMAC(workspace, h), h.MAC)
}

// mac is the HMAC (RFC 2104, with SHA-256) over parts.
func (c *Chain) mac(parts ...string) []byte {
	h := hmac.New(sha256.New, c.key)
	h.Write(Join(parts...))
	return h.Sum(nil)
}

// Join joins parts, each preceded by its length, so that different parts never
// result in the same bytes.
func Join(parts ...string) []byte {
	var joined []byte
	for _, part := range parts {
		joined = binary.BigEndian.AppendUint64(joined, uint64(len(part)))
		joined = append(joined, part...)
	}
	return joined
}
