package registry

import (
	"context"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/provider"
)

// connection is a client for one call, and what its outcome is recorded with.
type connection struct {
	client   provider.Client
	end      func() // must be called when the client is no longer used
	event    audit.Event
	provider Provider // zero for settings of a type
	stored   bool     // the client has the provider's stored settings
}

// connect opens a connection to a provider: with its stored settings if the draft
// has none, otherwise with the draft's applied to them. It returns not_found,
// malformed_request, validation_failed and credentials_required.
func (r *Registry) connect(ctx context.Context, workspace, id string, draft Draft, action audit.Action, outcome string) (connection, error) {
	p, err := r.Provider(ctx, workspace, id)
	if err != nil {
		return connection{}, err
	}
	c := connection{event: p.event(action), provider: p, stored: draft.isEmpty()}
	if c.stored {
		c.client, c.end, err = r.clientOf(ctx, p)
		return c, err
	}
	if c.client, err = r.openEdit(ctx, p, draft, outcome); err != nil {
		return connection{}, err
	}
	c.end = c.client.Close
	return c, nil
}

// connectType opens a connection with settings of a type. It returns not_found for
// an unknown type, malformed_request and validation_failed.
func (r *Registry) connectType(workspace, typeName string, draft Draft, action audit.Action, outcome string) (connection, error) {
	client, err := r.openDraft(typeName, draft, outcome)
	if err != nil {
		return connection{}, err
	}
	return connection{client: client, end: client.Close, event: typeEvent(workspace, typeName, action)}, nil
}

// isEmpty reports whether the draft has neither settings nor problems.
func (d Draft) isEmpty() bool {
	return len(d.Settings.Credentials)+len(d.Settings.Config)+len(d.Problems.Malformed)+len(d.Problems.Invalid) == 0
}

// recordOutcome records the event of a call. If the settings are stored, it also records
// the outcome, and the failure as the provider's error if it is one.
func (r *Registry) recordOutcome(ctx context.Context, c connection, outcome Call, failure *provider.Failure) error {
	if !c.stored {
		return r.recordEvent(ctx, failed(c.event, failure))
	}
	return r.recordCall(ctx, c.provider, outcome, c.event, failure)
}
