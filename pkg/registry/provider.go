package registry

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/secret"
)

// Provider is an account at a provider type.
type Provider struct {
	ID        string // UUIDv7
	Workspace string
	Name      string
	NameKey   string // Fold(Name): unique in the workspace, sorted and searched by
	Type      string // name of a provider.Type

	// Enabled is set by users. Error is set and cleared by calls to the upstream; nil
	// means that none was observed.
	Enabled bool
	Error   *ProviderError

	LastCheck *LastCheck // nil: the connection was not checked since it changed

	// Credentials has the encrypted value of each credential field.
	Credentials map[string]Credential
	Config      map[string]string

	ClonedFrom string // the id of the original; empty if there is none, or not any more

	Models []Model      // ordered by creation
	Counts *ModelCounts // in a summary, which has no Models

	// Version counts edits of the provider and its models. Connection counts changes
	// of credentials or config; results of calls that began before one are dropped.
	Version    int64
	Connection int64

	CreatedAt time.Time // UTC, whole milliseconds
	UpdatedAt time.Time // of the last edit; UTC, whole milliseconds
}

// ModelCounts are the numbers of models of a provider, and of references to them.
type ModelCounts struct{ All, Enabled, References int }

// ModelCounts returns the counts of the models.
func (p Provider) ModelCounts() ModelCounts {
	if p.Counts != nil {
		return *p.Counts
	}
	counts := ModelCounts{All: len(p.Models)}
	for _, m := range p.Models {
		if m.Enabled {
			counts.Enabled++
		}
		counts.References += m.References
	}
	return counts
}

// Credential is an encrypted credential.
type Credential struct {
	Sealed    []byte
	UpdatedAt time.Time
	Hash      []byte // see [Registry.Lookup]; nil: unknown, or not read
	Key       uint32 // with which it was encrypted, if it is not stored yet; else 0
}

// ProviderError is the last failure for which the provider was the reason.
type ProviderError struct {
	Kind    string // a provider.FailureKind
	Message string
	ModelID string // the upstream's id of the model that was called, if any
	Since   time.Time
}

func newProviderError(f *provider.Failure, modelID string, since time.Time) *ProviderError {
	return &ProviderError{Kind: string(f.Kind), Message: f.Message, ModelID: modelID, Since: since}
}

// Status is the status of a provider.
type Status string

// The statuses of the API contract.
const (
	Active   Status = "active"
	Inactive Status = "inactive"
	Error    Status = "error"
)

// Status is inactive if the provider is disabled, otherwise error if it has one,
// otherwise active.
func (p Provider) Status() Status { return statusOf(p.Enabled, p.Error != nil) }

func statusOf(enabled, failing bool) Status {
	switch {
	case !enabled:
		return Inactive
	case failing:
		return Error
	}
	return Active
}

// NewProvider is a request to create a provider.
type NewProvider struct {
	Name     string
	Type     string
	Settings provider.Request
	Models   []ModelInput
	// Problems were found while reading the request. They are reported together with
	// those found here.
	Problems fault.Problems
}

// ProviderEdit is a request to change a provider; nil means unchanged.
type ProviderEdit struct {
	Name     *string
	Type     *string
	Status   *string
	Settings provider.Request
	// Models replaces all models: an entry with an id edits that model, one without
	// edits the model with its model id or creates one, and missing models are deleted.
	Models   *[]ModelInput
	If       Precondition
	ReadOnly ReadOnly
	Problems fault.Problems // see NewProvider
}

