package store

import (
	"context"
	"errors"
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
)

// unlinkedRow is a row of audit_unlinked.
type unlinkedRow struct {
	Workspace string `gorm:"primaryKey"`
	EventID   string `gorm:"primaryKey"`
	MAC       []byte
}

// TableName names the table to GORM.
func (unlinkedRow) TableName() string { return "audit_unlinked" }

// linkRow is a row of audit_links.
type linkRow struct {
	Workspace string `gorm:"primaryKey"`
	Number    int64  `gorm:"primaryKey;autoIncrement:false"`
	EventID   string
	MAC       []byte
}

// TableName names the table to GORM.
func (linkRow) TableName() string { return "audit_links" }

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

// strayBatch is how many events are looked at with one query for strays: so many
// that few queries do, so few that none takes long.
const strayBatch = 20_000

// Head implements [audit.Store].
func (s *Store) Head(ctx context.Context, workspace string) (audit.Head, error) {
	var rows []headRow
	err := s.read(ctx, workspace, func(db *gorm.DB) error { return db.Find(&rows).Error })
	if err != nil || len(rows) == 0 {
		return audit.Head{}, err
	}
	row := rows[0]
	return audit.Head{First: row.First, Base: row.Base, Count: row.Count, Last: row.Last, MAC: row.MAC}, nil
}

// LockHead implements [audit.Store]. It works in a transaction only. The lock is
// one by name, since a new chain has no row to lock.
func (s *Store) LockHead(ctx context.Context, workspace string) (audit.Head, error) {
	if s.transaction(ctx) == nil {
		return audit.Head{}, errors.New("LockHead outside a transaction locks nothing")
	}
	locked, err := s.tryLock(ctx, "audit head", workspace)
	if err != nil {
		return audit.Head{}, err
	}
	if !locked {
		return audit.Head{}, fault.New(fault.Conflict, "Another process is linking the audit events of workspace %q.", workspace)
	}
	return s.Head(ctx, workspace)
}

// writeHead makes a head the head of a workspace's chain.
func writeHead(db *gorm.DB, workspace string, head audit.Head) error {
	row := headRow{Workspace: workspace, First: head.First, Base: head.Base, Count: head.Count, Last: head.Last, MAC: head.MAC}
	return db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error
}

// AppendLinks implements [audit.Store].
func (s *Store) AppendLinks(ctx context.Context, workspace string, links []audit.Link, head audit.Head) error {
	rows, ids := make([]linkRow, len(links)), make([]string, len(links))
	for i, link := range links {
		rows[i] = linkRow{Workspace: workspace, Number: link.Number, EventID: link.EventID, MAC: link.MAC}
		ids[i] = link.EventID
	}
	return s.write(ctx, workspace, func(ctx context.Context, db *gorm.DB) error {
		if err := s.translate(ctx, db.Create(&rows).Error); err != nil {
			// A conflict would mean that another process is at it.
			return asDuplicate(err, fault.New(fault.Internal, "An audit event of workspace %q is linked already.", workspace))
		}
		if err := among(db, "event_id", ids).Delete(&unlinkedRow{}).Error; err != nil {
			return err
		}
		return writeHead(db, workspace, head)
	})
}

// Unlinked implements [audit.Store].
func (s *Store) Unlinked(ctx context.Context, workspace string, limit int) (unlinked []audit.NotedEvent, err error) {
	err = s.readTogether(ctx, workspace, func(db *gorm.DB) error {
		var rows []unlinkedRow
		if err := db.Order("event_id").Limit(limit).Find(&rows).Error; err != nil {
			return err
		}
		ids := make([]string, len(rows))
		for i, row := range rows {
			ids[i] = row.EventID
		}
		found, err := eventsByID(db, ids)
		unlinked = make([]audit.NotedEvent, len(rows))
		for i, row := range rows {
			unlinked[i] = audit.NotedEvent{Note: audit.Note{EventID: row.EventID, MAC: row.MAC}, Event: found[row.EventID]}
		}
		return err
	})
	return unlinked, err
}

// Links implements [audit.Store].
func (s *Store) Links(ctx context.Context, workspace string, first int64, limit int) (links []audit.LinkedEvent, err error) {
	err = s.readTogether(ctx, workspace, func(db *gorm.DB) error {
		var rows []linkRow
		if err := db.Where("number >= ?", first).Order("number").Limit(limit).Find(&rows).Error; err != nil {
			return err
		}
		ids := make([]string, len(rows))
		for i, row := range rows {
			ids[i] = row.EventID
		}
		found, err := eventsByID(db, ids)
		links = make([]audit.LinkedEvent, len(rows))
		for i, row := range rows {
			links[i] = audit.LinkedEvent{Link: audit.Link{Number: row.Number, EventID: row.EventID, MAC: row.MAC}, Event: found[row.EventID]}
		}
		return err
	})
	return links, err
}

// among selects rows by the ids of events. Those of a batch lie close together:
// as long as PostgreSQL has no statistics it would rather look through the whole
// workspace for them than look each up, unless it is told between which they are.
func among(db *gorm.DB, column string, ids []string) *gorm.DB {
	return db.Where(column+" BETWEEN ? AND ? AND "+column+" IN ?", slices.Min(ids), slices.Max(ids), ids)
}

func eventsByID(db *gorm.DB, ids []string) (map[string]audit.Event, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []eventRow
	err := among(db, "id", ids).Find(&rows).Error
	found := make(map[string]audit.Event, len(rows))
	for _, row := range rows {
		found[row.ID] = row.event()
	}
	return found, err
}

// Strays implements [audit.Store]. It looks at a batch of events after the
// other, each with a query that is done in time.
func (s *Store) Strays(ctx context.Context, workspace string, limit int) ([]audit.Event, error) {
	var strays []eventRow
	for after := ""; ; {
		var end []string // the id of the last event of the batch, unless it is the last batch
		err := s.read(ctx, workspace, func(db *gorm.DB) error {
			return db.Model(&eventRow{}).Where("id > ?", after).Order("id").Offset(strayBatch-1).Limit(1).Pluck("id", &end).Error
		})
		if err != nil {
			return nil, err
		}
		var found []eventRow
		err = s.read(ctx, workspace, func(db *gorm.DB) error {
			db = db.Where("id > ?", after).
				Where("NOT EXISTS (SELECT 1 FROM audit_links l WHERE l.workspace = audit_events.workspace AND l.event_id = audit_events.id)").
				Where("NOT EXISTS (SELECT 1 FROM audit_unlinked u WHERE u.workspace = audit_events.workspace AND u.event_id = audit_events.id)")
			if len(end) > 0 {
				db = db.Where("id <= ?", end[0])
			}
			return db.Order("id").Limit(limit - len(strays)).Find(&found).Error
		})
		if err != nil {
			return nil, err
		}
		strays = append(strays, found...)
		if len(end) == 0 || len(strays) >= limit {
			return events(strays), nil
		}
		after = end[0]
	}
}

// DropThrough implements [audit.Store].
func (s *Store) DropThrough(ctx context.Context, workspace string, number int64, head audit.Head) error {
	return s.write(ctx, workspace, func(_ context.Context, db *gorm.DB) error {
		linked := db.Model(&linkRow{}).Select("event_id").Where("number <= ?", number)
		if err := db.Where("id IN (?)", linked).Delete(&eventRow{}).Error; err != nil {
			return err
		}
		if err := db.Where("number <= ?", number).Delete(&linkRow{}).Error; err != nil {
			return err
		}
		return writeHead(db, workspace, head)
	})
}
