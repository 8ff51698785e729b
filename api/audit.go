package api

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"slices"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
)

// auditEvent is one event of the audit log.
type auditEvent struct {
	// The id, a UUIDv7.
	ID string `json:"id" format:"uuid" example:"0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10"`
	// When it happened.
	At timestamp `json:"at" swaggertype:"string" format:"date-time" example:"2026-11-23T09:30:00.000Z"`
	// Who did it.
	Actor auditActor `json:"actor"`
	// The workspace in which it happened.
	Workspace string `json:"workspace" example:"default"`
	// What was done.
	Action string `json:"action" extensions:"x-ref=AuditAction" example:"provider.update"`
	// What it was done to.
	Target auditTarget `json:"target"`
	// The result. A failed test is a `failure`; a refused request is `denied`.
	Outcome string `json:"outcome" extensions:"x-ref=AuditOutcome" example:"success"`
	// What changed. The values of credentials are not recorded, only whether they were set, replaced or removed.
	Changes []auditChange `json:"changes"`
	// The reason that the caller gave, or the code of a failure or refusal; empty if there is none.
	Reason string `json:"reason" example:"Moving to another key"`
	// The id of the request.
	RequestID string `json:"request_id" example:"0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10"`
	// The address of the client.
	ClientIP string `json:"client_ip" example:"192.0.2.7"`
	// How many occurrences this event stands for. Equal refusals within a minute are one event.
	Count int `json:"count" example:"1"`
} //	@name	AuditEvent

// auditActor is who caused an event.
type auditActor struct {
	// The id of a token, or the subject of a user at the OIDC issuer; empty for an unknown caller.
	Subject string `json:"subject" example:"0199d1a4-7c20-7c44-a1b5-93d1e5f0c8aa"`
	// How the caller signed in; `operator` is the command line, `none` is a service without authentication, `service` is the service itself, such as a check in the background; empty for an unknown caller.
	Kind string `json:"kind" enums:"token,oidc,none,operator,service," example:"token"`
	// The name at that time: of a token, or the e-mail address or user name that the OIDC issuer gave; empty if there is none. Users may choose it at some issuers; only the subject identifies them.
	Name string `json:"name" example:"Deploy script"`
} //	@name	AuditActor

// auditTarget is what an event was done to.
type auditTarget struct {
	// What kind of object it is.
	Type string `json:"type" enums:"provider,model,reference,credential,token,provider_type,route,key" example:"provider"`
	// The id.
	ID string `json:"id" example:"0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10"`
	// The name at that time.
	Name string `json:"name" example:"Production OpenAI"`
} //	@name	AuditTarget

// auditChange is one changed field.
type auditChange struct {
	// The path of the field.
	Field string `json:"field" example:"name"`
	// The previous value; absent if there was none. Of a credential, a mask.
	Old any `json:"old,omitempty" example:"OpenAI"`
	// The new value; absent if there is none. Of a credential, a mask.
	New any `json:"new,omitempty" example:"Production OpenAI"`
} //	@name	AuditChange

// auditEventList is one page of events.
type auditEventList struct {
	// The events of this page, newest first.
	Data []auditEvent `json:"data"`
	// The cursor of the next page; null on the last page.
	NextCursor *string `json:"next_cursor" extensions:"x-nullable" example:"AZ3J0o7k"`
} //	@name	AuditEventList

// @Summary		List audit events
// @Description	The newest events come first.
// @Param			action		query		string	false	"Only events with this action"					extensions(x-ref=AuditAction)
// @Param			actor		query		string	false	"Only events caused by this subject"			maxlength(2048)
// @Param			provider_id	query		string	false	"Only events about this provider or its models"	format(uuid)
// @Param			outcome		query		string	false	"Only events with this outcome"					extensions(x-ref=AuditOutcome)
// @Param			from		query		string	false	"Only events at or after this time (RFC 3339)"	format(date-time)
// @Param			to			query		string	false	"Only events before this time (RFC 3339)"		format(date-time)
// @Success		200			{object}	auditEventList
// @Router			/audit-events [get]
func (a *API) listAuditEvents(c echo.Context) (any, error) {
	q := newQuery(c)
	filter := audit.Filter{
		Action:     oneOf(q, "action", audit.Actions()...),
		Actor:      q.text("actor"),
		ProviderID: q.uuid("provider_id"),
		Outcome:    oneOf(q, "outcome", audit.Outcomes()...),
		From:       q.time("from"),
		To:         q.time("to"),
	}
	page, err := q.page()
	if err != nil {
		return nil, err
	}
	workspace := principal(c).Workspace
	events, next, err := readPage(a.Keyset, listing{"audit events", workspace, filter}, page, func(before *audit.Position, limit int) ([]audit.Event, error) {
		return a.Audit.Events(c.Request().Context(), workspace, audit.Query{Filter: filter, Before: before, Limit: limit})
	}, audit.Event.Position)
	return auditEventList{Data: mapped(events, toAuditEvent), NextCursor: next}, err
}

func toAuditEvent(e audit.Event) auditEvent {
	return auditEvent{
		ID: e.ID, At: timestamp(e.At), Actor: auditActor(e.Actor), Workspace: e.Workspace,
		Action: string(e.Action), Target: auditTarget(e.Target),
		Outcome: string(e.Outcome), Reason: e.Reason,
		Changes: mapped(e.Changes, func(change audit.Change) auditChange {
			return auditChange{Field: change.Field, Old: jsonOrAbsent(change.Old), New: jsonOrAbsent(change.New)}
		}),
		RequestID: e.RequestID, ClientIP: e.ClientIP, Count: e.Count,
	}
}

// jsonOrAbsent returns a JSON text unchanged, and nil for "". Text that is not
// JSON, which only a change of the database from outside can cause, becomes a
// string, so that the other events can still be read.
func jsonOrAbsent(text string) any {
	switch {
	case text == "":
		return nil
	case !json.Valid([]byte(text)):
		return text
	}
	return json.RawMessage(text)
}

// WriteAuditEvent writes an event as one line of JSON, in the shape in which the
// API answers it.
func WriteAuditEvent(w io.Writer, e audit.Event) error { return encodeJSON(w, toAuditEvent(e)) }

// sourceOf returns the source of the events that a request causes.
func sourceOf(c echo.Context, p auth.Principal) audit.Source {
	return audit.Source{
		Workspace: p.Workspace, Actor: p.Actor(),
		RequestID: requestID(c), ClientIP: c.RealIP(),
	}
}

// recordRefusal records that a request was refused; see [audit.Refusals]. If that
// fails, the request is still refused, and the failure is logged.
func (a *API) recordRefusal(c echo.Context, err error) {
	refusals := []fault.Kind{fault.Unauthenticated, fault.Forbidden, fault.RevealDisabled, fault.RateLimited}
	f := fault.As(err)
	if f == nil || !slices.Contains(refusals, f.Kind) {
		return
	}
	ctx := audit.WithSource(context.WithoutCancel(c.Request().Context()), sourceOf(c, principal(c)))
	if err := a.Refusals.Add(ctx, c.Request().Method+" "+c.Path(), string(f.Kind)); err != nil {
		a.Logger.Error("could not record a refusal", slog.String("request_id", requestID(c)), slog.Any("error", err))
	}
}
