package api

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

const (
	maxChangeWait   = time.Minute
	maxChangeStream = time.Hour
	// stoppingWait bounds waits that begin while the service is stopping. It is long
	// enough that clients don't come back all the time.
	stoppingWait = time.Second
	// lastChanges is how long waits go on when the service begins to stop, so that they
	// learn of a change that was committed just before.
	lastChanges = 300 * time.Millisecond

	headerLastEventID = "Last-Event-ID"
)

// change is something that happened to a provider or a model.
type change struct {
	// The position of this change. Send it as `after` to read the changes after it.
	Cursor string `json:"cursor" example:"AAAAAAAAACoBmdGkfB59OppTPyxajpsQ3q2-7wESIzRFVmd4iZqrvA"`
	// When it happened.
	At timestamp `json:"at" swaggertype:"string" format:"date-time" example:"2026-11-23T09:30:00.000Z"`
	// What kind of object changed. A change of a provider can be one of its models, too: read them again.
	Resource string `json:"resource" enums:"provider,model" example:"model"`
	// The id of the provider or the model.
	ID string `json:"id" format:"uuid" example:"0199d1a4-7c1f-7b02-8e11-6d0f6c1b2a3d"`
	// The id of the provider, also if a model changed.
	ProviderID string `json:"provider_id" format:"uuid" example:"0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10"`
	// What happened. `status_changed`: the status of the provider changed. `verified`: the status of a stage check of the model changed. Deleting a provider deletes its models without a change for each.
	Action string `json:"action" enums:"created,updated,deleted,status_changed,verified" example:"updated"`
	// The version of the provider or the model after the change; the last one if it was deleted.
	Version int64 `json:"version" example:"2"`
	// The version of the provider after the change.
	ProviderVersion int64 `json:"provider_version" example:"5"`
} //	@name	Change

// changeList is one page of changes.
type changeList struct {
	// The changes of this page, oldest first.
	Data []change `json:"data"`
	// Where to continue: the cursor of the last change of this page, or the one that was sent if there is none. It is never null.
	NextCursor string `json:"next_cursor" example:"AAAAAAAAACoBmdGkfB59OppTPyxajpsQ3q2-7wESIzRFVmd4iZqrvA"`
} //	@name	ChangeList

// changeReset is the data of a `reset` event, see ChangeReset in cmd/openapi/base.yaml.
type changeReset struct {
	NextCursor string `json:"next_cursor"`
}

// @Summary		List changes
// @Description	Tells what happened to the providers and models of the workspace, in the order in which it was stored. Changes are kept for 24 hours. To follow them, request `next_cursor` without `after`, read the list of models, and then request the changes after the cursor.
// @Description
// @Description	With `Accept: text/event-stream`, the response is a stream of `change` events of up to an hour. The `id` of an event is its cursor; reconnect with `Last-Event-ID`. Without a cursor the stream begins at the present end, and its first `id` is that position. A `reset` event means that the changes after the cursor are not stored any more: read the lists again. `wait` and `limit` have no effect on a stream.
// @Description
// @Description	At most 100 requests of a workspace can wait at the same time.
// @Param			after			query		string	false	"Only changes after this cursor. Without it, the response contains no changes but the cursor of the present end."	maxlength(2048)
// @Param			wait			query		string	false	"How long to wait if there is no change, up to `60s`. Without `after` it has no effect."								maxlength(2048)	example(30s)
// @Param			Last-Event-ID	header		string	false	"The last `id` that was received of a stream. It has precedence over `after`."
// @Success		200				{object}	changeList
// @Failure		410				{object}	problem
// @Router			/changes [get]
func (a *API) listChanges(c echo.Context) (any, error) {
	q := newQuery(c)
	field, cursor := "after", c.QueryParam("after")
	if last := c.Request().Header.Get(headerLastEventID); last != "" && wantsEvents(c.Request()) {
		field, cursor = headerLastEventID, last
	}
	after, wait, limit := a.readChangeCursor(q, field, cursor), q.duration("wait", maxChangeWait), q.limit()
	if err := q.faults.Err(fault.MalformedRequest, badQuery); err != nil {
		return nil, err
	}
	if wantsEvents(c.Request()) {
		return nil, a.streamChanges(c, after)
	}
	if c.Request().Method == http.MethodHead || after == nil {
		wait = 0
	}
	return a.pageOfChanges(c, after, wait, limit)
}

