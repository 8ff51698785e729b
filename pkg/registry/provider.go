package registry

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
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
	Hash      []byte // see [Registry.Lookup]
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
	var settings provider.Settings
	if typ, ok := provider.Lookup(in.Type); ok {
		var more fault.Problems
		settings, more = typ.Read(in.Settings, provider.Stored{})
		problems.Add(more)
		defer wipe(settings.Credentials)
	} else {
		var names []string
		for _, typ := range provider.Types() {
			names = append(names, typ.Name())
		}
		problems.Invalid.Add("type", fault.Invalid, "must be one of %s", strings.Join(names, ", "))
	}
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
		return r.store.CreateProvider(ctx, *p, r.cfg.Audit.Seal(ctx, event))
	})
}

// UpdateProvider changes a provider. The version changes only if something else does.
// It returns not_found, malformed_request, validation_failed, type_immutable,
// credentials_required, version_mismatch, name_taken and in_use.
func (r *Registry) UpdateProvider(ctx context.Context, workspace, id string, edit ProviderEdit) (p Provider, err error) {
	err = r.sealing(ctx, func() error {
		p, err = r.editProvider(ctx, workspace, id, edit.If.Force, func(p *Provider, now time.Time) ([]audit.Event, error) {
			before := p.audited()
			changed, err := r.applyEdit(p, edit, now)
			if err != nil || !changed {
				return nil, err
			}
			return []audit.Event{p.event(audit.ProviderUpdate).Changed(before, p.audited())}, nil
		})
		return err
	})
	return p, err
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
		return r.cfg.Audit.Record(ctx, forcedEvents(forced, p.event(audit.ProviderDelete).Changed(p.audited(), nil))...)
	})
	if err == nil {
		r.forgetClient(p)
	}
	return err
}

// editProvider makes all changes of stored providers and their models: it locks the
// provider, and if apply returns the events of a change, increments its version, writes it
// and records them. For force see [Registry.checkUse].
func (r *Registry) editProvider(ctx context.Context, workspace, id string, force bool,
	apply func(*Provider, time.Time) ([]audit.Event, error),
) (Provider, error) {
	var p, before Provider
	err := r.store.InTx(ctx, func(ctx context.Context) (err error) {
		if p, err = r.store.LockProvider(ctx, workspace, id); err != nil {
			return err
		}
		now := r.clock()
		before = p
		before.Models = slices.Clone(p.Models)
		events, err := apply(&p, now)
		if err != nil || len(events) == 0 {
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
		return r.cfg.Audit.Record(ctx, forcedEvents(forced, events...)...)
	})
	if err == nil && p.Version != before.Version {
		r.forgetClient(before)
		if p.Status() != before.Status() {
			r.cfg.Observer.StatusChanged(p.Status())
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

// lookupType returns the type of a stored provider.
func lookupType(p Provider) (*provider.Type, error) {
	typ, ok := provider.Lookup(p.Type)
	if !ok {
		return nil, fault.New(fault.Internal, "Provider %s is of the type %q, which this version does not know.", p.ID, p.Type)
	}
	return typ, nil
}
