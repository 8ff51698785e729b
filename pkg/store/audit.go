package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strings"

	"modelproviders/pkg/audit"
)

// eventColumns are the columns that [eventRow.fields] reads.
const eventColumns = `e.workspace, e.id, e.at, e.actor_subject, e.actor_kind, e.action, e.target_type, e.target_id, e.target_name, e.provider_id,
	e.outcome, e.changes, e.reason, e.request_id, e.client_ip, e.count, e.seal, e.number, e.link_mac`

// eventRow is a row of audit_events.
type eventRow struct {
	audit.Event
	changes string
	number  *int64
}

func (row *eventRow) fields() []any {
	e := &row.Event
	return []any{&e.Workspace, &e.ID, (*moment)(&e.At), &e.Actor.Subject, &e.Actor.Kind, &e.Action, &e.Target.Type, &e.Target.ID, &e.Target.Name, &e.ProviderID,
		&e.Outcome, &row.changes, &e.Reason, &e.RequestID, &e.ClientIP, &e.Count, &e.Seal, &row.number, &e.LinkMAC}
}

// event maps a row to an event. Changes that can't be decoded were tampered with:
// they become one change with their text, which fits no seal.
func (row eventRow) event() audit.Event {
	e := row.Event
	if row.number != nil {
		e.Number = *row.number
	}
	if row.changes != noChanges && json.Unmarshal([]byte(row.changes), &e.Changes) != nil {
		e.Changes = []audit.Change{{New: encoded(row.changes)}}
	}
	return e
}

const noChanges = "[]"

// insertEvents is the statement that adds events of one workspace.
func insertEvents(events ...audit.Event) statement {
	c := &conditions{}
	rows := make([]string, len(events))
	for i, e := range events {
		changes := noChanges
		if len(e.Changes) > 0 {
			changes = encoded(e.Changes)
		}
		values := []any{e.Workspace, e.ID, moment(e.At), e.Actor.Subject, e.Actor.Kind, string(e.Action), e.Target.Type, e.Target.ID, e.Target.Name,
			e.ProviderID, string(e.Outcome), changes, e.Reason, e.RequestID, e.ClientIP, e.Count, e.Seal, e.LinkMAC}
		names := make([]string, len(values))
		for j, value := range values {
			names[j] = c.parameter(value)
		}
		rows[i] = "(" + strings.Join(names, ", ") + ")"
	}
	return statement{`INSERT INTO audit_events (workspace, id, at, actor_subject, actor_kind, action, target_type, target_id, target_name,
		provider_id, outcome, changes, reason, request_id, client_ip, count, seal, link_mac) VALUES ` + strings.Join(rows, ", "), c.args}
}

// AppendEvents implements [audit.Store].
func (s *Store) AppendEvents(ctx context.Context, events ...audit.Event) error {
	var inserts []statement
	for batch := range slices.Chunk(events, s.engine.eventsAtOnce) {
		inserts = append(inserts, insertEvents(batch...))
	}
	_, err := s.together(ctx, inserts...)
	return err
}

// Events implements [audit.Store].
func (s *Store) Events(ctx context.Context, workspace string, q audit.Query) ([]audit.Event, error) {
	if !storable(string(q.Action), q.Actor, q.ProviderID, string(q.Outcome)) {
		return nil, nil
	}
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
		clauses += " LIMIT " + c.parameter(q.Limit)
	}
	return s.events(ctx, index, c, clauses)
}

// events reads the events that meet conditions, along an index.
func (s *Store) events(ctx context.Context, index string, c *conditions, clauses string) ([]audit.Event, error) {
	var events []audit.Event
	var row eventRow
	query := "SELECT " + eventColumns + " FROM audit_events e" + s.engine.indexedBy(index) + c.text.String() + clauses
	err := s.rows(ctx, query, c.args, into(row.fields(), func() error {
		events = append(events, row.event())
		return nil
	}))
	return events, err
}

// filterEvents adds the conditions of a filter, and returns the index for the most
// selective one.
func filterEvents(c *conditions, f audit.Filter) (index string) {
	index = "audit_events_at"
	if !f.From.IsZero() {
		c.and("e.at >= ?", ceilMillis(f.From))
	}
	equal := func(column, value, by string) {
		if value != "" {
			index = by
			c.and("e."+column+" = ?", value)
		}
	}
	equal("action", string(f.Action), "audit_events_action")
	if f.Outcome == audit.Success {
		equal("outcome", string(f.Outcome), index)
	} else if f.Outcome != "" {
		equal("outcome", string(f.Outcome), "audit_events_outcome")
		c.and("e.outcome <> 'success'") // shows SQLite that the index has them
	}
	equal("actor_subject", f.Actor, "audit_events_actor")
	equal("provider_id", f.ProviderID, "audit_events_provider")
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

// workspacesOf returns the workspaces that have rows in a table, ordered. It
// goes from one workspace to the next along an index, however many rows each has.
func (s *Store) workspacesOf(ctx context.Context, table, condition string) ([]string, error) {
	var all []string
	for last := ""; ; {
		next := ""
		err := s.allRows(ctx, "SELECT workspace FROM "+table+" WHERE workspace > $1"+condition+" ORDER BY workspace LIMIT 1", []any{last},
			func(rows *sql.Rows) error { return rows.Scan(&next) })
		if err != nil || next == "" {
			return all, err
		}
		all, last = append(all, next), next
	}
}