// CreateProvider adds a provider with its models. It returns malformed_request,
// validation_failed and name_taken.
func (r *Registry) CreateProvider(ctx context.Context, workspace string, in NewProvider) (Provider, error) {
	now := r.clock()
	problems := in.Problems
	settings := readNewSettings(&problems, in.Type, in.Settings)
	defer wipe(settings.Credentials)
	p := Provider{
		ID: newID(), Workspace: workspace, Name: in.Name, NameKey: Fold(in.Name), Type: in.Type, Enabled: true,
		Config: settings.Config, Version: 1, Connection: 1, CreatedAt: now, UpdatedAt: now,
	}
	_, _ = setModels(&p, in.Models, now, &problems.Invalid) // there are no models yet that could be stale
	if err := problems.Err("Provider not created"); err != nil {
		return Provider{}, err
	}
	err := r.add(ctx, &p, settings.Credentials, audit.ProviderCreate)
	return p, err
}

// add stores a new provider with its credentials and its event.
func (r *Registry) add(ctx context.Context, p *Provider, credentials map[string]secret.Text, action audit.Action) error {
	return r.sealing(ctx, func() error {
		if err := r.seal(p, provider.Settings{Credentials: credentials}, p.CreatedAt); err != nil {
			return err
		}
		event := p.event(action).Changed(nil, p.audited())
		return r.store.CreateProvider(ctx, *p, r.audit.Seal(ctx, event))
	})
}

// UpdateProvider changes a provider. The version changes only if something else does.
// It returns not_found, malformed_request, validation_failed, type_immutable,
// credentials_required, version_mismatch, name_taken and in_use.
func (r *Registry) UpdateProvider(ctx context.Context, workspace, id string, edit ProviderEdit) (p Provider, err error) {
	if len(edit.Problems.Malformed) > 0 { // no need for a lock
		return Provider{}, r.refuseEdit(ctx, workspace, id, edit)
	}
	err = r.sealing(ctx, func() error {
		p, err = r.editProvider(ctx, workspace, id, edit.If.Force, func(p *Provider, now time.Time) (bool, error) {
			return r.applyEdit(p, edit, now)
		}, func(before, after Provider) []audit.Event {
			return []audit.Event{after.event(audit.ProviderUpdate).Changed(before.audited(), after.audited())}
		})
		return err
	})
	return p, err
}

// refuseEdit returns malformed_request for an edit, including what is malformed in
// its settings.
func (r *Registry) refuseEdit(ctx context.Context, workspace, id string, edit ProviderEdit) error {
	p, err := r.Provider(ctx, workspace, id)
	if err != nil {
		return err
	}
	typ, err := lookupType(p)
	if err != nil {
		return err
	}
	problems := editProblems{Problems: edit.Problems}
	wipe(readEdit(&problems, p, typ, edit.Settings).Credentials)
	return problems.err("Provider not changed")
}

// DeleteProvider deletes a provider with its models, their references, and its
// credentials. It returns not_found, version_mismatch and in_use.
func (r *Registry) DeleteProvider(ctx context.Context, workspace, id string, precondition Precondition) error {
	var p Provider
	err := r.store.InTx(ctx, func(ctx context.Context) (err error) {
		if p, err = r.store.LockProvider(ctx, workspace, id); err != nil {
			return err
		}
		if err := precondition.check("provider", p.Version); err != nil {
			return err
		}
		forced, err := r.checkUse(ctx, p, Provider{}, precondition.Force)
		if err != nil {
			return err
		}
		if err := r.store.DeleteProvider(ctx, p, r.clock()); err != nil {
			return err
		}
		return r.audit.Record(ctx, forcedEvents(forced, p.event(audit.ProviderDelete).Changed(p.audited(), nil))...)
	})
	if err == nil {
		r.forgetClient(p)
	}
	return err
}

