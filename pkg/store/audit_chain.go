package store

import (
	"context"
	"errors"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"modelproviders/pkg/audit/chain"
	"modelproviders/pkg/fault"
)

// headRow is a row of audit_heads.
type headRow struct {
	Workspace string `gorm:"primaryKey"`
	First     int64  `gorm:"column:first_number"`
	Base      []byte
	Count     int64 `gorm:"column:last_number"`
	Last      []byte
	MAC       []byte
}

// TableName names the table to GORM.
func (headRow) TableName() string { return "audit_heads" }

// Head implements [chain.Store].
func (s *Store) Head(ctx context.Context, workspace string) (chain.Head, error) {
	var rows []headRow
	err := s.read(ctx, workspace, func(db *gorm.DB) error { return db.Find(&rows).Error })
	if err != nil || len(rows) == 0 {
		return chain.Head{}, err
	}
	row := rows[0]
	return chain.Head{First: row.First, Base: row.Base, Count: row.Count, Last: row.Last, MAC: row.MAC}, nil
}

// LockHead implements [chain.Store]. It works in a transaction only. The lock is
// one by name, since a new chain has no row to lock.
func (s *Store) LockHead(ctx context.Context, workspace string) (chain.Head, error) {
	if s.transaction(ctx) == nil {
		return chain.Head{}, errors.New("LockHead outside a transaction locks nothing")
	}
	locked, err := s.tryLock(ctx, "audit head", workspace)
	if err != nil {
		return chain.Head{}, err
	}
	if !locked {
		return chain.Head{}, fault.New(fault.Conflict, "Another process is linking the audit events of workspace %q.", workspace)
	}
	return s.Head(ctx, workspace)
}

// Link implements [chain.Store].
func (s *Store) Link(ctx context.Context, workspace string, links []chain.Link, head chain.Head) error {
	return s.write(ctx, workspace, func(ctx context.Context, db *gorm.DB) error {
		linked, err := s.engine.linkEvents(ctx, workspace, links, s.exec)
		if err == nil && linked != int64(len(links)) {
			err = fault.New(fault.Internal, "An audit event of workspace %q is linked already.", workspace)
		}
		if err != nil {
			return err
		}
		return writeHead(db, workspace, head)
	})
}

// writeHead makes a head the head of a workspace's chain.
func writeHead(db *gorm.DB, workspace string, head chain.Head) error {
	row := headRow{Workspace: workspace, First: head.First, Base: head.Base, Count: head.Count, Last: head.Last, MAC: head.MAC}
	return db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error
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
	return s.write(ctx, workspace, func(ctx context.Context, db *gorm.DB) error {
		if _, err := s.exec(ctx, `DELETE FROM audit_events WHERE workspace = $1 AND number <= $2`, workspace, number); err != nil {
			return err
		}
		return writeHead(db, workspace, head)
	})
}
