package registry

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"

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

// fields are what an event records of a provider or a model: values as JSON, and
// of sealed ones only that they changed. A field without a value is left out.
type fields map[string]any

type sealedValue string

func (p Provider) fields() fields {
	f := fields{"name": p.Name, "type": p.Type, "enabled": p.Enabled}
	for field, value := range p.Config {
		f["config."+field] = value
	}
	for field, credential := range p.Credentials {
		f["credentials."+field] = sealedValue(credential.Sealed)
	}
	for _, m := range p.Models {
		for field, value := range m.fields() {
			f["models["+m.ID+"]."+field] = value
		}
	}
	return f
}

func (m Model) fields() fields {
	return fields{"model_id": m.ModelID, "display_name": m.DisplayName, "supported_stages": m.Stages, "enabled": m.Enabled}
}

// changed returns an event with the differences between two states, sorted by field.
func changed(e audit.Event, before, after fields) (audit.Event, error) {
	all := maps.Clone(before)
	maps.Copy(all, after)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if reflect.DeepEqual(before[name], after[name]) {
			continue
		}
		was, err := before.text(name)
		is, err2 := after.text(name)
		if err := errors.Join(err, err2); err != nil {
			return e, fault.Wrap(fault.Internal, err, "The change could not be recorded.")
		}
		e.Changes = append(e.Changes, audit.Change{Field: name, Old: was, New: is})
	}
	return e, nil
}

// text returns a field as JSON, or "" if it has no value or an encrypted one.
func (f fields) text(name string) (string, error) {
	value, ok := f[name]
	if _, sealed := value.(sealedValue); !ok || sealed {
		return "", nil
	}
	text, err := json.Marshal(value)
	return string(text), err
}

// recordChange records a successful edit.
func (r *Registry) recordChange(ctx context.Context, e audit.Event, before, after fields) error {
	e, err := changed(e, before, after)
	if err != nil {
		return err
	}
	return r.audit.Record(ctx, e)
}

// failed returns the event of a call that failed unless failure is nil.
func failed(e audit.Event, failure *provider.Failure) audit.Event {
	if failure != nil {
		e.Outcome, e.Reason = audit.Failure, string(failure.Kind)
	}
	return e
}

// recordCall stores the result of a call to the upstream of a provider with its event.
// Only failures for which the provider is the reason become its error.
func (r *Registry) recordCall(ctx context.Context, p Provider, c Call, e audit.Event, failure *provider.Failure) error {
	c.Workspace, c.ProviderID, c.Connection = p.Workspace, p.ID, p.Connection
	if failure != nil && failure.OfProvider() {
		c.Failure = &ProviderError{Kind: string(failure.Kind), Message: failure.Message, ModelID: c.UpstreamModelID, Since: r.clock()}
	}
	ctx = context.WithoutCancel(ctx)
	var err error
	if c.Event, err = r.audit.Seal(ctx, failed(e, failure)); err != nil {
		return err
	}
	return r.store.RecordCall(ctx, c)
}

// recordAbandoned records a call that was canceled because the client went away, or
// because of the fault that is the cause of ctx. It returns gone, joined with an error
// of recording. A call that was refused before it began is not recorded.
func (r *Registry) recordAbandoned(ctx context.Context, e audit.Event, gone error) error {
	if fault.As(gone) != nil {
		return gone
	}
	e.Outcome, e.Reason = audit.Failure, "the caller went away"
	if cause := fault.As(context.Cause(ctx)); cause != nil {
		e.Reason = string(cause.Kind)
	}
	return errors.Join(gone, r.audit.Record(context.WithoutCancel(ctx), e))
}