// editProvider makes all changes of stored providers and their models: it locks the
// provider, and if apply changed it, increments its version, writes it and records
// events. For force see [Registry.checkUse].
func (r *Registry) editProvider(ctx context.Context, workspace, id string, force bool,
	apply func(*Provider, time.Time) (changed bool, err error),
	events func(before, after Provider) []audit.Event,
) (Provider, error) {
	var p, before Provider
	err := r.store.InTx(ctx, func(ctx context.Context) (err error) {
		if p, err = r.store.LockProvider(ctx, workspace, id); err != nil {
			return err
		}
		now := r.clock()
		before = p
		before.Models = slices.Clone(p.Models)
		changed, err := apply(&p, now)
		if err != nil || !changed {
			return err
		}
		forced, err := r.checkUse(ctx, before, p, force)
		if err != nil {
			return err
		}
		p.Version++
		p.UpdatedAt = now
		if err := r.store.UpdateProvider(ctx, before, p); err != nil {
			return err
		}
		return r.audit.Record(ctx, forcedEvents(forced, events(before, p)...)...)
	})
	if err == nil && p.Version != before.Version {
		r.forgetClient(before)
		if p.Status() != before.Status() {
			r.observer.StatusChanged(p.Status())
		}
	}
	return p, err
}

func (r *Registry) applyEdit(p *Provider, edit ProviderEdit, now time.Time) (changed bool, err error) {
	problems := editProblems{Problems: edit.Problems}
	mismatch := edit.If.check("provider", p.Version)
	name := p.Name
	if edit.Name != nil {
		name = *edit.Name
	}
	if edit.Type != nil && *edit.Type != p.Type {
		problems.add(fault.TypeImmutable, "type", fault.Invalid, "can't be changed; create a new provider of the other type")
	}
	enabled := wantedStatus(&problems.Invalid, *p, edit.Status)
	if mismatch == nil { // else the fields may be those of an earlier version
		edit.ReadOnly.check(p.readOnly(), "", &problems.Invalid)
	}
	typ, err := lookupType(*p)
	if err != nil {
		return false, err
	}
	settings := readEdit(&problems, *p, typ, edit.Settings)
	defer wipe(settings.Credentials)
	modelsChanged, stale := false, error(nil)
	if edit.Models != nil {
		modelsChanged, stale = setModels(p, *edit.Models, now, &problems.Invalid)
	}
	if err := problems.err("Provider not changed"); err != nil {
		return false, err
	}
	if err := cmp.Or(mismatch, stale); err != nil {
		return false, err
	}

	renamed, switched := name != p.Name, enabled != p.Enabled
	reconnected := len(settings.Credentials)+len(settings.Removed) > 0 || !maps.Equal(settings.Config, p.Config)
	p.Name, p.NameKey, p.Enabled, p.Config = name, Fold(name), enabled, settings.Config
	if reconnected {
		p.Connection++
		p.Error, p.LastCheck = nil, nil
		for i := range p.Models {
			p.Models[i].LastTest, p.Models[i].StageChecks = nil, nil
		}
		if err := r.seal(p, settings, now); err != nil {
			return false, err
		}
	}
	return renamed || switched || reconnected || modelsChanged, nil
}

// wantedStatus returns whether the status in an edit enables the provider.
func wantedStatus(faults *fault.Fields, p Provider, status *string) (enabled bool) {
	if status == nil {
		return p.Enabled
	}
	switch Status(*status) {
	case Active:
		return true
	case Inactive:
		return false
	case Error:
		if p.Status() != Error {
			faults.Add("status", fault.Invalid, "must be active or inactive; error is set by the service")
		}
		return p.Enabled
	}
	faults.Add("status", fault.Invalid, "must be active or inactive")
	return p.Enabled
}

// editProblems are the problems of an edit. Some have a kind of their own.
type editProblems struct {
	fault.Problems
	special []fault.Kind
}

func (p *editProblems) add(kind fault.Kind, field string, code fault.Code, message string) {
	p.Invalid.Add(field, code, "%s", message)
	p.special = append(p.special, kind)
}

// err is [fault.Problems.Err], with the special kind if all fields have the same one.
func (p *editProblems) err(outcome string) error {
	err := p.Err(outcome)
	if f := fault.As(err); f != nil && f.Kind == fault.ValidationFailed && len(p.special) == len(p.Invalid) && len(slices.Compact(p.special)) == 1 {
		f.Kind = p.special[0]
	}
	return err
}
