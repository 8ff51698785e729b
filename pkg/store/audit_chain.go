package store

import (
	"context"
	"encoding/binary"
	"errors"

	"modelproviders/pkg/audit/chain"
	"modelproviders/pkg/fault"
)

// headColumns returns the columns of audit_heads.
func headColumns(workspace *string, h *chain.Head) columns {
	return columns{
		{"workspace", workspace, fixed}, {"first_number", &h.First, editable}, {"base", &h.Base, editable},
		{"last_number", &h.Count, editable}, {"last", &h.Last, editable}, {"mac", &h.MAC, editable},
	}
}

var (
	headRow  = headColumns(new(string), new(chain.Head))
	findHead = "SELECT " + headRow.names("") + " FROM audit_heads WHERE workspace = $1"
	setHead  = headRow.insertInto("audit_heads") + " WHERE true ON CONFLICT (workspace) DO UPDATE SET " + headRow.only(editable).assign("excluded.")
)

// Head implements [chain.Store].
func (s *Store) Head(ctx context.Context, workspace string) (chain.Head, error) {
	var head chain.Head
	_, err := s.one(ctx, findHead, []any{workspace}, headColumns(&workspace, &head).fields()...)
	return head, err
}

// lockNumber is the number of a lock that has names. If two locks had the same number, their
// holders would only wait for each other.
func lockNumber(names ...string) int64 {
	return int64(binary.BigEndian.Uint64(digest(names...)))
}

// LockHead implements [chain.Store]. It must be called in a transaction. The lock is
// a number derived from a name, because a new chain has no row to lock.
func (s *Store) LockHead(ctx context.Context, workspace string) (chain.Head, error) {
	if s.transaction(ctx) == nil {
		return chain.Head{}, errors.New("LockHead outside a transaction locks nothing")
	}
	if s.engine.tryLock != "" {
		var locked bool
		if _, err := s.one(ctx, s.engine.tryLock, []any{lockNumber("audit head", workspace)}, &locked); err != nil {
			return chain.Head{}, err
		}
		if !locked {
			return chain.Head{}, fault.New(fault.Conflict, "Another process is linking the audit events of workspace %q.", workspace)
		}
	}
	return s.Head(ctx, workspace)
}

func linkColumns(l *chain.Link) columns {
	return columns{{"id", &l.EntryID, fixed}, {"number", &l.Number, editable}, {"link_mac", &l.MAC, editable}}
}

// Link implements [chain.Store].
func (s *Store) Link(ctx context.Context, workspace string, links []chain.Link, head chain.Head) error {
	rows := make([]columns, len(links))
	for i := range links {
		rows[i] = linkColumns(&links[i])
	}
	row := linkColumns(new(chain.Link))
	// The + prevents SQLite from reading all events that are not linked.
	link := `WITH l AS MATERIALIZED (` + s.engine.recordset("audit_events", "$2", row) + `)
		UPDATE audit_events SET ` + row.only(editable).assign("l.") + ` FROM l
		WHERE audit_events.workspace = $1 AND audit_events.id = l.id AND +audit_events.number IS NULL`
	return s.InTx(ctx, func(ctx context.Context) error {
		linked, err := s.exec(ctx, link, workspace, s.engine.records(rows...))
		if err == nil && linked != int64(len(links)) {
			err = fault.New(fault.Internal, "An audit event of workspace %q is linked already.", workspace)
		}
		if err != nil {
			return err
		}
		return s.writeHead(ctx, workspace, head)
	})
}

// writeHead stores the head of a workspace's chain.
func (s *Store) writeHead(ctx context.Context, workspace string, head chain.Head) error {
	_, err := s.exec(ctx, setHead, headColumns(&workspace, &head).fields()...)
	return err
}

// Unlinked implements [chain.Store].
func (s *Store) Unlinked(ctx context.Context, workspace string, limit int) ([]chain.Entry, error) {
	c := where("e", workspace)
	c.and("e.number IS NULL")
	return s.entries(ctx, "audit_events_unlinked", c, " ORDER BY e.id LIMIT "+c.args.add(limit))
}

const countUnlinked = `SELECT count(*) FROM (SELECT 1 FROM audit_events WHERE number IS NULL LIMIT $1) AS unlinked`

// CountUnlinked counts the events of all workspaces that are not linked yet, up to a
// limit. It reads only entries of an index.
func (s *Store) CountUnlinked(ctx context.Context, limit int) (n int, err error) {
	_, err = s.one(ctx, countUnlinked, []any{limit}, &n)
	return n, err
}

// Linked implements [chain.Store].
func (s *Store) Linked(ctx context.Context, workspace string, from int64, limit int) ([]chain.Entry, error) {
	c := where("e", workspace)
	c.and("e.number >= ?", from)
	return s.entries(ctx, "audit_events_number", c, " ORDER BY e.number LIMIT "+c.args.add(limit))
}

func (s *Store) entries(ctx context.Context, index string, c *conditions, clauses string) ([]chain.Entry, error) {
	events, err := s.events(ctx, index, c, clauses)
	entries := make([]chain.Entry, len(events))
	for i, e := range events {
		entries[i] = e.Entry()
	}
	return entries, err
}

// DropThrough implements [chain.Store].
func (s *Store) DropThrough(ctx context.Context, workspace string, number int64, head chain.Head) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		if _, err := s.exec(ctx, `DELETE FROM audit_events WHERE workspace = $1 AND number <= $2`, workspace, number); err != nil {
			return err
		}
		return s.writeHead(ctx, workspace, head)
	})
}
