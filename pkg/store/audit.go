package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"

	"modelproviders/pkg/audit"
)

// eventRow is a row of audit_events.
type eventRow struct {
	Workspace    string `gorm:"primaryKey"`
	ID           string `gorm:"primaryKey"`
	At           int64
	ActorSubject string
	ActorKind    string
	Action       audit.Action
	TargetType   string
	TargetID     string
	TargetName   string
	ProviderID   string
	Outcome      audit.Outcome
	Changes      string
	Reason       string
	RequestID    string
	ClientIP     string
	Count        int
	Seal         []byte
}

// TableName names the table to GORM.
func (eventRow) TableName() string { return "audit_events" }

// newEventRow maps an event to its row.
func newEventRow(e audit.Event) (eventRow, error) {
	changes := []byte("[]")
	if len(e.Changes) > 0 {
		var err error
		if changes, err = json.Marshal(e.Changes); err != nil {
			return eventRow{}, fmt.Errorf("encode the changes of audit event %s: %w", e.ID, err)
		}
	}
	return eventRow{
		Workspace: e.Workspace, ID: e.ID, At: toMillis(e.At), ActorSubject: e.Actor.Subject, ActorKind: e.Actor.Kind,
		Action: e.Action, TargetType: e.Target.Type, TargetID: e.Target.ID, TargetName: e.Target.Name,
		ProviderID: e.ProviderID, Outcome: e.Outcome, Changes: string(changes), Reason: e.Reason,
		RequestID: e.RequestID, ClientIP: e.ClientIP, Count: e.Count, Seal: e.Seal,
	}, nil
}

// event maps a row to an event. Changes that are no list of changes any more
// were written by somebody else: they are told as a text, and no seal fits.
func (row eventRow) event() audit.Event {
	var changes []audit.Change
	if json.Unmarshal([]byte(row.Changes), &changes) != nil {
		text, _ := json.Marshal(row.Changes) // a string always can be
		changes = []audit.Change{{New: string(text)}}
	}
	if len(changes) == 0 {
		changes = nil
	}
	return audit.Event{
		ID: row.ID, At: fromMillis(row.At), Workspace: row.Workspace,
		Actor:  audit.Actor{Subject: row.ActorSubject, Kind: row.ActorKind},
		Action: row.Action, Target: audit.Target{Type: row.TargetType, ID: row.TargetID, Name: row.TargetName},
		ProviderID: row.ProviderID, Outcome: row.Outcome, Changes: changes, Reason: row.Reason,
		RequestID: row.RequestID, ClientIP: row.ClientIP, Count: row.Count, Seal: row.Seal,
	}
}

func events(rows []eventRow) []audit.Event {
	all := make([]audit.Event, len(rows))
	for i, row := range rows {
		all[i] = row.event()
	}
	return all
}

// AppendEvent implements [audit.Store].
func (s *Store) AppendEvent(ctx context.Context, e audit.Event, note []byte) error {
	row, err := newEventRow(e)
	if err != nil {
		return err
	}
	return s.write(ctx, e.Workspace, func(_ context.Context, db *gorm.DB) error {
		if err := db.Create(&row).Error; err != nil {
			return err
		}
		return db.Create(&unlinkedRow{Workspace: e.Workspace, EventID: e.ID, MAC: note}).Error
	})
}

// Events implements [audit.Store].
func (s *Store) Events(ctx context.Context, workspace string, q audit.Query) ([]audit.Event, error) {
	if !storable(string(q.Action), q.Actor, q.ProviderID, string(q.Outcome)) {
		return nil, nil
	}
	var rows []eventRow
	err := s.read(ctx, workspace, func(db *gorm.DB) error {
		list := s.filterEvents(db, q.Filter).Order("at DESC, id DESC")
		// Of two upper bounds the lower does.
		switch {
		case q.Before != nil && (q.To.IsZero() || q.Before.At.Before(q.To)):
			list = list.Where("(at, id) < (?, ?)", toMillis(q.Before.At), q.Before.ID)
		case !q.To.IsZero():
			list = list.Where("at < ?", millisFrom(q.To))
		}
		if q.Limit > 0 {
			list = list.Limit(q.Limit)
		}
		return list.Find(&rows).Error
	})
	return events(rows), err
}

// filterEvents adds the conditions of a filter, the one that tells most first;
// each of them shares an index with the action.
func (s *Store) filterEvents(db *gorm.DB, f audit.Filter) *gorm.DB {
	c := conditions{db: db, steered: s.engine.steered}
	if f.Action != "" {
		c.db = c.db.Where("action = ?", f.Action)
	}
	if f.ProviderID != "" {
		c.add("provider_id", f.ProviderID)
	}
	if f.Actor != "" {
		c.add("actor_subject", f.Actor)
	}
	if f.Outcome != "" {
		c.add("outcome", f.Outcome)
	}
	switch {
	case f.From.IsZero():
	case s.engine.steered:
		// SQLite takes a range for few rows, and the index on the time alone for
		// the best, unless it is told that most rows are in the range
		// (https://www.sqlite.org/lang_corefunc.html#likelihood).
		c.db = c.db.Where("likelihood(at >= ?, 1.0)", millisFrom(f.From))
	default:
		c.db = c.db.Where("at >= ?", millisFrom(f.From))
	}
	return c.db
}

// millisFrom is the first whole millisecond that is not before t.
func millisFrom(t time.Time) int64 { return toMillis(t.Add(time.Millisecond - time.Nanosecond)) }

// Workspaces implements [audit.Store]. It goes from one workspace to the next
// along an index, however many events each has.
func (s *Store) Workspaces(ctx context.Context) ([]string, error) {
	return s.workspacesOf(ctx, &eventRow{}, &unlinkedRow{}, &linkRow{}, &headRow{})
}

// UnlinkedWorkspaces implements [audit.Store].
func (s *Store) UnlinkedWorkspaces(ctx context.Context) ([]string, error) {
	return s.workspacesOf(ctx, &unlinkedRow{})
}

// workspacesOf returns the workspaces that have rows in any of the tables,
// ordered.
func (s *Store) workspacesOf(ctx context.Context, tables ...any) ([]string, error) {
	var all []string
	for last := ""; ; {
		next := ""
		for _, table := range tables {
			var found []string
			err := s.query(ctx, func(ctx context.Context, db *gorm.DB) error {
				return across(ctx, db).Model(table).Where("workspace > ?", last).Order("workspace").Limit(1).Pluck("workspace", &found).Error
			})
			if err != nil {
				return nil, err
			}
			if len(found) > 0 && (next == "" || found[0] < next) {
				next = found[0]
			}
		}
		if next == "" {
			return all, nil
		}
		all, last = append(all, next), next
	}
}