// pageOfChanges returns the changes after a position, and waits for one if there is none.
// Without a position it returns the present end.
func (a *API) pageOfChanges(c echo.Context, after *registry.ChangePosition, wait time.Duration, limit int) (any, error) {
	workspace := principal(c).Workspace
	ctx, end := context.WithCancelCause(c.Request().Context())
	defer end(nil)
	if after == nil {
		at, err := a.changeEnd(ctx, workspace)
		return changeList{Data: []change{}, NextCursor: a.changeCursor(workspace, at)}, err
	}
	if wait > 0 {
		leave, err := a.Limiter.Wait(workspace)
		if err != nil {
			return nil, err
		}
		defer leave()
		_ = http.NewResponseController(c.Response()).SetWriteDeadline(time.Now().Add(wait + a.RequestTimeout))
		defer a.keepChecking(ctx, c, end, func() {})()
	}
	until, stop := a.waiting(ctx, wait)
	defer stop()
	changes, err := a.nextChanges(ctx, until, workspace, *after, limit)
	if err != nil {
		return nil, endedBy(ctx, err)
	}
	page := changeList{Data: mapped(changes, a.toChange), NextCursor: a.changeCursor(workspace, *after)}
	if len(changes) > 0 {
		page.NextCursor = page.Data[len(changes)-1].Cursor
	}
	return page, nil
}

// streamChanges sends the changes after a position, or after the present end, as events.
func (a *API) streamChanges(c echo.Context, after *registry.ChangePosition) error {
	workspace := principal(c).Workspace
	leave, err := a.Limiter.Wait(workspace)
	if err != nil {
		return err
	}
	defer leave()
	lasting := maxChangeStream
	if c.Request().Method == http.MethodHead {
		lasting = 0
	}
	return a.streamEvents(c, func(ctx context.Context, events *eventWriter) error {
		if after == nil {
			end, err := a.changeEnd(ctx, workspace)
			if err != nil {
				return err
			}
			after = &end
		}
		events.sendID(a.changeCursor(workspace, *after))
		until, stop := a.waiting(ctx, lasting)
		defer stop()
		return a.sendChanges(ctx, until, workspace, *after, events)
	})
}

// sendChanges sends the changes after a position until a context ends.
func (a *API) sendChanges(ctx, until context.Context, workspace string, after registry.ChangePosition, events *eventWriter) error {
	for until.Err() == nil {
		changes, err := a.nextChanges(ctx, until, workspace, after, maxLimit)
		if fault.Is(err, fault.Gone) {
			if after, err = a.changeEnd(ctx, workspace); err == nil {
				cursor := a.changeCursor(workspace, after)
				events.sendWithID(cursor, "reset", changeReset{NextCursor: cursor})
			}
		}
		if err != nil {
			return err
		}
		for _, next := range changes {
			told := a.toChange(next)
			events.sendWithID(told.Cursor, "change", told)
			after = next.Position()
		}
	}
	return ctx.Err()
}

// waiting returns the context of a wait, which ends after a time, and soon after the
// service begins to stop.
func (a *API) waiting(ctx context.Context, limit time.Duration) (until context.Context, stop func()) {
	if a.Stopping.Err() != nil {
		return context.WithTimeout(ctx, min(limit, stoppingWait))
	}
	until, cancel := context.WithTimeout(ctx, limit)
	forget := context.AfterFunc(a.Stopping, func() { time.AfterFunc(lastChanges, cancel) })
	return until, func() {
		forget()
		cancel()
	}
}

// nextChanges returns the changes after a position, and waits until there is one. When
// the wait ends, it looks once more.
func (a *API) nextChanges(ctx, until context.Context, workspace string, after registry.ChangePosition, limit int) ([]registry.Change, error) {
	for {
		last := until.Err() != nil
		changes, err := a.changesAfter(ctx, workspace, after, limit)
		switch {
		case err != nil || len(changes) > 0:
			return changes, err
		case last:
			return nil, ctx.Err()
		}
		if err := a.Registry.WaitForChange(until, workspace, after); err != nil && until.Err() == nil {
			return nil, err
		}
	}
}

// changesAfter reads changes within the time of a request that does not wait.
func (a *API) changesAfter(ctx context.Context, workspace string, after registry.ChangePosition, limit int) ([]registry.Change, error) {
	ctx, cancel := context.WithTimeout(ctx, a.RequestTimeout)
	defer cancel()
	return a.Registry.ChangesAfter(ctx, workspace, after, limit)
}

// changeEnd reads the present end within the time of a request that does not wait.
func (a *API) changeEnd(ctx context.Context, workspace string) (registry.ChangePosition, error) {
	ctx, cancel := context.WithTimeout(ctx, a.RequestTimeout)
	defer cancel()
	return a.Registry.ChangeEnd(ctx, workspace)
}

func (a *API) toChange(of registry.Change) change {
	return change{
		Cursor: a.changeCursor(of.Workspace, of.Position()), At: timestamp(of.At),
		Resource: string(of.Resource), ID: of.ResourceID, ProviderID: of.ProviderID,
		Action: string(of.Action), Version: of.Version, ProviderVersion: of.ProviderVersion,
	}
}
