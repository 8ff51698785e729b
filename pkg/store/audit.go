package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"

	"modelproviders/pkg/audit"
)

// eventRow is a row of audit_events.
type eventRow struct {
	audit.Event
	changes string // JSON
	number  sql.Null[int64]
}

func (row *eventRow) columns() columns {
	e := &row.Event
	return columns{
		{"workspace", &e.Workspace, fixed}, {"id", &e.ID, fixed}, {"at", (*moment)(&e.At), fixed},
		{"actor_subject", &e.Actor.Subject, fixed}, {"actor_kind", &e.Actor.Kind, fixed}, {"actor_name", &e.Actor.Name, fixed},
		{"action", &e.Action, fixed},
		{"target_type", &e.Target.Type, fixed}, {"target_id", &e.Target.ID, fixed}, {"target_name", &e.Target.Name, fixed},
		{"provider_id", &e.ProviderID, fixed}, {"outcome", &e.Outcome, fixed}, {"changes", &row.changes, fixed},
		{"reason", &e.Reason, fixed}, {"request_id", &e.RequestID, fixed}, {"client_ip", &e.ClientIP, fixed},
		{"count", &e.Count, fixed}, {"seal", &e.Seal, fixed}, {"link_mac", &e.LinkMAC, fixed}, {"number", &row.number, observed},
	}
}

var (
	eventNames  = new(eventRow).columns().names("e.")
	newEvent    = new(eventRow).columns().only(fixed)
	insertEvent = newEvent.insertInto("audit_events")
)

const noChanges = "[]"

// event maps a row to an event. Changes that can't be decoded were tampered with:
// they become one change with their text, which fits no seal.
func (row *eventRow) event() audit.Event {
	e := row.Event
	e.Number = row.number.V
	if row.changes != noChanges && json.Unmarshal([]byte(row.changes), &e.Changes) != nil {
		e.Changes = []audit.Change{{New: encoded(row.changes)}}
	}
	return e
}

// newEventRow maps an event that is not linked yet to its row.
func newEventRow(e audit.Event) *eventRow {
	row := &eventRow{Event: e, changes: noChanges}
	if len(e.Changes) > 0 {
		row.changes = encoded(e.Changes)
	}
	return row
}

// addedEvent is the statement that adds an event.
func addedEvent(e audit.Event) statement {
	return statement{insertEvent, newEventRow(e).columns().only(fixed).fields()}
}

// AppendEvents implements [audit.Store].
func (s *Store) AppendEvents(ctx context.Context, events ...audit.Event) error {
	_, err := s.together(ctx, s.addedEvents(events)...)
	return err
}

// addedEvents are the statements that add events. On SQLite one for each is faster than
// one for all.
func (s *Store) addedEvents(events []audit.Event) (added []statement) {
	if !s.engine.combines || len(events) == 1 {
		for _, e := range events {
			added = append(added, addedEvent(e))
		}
		return added
	}
	rows := make([]columns, len(events))
	for i, e := range events {
		rows[i] = newEventRow(e).columns().only(fixed)
	}
	insert := "INSERT INTO audit_events (" + newEvent.names("") + ") " + s.engine.recordset("audit_events", "$1", newEvent)
	return []statement{{insert, []any{s.engine.records(rows...)}}}
}

// Events implements [audit.Store].
func (s *Store) Events(ctx context.Context, workspace string, q audit.Query) ([]audit.Event, error) {
	c := where("e", workspace)
	index := filterEvents(c, q.Filter)
	// Use the tighter upper bound.
	switch {
	case q.Before != nil && (q.To.IsZero() || q.Before.At.Before(q.To)):
		c.and("(e.at, e.id) < (?, ?)", moment(q.Before.At), q.Before.ID)
	case !q.To.IsZero():
		c.and("e.at < ?", ceilMillis(q.To))
	}
	clauses := " ORDER BY e.at DESC, e.id DESC"
	if q.Limit > 0 {
		clauses += " LIMIT " + c.args.add(q.Limit)
	}
	return s.events(ctx, index, c, clauses)
}

// events reads the events that meet conditions, along an index.
func (s *Store) events(ctx context.Context, index string, c *conditions, clauses string) ([]audit.Event, error) {
	var row eventRow
	query := "SELECT " + eventNames + " FROM audit_events e" + s.engine.indexedBy(index) + c.text.String() + clauses
	return list(ctx, s, query, c.args, row.columns().fields(), row.event)
}

// filterEvents adds the conditions of a filter, and returns the index for the most
// selective one.
func filterEvents(c *conditions, f audit.Filter) (index string) {
	index = "audit_events_at"
	if !f.From.IsZero() {
		c.and("e.at >= ?", ceilMillis(f.From))
	}
	failed := ""
	if f.Outcome != "" && f.Outcome != audit.Success {
		failed = string(f.Outcome)
		c.and("e.outcome <> 'success'") // shows SQLite that the index has them
	} else if f.Outcome != "" {
		c.and("e.outcome = ?", string(f.Outcome)) // most events: no index has them
	}
	for _, equal := range []struct{ column, value, index string }{
		{"action", string(f.Action), "audit_events_action"},
		{"outcome", failed, "audit_events_outcome"},
		{"actor_subject", f.Actor, "audit_events_actor"},
		{"provider_id", f.ProviderID, "audit_events_provider"},
	} {
		if equal.value != "" {
			index = equal.index
			c.and("e."+equal.column+" = ?", equal.value)
		}
	}
	return index
}

// Workspaces implements [audit.Store].
func (s *Store) Workspaces(ctx context.Context) ([]string, error) {
	events, err := s.workspacesOf(ctx, "audit_events", "")
	if err != nil {
		return nil, err
	}
	heads, err := s.workspacesOf(ctx, "audit_heads", "")
	all := slices.Concat(events, heads)
	slices.Sort(all)
	return slices.Compact(all), err
}

// UnlinkedWorkspaces implements [audit.Store].
func (s *Store) UnlinkedWorkspaces(ctx context.Context) ([]string, error) {
	return s.workspacesOf(ctx, "audit_events", " AND number IS NULL")
}

// ProviderWorkspaces returns the workspaces that have providers, ordered.
func (s *Store) ProviderWorkspaces(ctx context.Context) ([]string, error) {
	return s.workspacesOf(ctx, "providers", "")
}

// workspacesOf returns the workspaces that have rows in a table, ordered. It
// goes from one workspace to the next along an index, however many rows each has.
func (s *Store) workspacesOf(ctx context.Context, table, condition string) ([]string, error) {
	var all []string
	var next string
	query := "SELECT workspace FROM " + table + " WHERE workspace > $1" + condition + " ORDER BY workspace LIMIT 1"
	for {
		found, err := s.one(ctx, query, []any{next}, &next)
		if err != nil || !found {
			return all, err
		}
		all = append(all, next)
	}
}
