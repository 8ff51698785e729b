package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
)

// facets are what an event tells of a provider or a model: a JSON text a field.
// A sealed value is told by its name alone.
type facets struct {
	clear  map[string]any
	sealed map[string][]byte
}

func (p Provider) facets() facets {
	f := facets{clear: map[string]any{"name": p.Name, "type": p.Type, "enabled": p.Enabled}, sealed: map[string][]byte{}}
	for field, value := range p.Config {
		f.clear["config."+field] = value
	}
	for field, credential := range p.Credentials {
		f.sealed["credentials."+field] = credential.Sealed
	}
	for _, m := range p.Models {
		for field, value := range m.facets().clear {
			f.clear["models["+m.ID+"]."+field] = value
		}
	}
	return f
}

func (m Model) facets() facets {
	return facets{clear: map[string]any{"model_id": m.ModelID, "display_name": m.DisplayName,
		"supported_stages": m.Stages, "enabled": m.Enabled}}
}

// changes tells what differs between two states, ordered by field.
func changes(before, after facets) ([]audit.Change, error) {
	var out []audit.Change
	names := map[string]bool{}
	for _, f := range []facets{before, after} {
		for name := range f.clear {
			names[name] = true
		}
		for name := range f.sealed {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if !bytes.Equal(before.sealed[name], after.sealed[name]) {
			out = append(out, audit.Change{Field: name})
			continue
		}
		was, err := before.text(name)
		if err != nil {
			return nil, err
		}
		is, err := after.text(name)
		if err != nil {
			return nil, err
		}
		if was != is {
			out = append(out, audit.Change{Field: name, Old: was, New: is})
		}
	}
	return out, nil
}

// text is the JSON text of a clear field; empty where there is none.
func (f facets) text(name string) (string, error) {
	value, ok := f.clear[name]
	if !ok {
		return "", nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "The change could not be recorded.")
	}
	return string(text), nil
}

func (p Provider) target() audit.Target {
	return audit.Target{Type: "provider", ID: p.ID, Name: p.Name}
}

func (m Model) target() audit.Target {
	return audit.Target{Type: "model", ID: m.ID, Name: m.ModelID}
}

// changeEvent is the event of an edit that succeeded.
func changeEvent(workspace, providerID string, action audit.Action, target audit.Target, before, after facets) (audit.Event, error) {
	changed, err := changes(before, after)
	return audit.Event{Workspace: workspace, Action: action, Target: target, ProviderID: providerID,
		Outcome: audit.Success, Changes: changed}, err
}

// recordChange records an edit that succeeded.
func (r *Registry) recordChange(ctx context.Context, workspace, providerID string, action audit.Action, target audit.Target, before, after facets) error {
	e, err := changeEvent(workspace, providerID, action, target, before, after)
	if err != nil {
		return err
	}
	return r.audit.Record(ctx, e)
}

// callEvent is the event of a call to an upstream.
func callEvent(workspace, providerID string, action audit.Action, target audit.Target, failure *provider.Failure) audit.Event {
	e := audit.Event{Workspace: workspace, Action: action, Target: target, ProviderID: providerID, Outcome: audit.Success}
	if failure != nil {
		e.Outcome, e.Reason = audit.Failure, string(failure.Kind)
	}
	return e
}

// recordCall records a call to the upstream of a stored provider, with what it
// says of the provider: a failure only where it is the provider's own. Nothing
// is said of a connection that was changed since the call began.
func (r *Registry) recordCall(ctx context.Context, p Provider, c Call, action audit.Action, target audit.Target, failure *provider.Failure) error {
	c.Workspace, c.ProviderID, c.Connection = p.Workspace, p.ID, p.Connection
	if failure != nil && failure.OfProvider() {
		c.Failure = &ProviderError{Kind: string(failure.Kind), Message: failure.Message, ModelID: c.UpstreamModelID, Since: r.clock()}
	}
	ctx = context.WithoutCancel(ctx)
	var err error
	if c.Event, err = r.audit.Seal(ctx, callEvent(p.Workspace, p.ID, action, target, failure)); err != nil {
		return err
	}
	return r.store.RecordCall(ctx, c)
}

// recordAbandoned records a call to an upstream that was broken off: the caller
// went away, or, as the cause of ctx tells, may no longer call. It returns why
// the call has no result, with what kept it from being recorded. A call that was
// refused before it began is none.
func (r *Registry) recordAbandoned(ctx context.Context, workspace, providerID string, action audit.Action, target audit.Target, gone error) error {
	if fault.As(gone) != nil {
		return gone
	}
	reason := "the caller went away"
	if cause := fault.As(context.Cause(ctx)); cause != nil {
		reason = string(cause.Kind)
	}
	return errors.Join(gone, r.audit.Record(context.WithoutCancel(ctx), audit.Event{Workspace: workspace, Action: action, Target: target,
		ProviderID: providerID, Outcome: audit.Failure, Reason: reason}))
}
