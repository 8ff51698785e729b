package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"modelproviders/pkg/app"
	"modelproviders/pkg/client"
)

// Actions of a step or a change.
const (
	actionCreate = "create"
	actionUpdate = "update"
	actionDelete = "delete"
)

// change is one line of the difference between a service and a manifest.
type change struct {
	Action   string `json:"action"` // of the provider, or of the model if there is one
	Provider string `json:"provider"`
	Model    string `json:"model,omitempty"`
	Field    string `json:"field,omitempty"`
	Before   string `json:"before,omitempty"`
	After    string `json:"after,omitempty"`
}

// applyStep is what is done with one provider.
type applyStep struct {
	name    string // as in the manifest
	entry   providerEntry
	action  string // empty if the provider is as the manifest says
	id      string
	update  client.ProviderUpdate // of an empty provider, if it is created
	changes []change
	lost    []client.ModelOfProvider // are removed or disabled, themselves or with the provider
	err     error
}

// note adds a change of the provider.
func (s *applyStep) note(field, before, after string) {
	s.changes = append(s.changes, change{Action: s.action, Provider: s.name, Field: field, Before: before, After: after})
}

// noteModel adds a change of a model.
func (s *applyStep) noteModel(action, model, field, before, after string) {
	s.changes = append(s.changes, change{action, s.name, model, field, before, after})
}

// Values of status in a manifest.
const (
	statusActive   = string(client.ProviderStatusActive)
	statusInactive = string(client.ProviderStatusInactive)
)

// statusOf returns the status that an administrator has given a provider. The status in
// responses also tells of errors.
func statusOf(p client.Provider) string {
	if p.Enabled {
		return statusActive
	}
	return statusInactive
}

func deletion(p client.Provider) *applyStep {
	s := &applyStep{name: p.Name, action: actionDelete, id: p.ID, update: client.ProviderUpdate{Version: p.Version}, lost: p.Models}
	s.note("", string(p.Type), "")
	return s
}

// planner finds out what a manifest changes.
type planner struct {
	mode  string // of sending credentials
	prune bool   // also removes models that a list lacks
	dir   string // where relative paths of the manifest begin
}

// step compares an entry with the provider of the same name, which is nil if there is
// none. It also returns what is wrong with the entry.
func (p *planner) step(entry providerEntry, current *client.Provider) (*applyStep, []manifestFault) {
	s := &applyStep{name: entry.Name, entry: entry, action: actionCreate}
	if current == nil {
		s.note("type", "", entry.Type)
		current = &client.Provider{Name: entry.Name, Enabled: true}
	} else {
		s.action, s.id, s.update.Version = actionUpdate, current.ID, current.Version
		if entry.Type != string(current.Type) {
			return s, []manifestFault{entry.fault("type", "is %s, but the provider is of type %s, which can't be changed", entry.Type, current.Type)}
		}
	}
	stored := app.ProviderSettings{Config: current.Config, Credentials: map[string]any{}}
	for _, name := range storedCredentials(*current) {
		stored.Credentials[name] = nil
	}
	// Without values, because which ones are sent depends on the config.
	before, _ := app.ReadProviderSettings(entry.Type, app.ProviderSettings{Config: entry.Config}, stored)
	sent, faults := p.credentials(entry, stored, before.Moved)
	credentials := inRequest(sent, stored)
	checked, invalid := app.ReadProviderSettings(entry.Type, app.ProviderSettings{Credentials: credentials, Config: entry.Config}, stored)
	faults = append(faults, p.notFollowing(entry, stored, checked)...)
	if len(invalid) == 0 {
		faults = append(faults, contradictions(entry, checked)...)
	}
	for _, f := range invalid {
		faults = append(faults, entry.fault(f.Name, "%s", strings.Replace(f.Message, "of this request", "of the type "+entry.Type, 1)))
	}
	s.planSettings(current, checked.Config)
	s.planCredentials(credentials, sent, stored, checked.Removed)
	faults = append(faults, s.planModels(current, p.prune)...)
	if len(s.changes) == 0 {
		s.action = ""
	}
	return s, faults
}

func (s *applyStep) newModel(model modelEntry) (client.ModelUpdateOfProvider, []manifestFault) {
	s.noteModel(actionCreate, model.ModelID, "", "", words(model.SupportedStages))
	var faults []manifestFault
	if model.SupportedStages == nil {
		faults = append(faults, manifestFault{model.line, fmt.Sprintf("the model %s needs supported_stages, because it is new", model.ModelID)})
	}
	return client.ModelUpdateOfProvider{ModelID: model.ModelID, DisplayName: model.DisplayName, Enabled: model.Enabled, SupportedStages: model.SupportedStages}, faults
}

