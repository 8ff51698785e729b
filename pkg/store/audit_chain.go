package store

import (
	"context"
	"database/sql"
	"errors"

	"modelproviders/pkg/audit/chain"
	"modelproviders/pkg/fault"
)

// Head implements [chain.Store].
func (s *Store) Head(ctx context.Context, workspace string) (chain.Head, error) {
	var head chain.Head
	err := s.rows(ctx, `SELECT first_number, base, last_number, last, mac FROM audit_heads WHERE workspace = $1`, []any{workspace},
		into([]any{&head.First, &head.Base, &head.Count, &head.Last, &head.MAC}, func() error { return nil }))
	return head, err
}

// LockHead implements [chain.Store]. It works in a transaction only. The lock has
// a name, since a new chain has no row to lock.
func (s *Store) LockHead(ctx context.Context, workspace string) (chain.Head, error) {
	if s.transaction(ctx) == nil {
		return chain.Head{}, errors.New("LockHead outside a transaction locks nothing")
	}
	locked := true
	if s.engine.tryLock != "" {
		err := s.allRows(ctx, s.engine.tryLock, []any{lockNumber("audit head", workspace)},
			func(rows *sql.Rows) error { return rows.Scan(&locked) })
		if err != nil {
			return chain.Head{}, err
		}
	}
	if !locked {
		return chain.Head{}, fault.New(fault.Conflict, "Another process is linking the audit events of workspace %q.", workspace)
	}
	return s.Head(ctx, workspace)
}

// Link implements [chain.Store].
func (s *Store) Link(ctx context.Context, workspace string, links []chain.Link, head chain.Head) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		linked, err := s.engine.linkEvents(ctx, s, workspace, links)
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
	_, err := s.exec(ctx, `INSERT INTO audit_heads (workspace, first_number, base, last_number, last, mac) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (workspace) DO UPDATE SET first_number = excluded.first_number, base = excluded.base,
		last_number = excluded.last_number, last = excluded.last, mac = excluded.mac`,
		workspace, head.First, head.Base, head.Count, head.Last, head.MAC)
	return err
}

// Unlinked implements [chain.Store].
func (s *Store) Unlinked(ctx context.Context, workspace string, limit int) ([]chain.Entry, error) {
	c := where("e", workspace)
	c.and("e.number IS NULL")
	return s.entries(ctx, "audit_events_unlinked", c, " ORDER BY e.id LIMIT "+c.parameter(limit))
}

// Linked implements [chain.Store].
func (s *Store) Linked(ctx context.Context, workspace string, from int64, limit int) ([]chain.Entry, error) {
	c := where("e", workspace)
	c.and("e.number >= ?", from)
	return s.entries(ctx, "audit_events_number", c, " ORDER BY e.number LIMIT "+c.parameter(limit))
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
