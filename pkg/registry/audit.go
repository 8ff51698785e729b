package registry

import (
	"modelproviders/pkg/audit"
	"modelproviders/pkg/provider"
)

// succeeded returns a successful event.
func succeeded(workspace string, action audit.Action, providerID string, target audit.Target) audit.Event {
	return audit.Event{Workspace: workspace, Action: action, ProviderID: providerID, Outcome: audit.Success, Target: target}
}

func (p Provider) event(action audit.Action) audit.Event {
	return succeeded(p.Workspace, action, p.ID, audit.Target{Type: "provider", ID: p.ID, Name: p.Name})
}

func (m Model) event(workspace string, action audit.Action) audit.Event {
	return succeeded(workspace, action, m.ProviderID, audit.Target{Type: "model", ID: m.ID, Name: m.ModelID})
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