// planSettings compares everything but credentials and models.
func (s *applyStep) planSettings(current *client.Provider, config map[string]string) {
	if s.entry.Name != current.Name {
		s.update.Name = s.entry.Name
		s.note("name", current.Name, s.entry.Name)
	}
	status := statusOf(*current)
	if s.entry.Status != "" && s.entry.Status != status {
		s.update.Status = client.ProviderStatus(s.entry.Status)
		if s.action == actionCreate {
			status = "" // there was no provider
		}
		s.note("status", status, s.entry.Status)
		if s.entry.Status == statusInactive {
			s.lost = current.Models
		}
	}
	changed, both := map[string]string{}, map[string]string{}
	maps.Copy(both, current.Config)
	maps.Copy(both, config)
	for _, name := range sortedNames(both) {
		if config[name] != current.Config[name] {
			changed[name] = config[name]
			s.note("config."+name, current.Config[name], config[name])
		}
	}
	if len(changed) > 0 {
		s.update.Config = changed
	}
}

// planCredentials notes which credentials change. Those of one authentication method are
// removed if those of another one are set.
func (s *applyStep) planCredentials(request, sent map[string]any, stored app.ProviderSettings, removed []string) {
	if len(request) > 0 {
		s.update.Credentials = request
	}
	all := maps.Clone(sent)
	for _, name := range removed {
		all[name] = nil
	}
	for _, name := range sortedNames(all) {
		_, isStored := stored.Credentials[name]
		after := "set"
		switch {
		case slices.Contains(removed, name):
			after = "removed"
		case isStored:
			after = "replaced"
		}
		s.note("credentials."+name, "", after)
	}
}

// planModels compares the models. An edit contains the whole list: of models that stay as
// they are, only the id.
func (s *applyStep) planModels(current *client.Provider, prune bool) (faults []manifestFault) {
	if s.entry.Models == nil {
		return nil
	}
	wanted := map[string]modelEntry{}
	for _, model := range s.entry.Models {
		wanted[model.ModelID] = model
	}
	before := len(s.changes)
	list := []client.ModelUpdateOfProvider{}
	for _, model := range current.Models {
		entry, ok := wanted[model.ModelID]
		delete(wanted, model.ModelID)
		switch {
		case ok:
			list = append(list, s.editedModel(entry, model))
		case prune:
			s.noteModel(actionDelete, model.ModelID, "", words(model.SupportedStages), "")
			s.lose(model)
		default:
			list = append(list, client.ModelUpdateOfProvider{ID: model.ID})
		}
	}
	for _, model := range s.entry.Models {
		if _, isNew := wanted[model.ModelID]; isNew {
			created, wrong := s.newModel(model)
			list, faults = append(list, created), append(faults, wrong...)
		}
	}
	if len(s.changes) > before {
		s.update.Models = list
	}
	if len(list) > maxModelsOfProvider {
		faults = append(faults, s.entry.fault("models", "would be %d together with those that the provider has; at most %d are allowed", len(list), maxModelsOfProvider))
	}
	return faults
}

func (s *applyStep) editedModel(entry modelEntry, current client.ModelOfProvider) client.ModelUpdateOfProvider {
	edit := client.ModelUpdateOfProvider{ID: current.ID}
	if entry.DisplayName != "" && entry.DisplayName != current.DisplayName {
		edit.DisplayName = entry.DisplayName
		s.noteModel(actionUpdate, current.ModelID, "display_name", current.DisplayName, entry.DisplayName)
	}
	if entry.SupportedStages != nil && !sameSet(current.SupportedStages, entry.SupportedStages) {
		edit.SupportedStages = entry.SupportedStages
		s.noteModel(actionUpdate, current.ModelID, "supported_stages", words(current.SupportedStages), words(entry.SupportedStages))
	}
	if entry.Enabled != nil && *entry.Enabled != current.Enabled {
		edit.Enabled = entry.Enabled
		if current.Enabled {
			s.lose(current)
		}
		s.noteModel(actionUpdate, current.ModelID, "enabled", fmt.Sprint(current.Enabled), fmt.Sprint(*entry.Enabled))
	}
	return edit
}

// lose notes that a model is removed or disabled, unless all are with their provider.
func (s *applyStep) lose(model client.ModelOfProvider) {
	if s.update.Status != client.ProviderStatusInactive {
		s.lost = append(s.lost, model)
	}
}

func sameSet(a, b []client.StageName) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(s client.StageName) bool { return !slices.Contains(b, s) })
}
