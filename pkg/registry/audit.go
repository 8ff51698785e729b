package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
)

// event returns a successful event of the provider.
func (p Provider) event(action audit.Action) audit.Event {
	return audit.Event{Workspace: p.Workspace, Action: action, ProviderID: p.ID, Outcome: audit.Success,
		Target: audit.Target{Type: "provider", ID: p.ID, Name: p.Name}}
}

// event returns a successful event of the model.
func (m Model) event(workspace string, action audit.Action) audit.Event {
	return audit.Event{Workspace: workspace, Action: action, ProviderID: m.ProviderID, Outcome: audit.Success,
		Target: audit.Target{Type: "model", ID: m.ID, Name: m.ModelID}}
}

// typeEvent returns a successful event of a call with unsaved settings.
func typeEvent(workspace, typeName string, action audit.Action) audit.Event {
	return audit.Event{Workspace: workspace, Action: action, Outcome: audit.Success,
		Target: audit.Target{Type: "provider_type", ID: typeName, Name: typeName}}
}

// audited returns what events record of the provider and its models.
func (p Provider) audited() audit.Fields {
	fields := audit.Fields{"name": p.Name, "type": p.Type, "enabled": p.Enabled}
	for field, value := range p.Config {
		fields["config."+field] = value
	}
	for field, credential := range p.Credentials {
		fields["credentials."+field] = audit.Secret(credential.Sealed)
	}
	if p.ClonedFrom != "" {
		fields["cloned_from"] = p.ClonedFrom
	}
	for _, m := range p.Models {
		for field, value := range m.audited() {
			fields["models["+m.ID+"]."+field] = value
		}
	}
	return fields
}

// audited returns what events record of the model.
func (m Model) audited() audit.Fields {
	return audit.Fields{"model_id": m.ModelID, "display_name": m.DisplayName, "supported_stages": m.Stages, "enabled": m.Enabled}
}

// failed returns the event of a call that failed unless failure is nil. An event of a
// failure keeps its reason.
func failed(e audit.Event, failure *provider.Failure) audit.Event {
	if failure != nil && e.Outcome == audit.Success {
		e.Outcome, e.Reason = audit.Failure, string(failure.Kind)
	}
	return e
}

// recordCall stores the result of a call to the upstream of a provider with its event.
// Only failures for which the provider is the reason become its error.
func (r *Registry) recordCall(ctx context.Context, p Provider, c Call, e audit.Event, failure *provider.Failure) error {
	c.Workspace, c.ProviderID, c.Connection = p.Workspace, p.ID, p.Connection
	if failure != nil && failure.OfProvider() {
		c.Failure = newProviderError(failure, c.UpstreamModelID, r.clock())
	}
	ctx, cancel := lasting(ctx)
	defer cancel()
	e = failed(e, failure)
	c.Event = r.audit.Seal(ctx, e)
	if c.changesStatus(p) || len(c.Checks) > 0 {
		return unrecorded(e, r.recordChange(ctx, c))
	}
	return unrecorded(e, r.store.RecordCall(ctx, c))
}

// recordEvent stores the event of a call of which nothing else is stored.
func (r *Registry) recordEvent(ctx context.Context, e audit.Event) error {
	ctx, cancel := lasting(ctx)
	defer cancel()
	return unrecorded(e, r.audit.Record(ctx, e))
}

// unrecorded adds to the error of recording a call that the call was made, and for the
// log what could not be recorded.
func unrecorded(e audit.Event, err error) error {
	f := fault.As(err)
	if f == nil {
		return err
	}
	told := *f
	told.Message = "The provider was called, but the result could not be stored. " + f.Message
	told.Err = fmt.Errorf("%s of %s %s, outcome %s, is not recorded: %w", e.Action, e.Target.Type, e.Target.ID, e.Outcome, err)
	return &told
}

// recordWithin is how long the result of a call may take to be stored after the
// service has ended the call because it stops.
const recordWithin = 3 * time.Second

// lasting returns the context in which the result of a call is stored. It does not end
// when the caller goes away, but when the service stops.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if fault.Is(context.Cause(ctx), fault.Unavailable) {
			time.AfterFunc(recordWithin, cancel)
		}
	})
	return out, func() {
		stop()
		cancel()
	}
}

// recordAbandoned records a call that was canceled because the client went away, or
// because of the fault that is the cause of ctx. It returns gone, joined with an error
// of recording. A call that was refused before it began is not recorded.
func (r *Registry) recordAbandoned(ctx context.Context, e audit.Event, gone error) error {
	if fault.As(gone) != nil {
		return gone
	}
	return errors.Join(gone, r.recordEvent(ctx, abandoned(ctx, e)))
}

// abandoned returns the event of a call that ended with its context.
func abandoned(ctx context.Context, e audit.Event) audit.Event {
	e.Outcome, e.Reason = audit.Failure, "the caller went away"
	if cause := fault.As(context.Cause(ctx)); cause != nil {
		e.Reason = string(cause.Kind)
	}
	return e
}
