package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"modelproviders/pkg/audit"
)

// eventColumns are the columns that [eventRow.fields] reads.
const eventColumns = `e.workspace, e.id, e.at, e.actor_subject, e.actor_kind, e.action, e.target_type, e.target_id, e.target_name, e.provider_id,
	e.outcome, e.changes, e.reason, e.request_id, e.client_ip, e.count, e.seal, e.number, e.link_mac`

// eventRow is a row of audit_events.
type eventRow struct {
	audit.Event
	at      moment
	changes string
	number  *int64
}

func (row *eventRow) fields() []any {
	e := &row.Event
	return []any{&e.Workspace, &e.ID, &row.at, &e.Actor.Subject, &e.Actor.Kind, &e.Action, &e.Target.Type, &e.Target.ID, &e.Target.Name, &e.ProviderID,
		&e.Outcome, &row.changes, &e.Reason, &e.RequestID, &e.ClientIP, &e.Count, &e.Seal, &row.number, &e.LinkMAC}
}

// event maps a row to an event. Changes that are no list of changes any more
// were written by somebody else: they are told as a text, and no seal fits.
func (row eventRow) event() audit.Event {
	e := row.Event
	e.At = row.at.Time
	if row.number != nil {
		e.Number = *row.number
	}
	if row.changes == noChanges {
		return e
	}
	if json.Unmarshal([]byte(row.changes), &e.Changes) != nil {
		text, _ := json.Marshal(row.changes) // a string always can be
		e.Changes = []audit.Change{{New: string(text)}}
	}
	return e
}

const noChanges = "[]"

// insertEvents is the statement that adds events of one workspace.
func insertEvents(events ...audit.Event) (statement, error) {
	c := &conditions{}
	c.text.WriteString(`INSERT INTO audit_events (workspace, id, at, actor_subject, actor_kind, action, target_type, target_id, target_name,
		provider_id, outcome, changes, reason, request_id, client_ip, count, seal, link_mac) VALUES `)
	for i, e := range events {
		changes := noChanges
		if len(e.Changes) > 0 {
			text, err := json.Marshal(e.Changes)
			if err != nil {
				return statement{}, fmt.Errorf("encode the changes of audit event %s: %w", e.ID, err)
			}
			changes = string(text)
		}
		if i > 0 {
			c.text.WriteByte(',')
		}
		for j, value := range []any{e.Workspace, e.ID, newMoment(e.At), e.Actor.Subject, e.Actor.Kind, string(e.Action), e.Target.Type, e.Target.ID,
			e.Target.Name, e.ProviderID, string(e.Outcome), changes, e.Reason, e.RequestID, e.ClientIP, e.Count, e.Seal, e.LinkMAC} {
			separator := ", "
			if j == 0 {
				separator = "("
			}
			c.text.WriteString(separator + c.parameter(value))
		}
		c.text.WriteByte(')')
	}
	return statement{c.text.String(), c.args}, nil
}

// AppendEvents implements [audit.Store].
func (s *Store) AppendEvents(ctx context.Context, events ...audit.Event) error {
	var inserts []statement
	for batch := range slices.Chunk(events, s.engine.eventsAtOnce) {
		insert, err := insertEvents(batch...)
		if err != nil {
			return err
		}
		inserts = append(inserts, insert)
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
		c.and("(e.at, e.id) < (?, ?)", newMoment(q.Before.At), q.Before.ID)
	case !q.To.IsZero():
		c.and("e.at < ?", moment{ceilMillis(q.To)})
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
	query := "SELECT " + eventColumns + " FROM audit_events e" + s.engine.indexedBy(index) + c.text.String() + clauses
	err := s.rows(ctx, query, c.args, func(rows *sql.Rows) error {
		var row eventRow
		if err := rows.Scan(row.fields()...); err != nil {
			return err
		}
		events = append(events, row.event())
		return nil
	})
	return events, err
}

// filterEvents adds the conditions of a filter, and names the index for the one
// that tells most.
func filterEvents(c *conditions, f audit.Filter) (index string) {
	index = "audit_events_at"
	if !f.From.IsZero() {
		c.and("e.at >= ?", moment{ceilMillis(f.From)})
	}
	if f.Action != "" {
		index = "audit_events_action"
		c.and("e.action = ?", string(f.Action))
	}
	if f.Outcome != "" {
		c.and("e.outcome = ?", string(f.Outcome))
		if f.Outcome != audit.Success {
			index = "audit_events_outcome"
			c.and("e.outcome <> 'success'") // shows SQLite that the index has them
		}
	}
	if f.Actor != "" {
		index = "audit_events_actor"
		c.and("e.actor_subject = ?", f.Actor)
	}
	if f.ProviderID != "" {
		index = "audit_events_provider"
		c.and("e.provider_id = ?", f.ProviderID)
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
