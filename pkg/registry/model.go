package registry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
)

// Model is one model of a provider.
type Model struct {
	ID          string // UUIDv7
	ProviderID  string
	ModelID     string // the upstream's id; unique in the provider
	DisplayName string
	NameKey     string // Fold(DisplayName): sorted and searched by
	Stages      []Stage
	Enabled     bool
	LastTest    *LastTest
	StageChecks map[Stage]StageCheck // only of Stages; never changed in place
	References  int                  // the number of references
	Version     int64
	CreatedAt   time.Time // UTC, whole milliseconds
	UpdatedAt   time.Time // of the last edit; UTC, whole milliseconds

	// Provider is set if the model was not read as part of its provider.
	Provider ModelProvider
}

// ModelProvider is the part of a provider that is shown with a model.
type ModelProvider struct {
	Name    string
	Type    string
	Status  Status
	Enabled bool
}

// NewModelProvider returns the ModelProvider of a provider; failing means that it has
// an error.
func NewModelProvider(name, typeName string, enabled, failing bool) ModelProvider {
	return ModelProvider{Name: name, Type: typeName, Status: statusOf(enabled, failing), Enabled: enabled}
}

// LastTest is the outcome of the last test of a model.
type LastTest struct {
	Success bool
	Kind    string // a provider.FailureKind; empty on success
	Latency time.Duration
	At      time.Time
}

// ModelInput is a model in a request. In an edit, nil means unchanged. In a new model,
// ModelID and Stages are required, DisplayName defaults to the ModelID, and Enabled
// to true.
type ModelInput struct {
	ID          *string // among the models of a provider's edit only
	ModelID     *string
	DisplayName *string
	Stages      *[]string
	Enabled     *bool
	Version     *int64 // if set, must be the current version
	ReadOnly    ReadOnly
}

// ModelEdit is a request to change one model.
type ModelEdit struct {
	ModelInput
	If       Precondition
	Problems fault.Problems // see NewProvider
}

// ProviderModels is [Reader.Models] of the provider q.ProviderID. It returns
// not_found when there is no such provider.
func (r *Registry) ProviderModels(ctx context.Context, workspace string, q ModelQuery) ([]Model, error) {
	models, err := r.Models(ctx, workspace, q)
	if err == nil && len(models) == 0 {
		_, err = r.Provider(ctx, workspace, q.ProviderID)
	}
	return models, err
}

// ProviderModel returns one model of a provider. It returns not_found.
func (r *Registry) ProviderModel(ctx context.Context, workspace, providerID, id string) (Model, error) {
	m, err := r.Model(ctx, workspace, id)
	if err == nil && m.ProviderID != providerID {
		err = fault.New(fault.NotFound, "There is no model with the id %q in this provider.", id)
	}
	return m, err
}

// AddModel adds one model to a provider. It returns not_found,
// validation_failed and model_exists.
func (r *Registry) AddModel(ctx context.Context, workspace, providerID string, in ModelInput, problems fault.Problems) (Model, error) {
	added, err := r.addModels(ctx, workspace, providerID, []ModelInput{in}, problems, func(int) string { return "" })
	if e := fault.As(err); e != nil && e.Kind == fault.ValidationFailed && len(e.Fields) == 1 && e.Fields[0].Code == fault.Duplicate && e.Fields[0].Name == "model_id" {
		return Model{}, ModelExists(*in.ModelID)
	}
	if err != nil {
		return Model{}, err
	}
	return added[0], nil
}

// AddModels adds all models to a provider, or none. It returns not_found and
// validation_failed.
func (r *Registry) AddModels(ctx context.Context, workspace, providerID string, inputs []ModelInput, problems fault.Problems) ([]Model, error) {
	return r.addModels(ctx, workspace, providerID, inputs, problems, inModels)
}

// addModels is AddModels; prefix is put before the name of a field of inputs[i].
func (r *Registry) addModels(ctx context.Context, workspace, providerID string, inputs []ModelInput, problems fault.Problems, prefix func(i int) string) ([]Model, error) {
	var added []Model
	p, err := r.editProvider(ctx, workspace, providerID, false, func(p *Provider, now time.Time) (events []audit.Event, err error) {
		added = nil
		problems := problems
		if len(p.Models)+len(inputs) > MaxModels {
			problems.Invalid.Add("models", fault.TooMany, "would make %d models; a provider can have at most %d", len(p.Models)+len(inputs), MaxModels)
			return nil, problems.Err("Models not added") // looking at each could take long
		}
		used := map[string]string{} // what is wrong with a model id
		for _, m := range p.Models {
			used[m.ModelID] = "is already used by another model of this provider"
		}
		for i, in := range inputs {
			m := newModel(p.ID, now)
			applyModel(&m, in, now, prefix(i), &problems.Invalid)
			if wrong := used[m.ModelID]; m.ModelID != "" && wrong != "" {
				problems.Invalid.Add(prefix(i)+"model_id", fault.Duplicate, "%s", wrong)
			} else {
				used[m.ModelID] = "is used by another model in this request"
			}
			added = append(added, m)
			events = append(events, m.event(workspace, audit.ModelCreate).Changed(nil, m.audited()))
		}
		p.Models = append(p.Models, added...)
		return events, problems.Err("Models not added")
	})
	for i := range added {
		added[i].Provider = p.forModel()
	}
	return added, err
}

// UpdateModel changes a model of a provider. An edit that changes nothing
// leaves both versions as they are. It returns not_found, validation_failed,
// version_mismatch, model_exists and in_use.
func (r *Registry) UpdateModel(ctx context.Context, workspace, providerID, id string, edit ModelEdit) (Model, error) {
	var m Model
	p, err := r.editModel(ctx, workspace, providerID, id, edit.If.Force, func(p *Provider, i int, now time.Time) ([]audit.Event, error) {
		problems, before := edit.Problems, p.Models[i]
		m = before
		mismatch := Precondition{Match: edit.If.Match, Version: edit.Version}.check("model", m.Version)
		if mismatch == nil { // else the fields may be those of an earlier version
			edit.ReadOnly.check(m.readOnly(*p), "", &problems.Invalid)
		}
		changed := applyModel(&m, edit.ModelInput, now, "", &problems.Invalid)
		if err := cmp.Or(problems.Err("Model not changed"), mismatch); err != nil || !changed {
			return nil, err
		}
		for j, other := range p.Models {
			if j != i && other.ModelID == m.ModelID {
				return nil, ModelExists(m.ModelID)
			}
		}
		p.Models[i] = m
		return []audit.Event{m.event(workspace, audit.ModelUpdate).Changed(before.audited(), m.audited())}, nil
	})
	m.Provider = p.forModel()
	return m, err
}

// DeleteModel removes a model of a provider with its references. It returns not_found,
// version_mismatch and in_use.
func (r *Registry) DeleteModel(ctx context.Context, workspace, providerID, id string, precondition Precondition) error {
	_, err := r.editModel(ctx, workspace, providerID, id, precondition.Force, func(p *Provider, i int, _ time.Time) ([]audit.Event, error) {
		m := p.Models[i]
		if err := precondition.check("model", m.Version); err != nil {
			return nil, err
		}
		p.Models = slices.Delete(p.Models, i, i+1)
		return []audit.Event{m.event(workspace, audit.ModelDelete).Changed(m.audited(), nil)}, nil
	})
	return err
}

// editModel is editProvider for the model with that id, the provider's i-th.
func (r *Registry) editModel(ctx context.Context, workspace, providerID, id string, force bool,
	apply func(p *Provider, i int, now time.Time) ([]audit.Event, error),
) (Provider, error) {
	return r.editProvider(ctx, workspace, providerID, force, func(p *Provider, now time.Time) ([]audit.Event, error) {
		i := indexOf(p.Models, id)
		if i < 0 {
			return nil, fault.New(fault.NotFound, "There is no model with the id %q in this provider.", id)
		}
		return apply(p, i, now)
	})
}

// indexOf returns the index of the model with an id, or -1.
func indexOf(models []Model, id string) int {
	return slices.IndexFunc(models, func(m Model) bool { return m.ID == id })
}

// setModels replaces the models of a provider. stale is the error for an outdated
// version among them; faults take precedence over it.
func setModels(p *Provider, inputs []ModelInput, now time.Time, faults *fault.Fields) (changed bool, stale error) {
	if len(inputs) > MaxModels {
		faults.Add("models", fault.TooMany, "must have at most %d elements", MaxModels)
		return false, nil
	}
	matched := matchModels(p.Models, inputs, faults)
	wanted := make([]Model, 0, len(inputs))
	seen := map[string]bool{}
	for i, in := range inputs {
		prefix, m := inModels(i), newModel(p.ID, now)
		var mismatch error
		if at := matched[i]; at >= 0 {
			m = p.Models[at]
			mismatch = Precondition{Version: in.Version}.check("model "+m.ModelID, m.Version)
			stale = cmp.Or(stale, mismatch)
		} else if in.ID != nil {
			m.Version = 1 // not new: its unknown id is the only fault
		}
		if mismatch == nil { // else the fields may be those of an earlier version
			in.ReadOnly.check(m.readOnly(*p), prefix, faults)
		}
		if applyModel(&m, in, now, prefix, faults) {
			changed = true
		}
		if m.ModelID != "" && seen[m.ModelID] {
			faults.Add(prefix+"model_id", fault.Duplicate, "is used by another model in this request")
		}
		seen[m.ModelID] = true
		wanted = append(wanted, m)
	}
	changed = changed || len(wanted) != len(p.Models)
	slices.SortFunc(wanted, func(a, b Model) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	p.Models = wanted
	return changed, stale
}

// matchModels returns the index of the current model for each input, or -1 for a new
// one. Inputs match by id; those without an id match by model id.
func matchModels(present []Model, inputs []ModelInput, faults *fault.Fields) []int {
	matched := make([]int, len(inputs))
	claimed := make([]bool, len(present))
	for i, in := range inputs {
		matched[i] = -1
		if in.ID == nil {
			continue
		}
		at := indexOf(present, *in.ID)
		switch {
		case at < 0:
			faults.Add(inModels(i)+"id", fault.Missing, "is not the id of a model of this provider; leave it out to add a model")
		case claimed[at]:
			faults.Add(inModels(i)+"id", fault.Duplicate, "is used by another model in this request")
		default:
			matched[i], claimed[at] = at, true
		}
	}
	for i, in := range inputs {
		if in.ID != nil || in.ModelID == nil {
			continue
		}
		at := slices.IndexFunc(present, func(m Model) bool { return m.ModelID == *in.ModelID })
		if at >= 0 && !claimed[at] {
			matched[i], claimed[at] = at, true
		}
	}
	return matched
}

// newModel returns a model to which no input was applied yet.
func newModel(providerID string, now time.Time) Model {
	return Model{ID: newID(), ProviderID: providerID, Enabled: true, CreatedAt: now}
}

// applyModel applies an input to a model and reports whether the model changed. A
// model with version 0 is new and needs all required fields. prefix is put before the
// names of fields in faults.
func applyModel(m *Model, in ModelInput, now time.Time, prefix string, faults *fault.Fields) bool {
	before := *m
	isNew := m.Version == 0
	switch {
	case in.ModelID != nil:
		m.ModelID = *in.ModelID
	case isNew:
		faults.Add(prefix+"model_id", fault.Required, "is required")
	}
	switch {
	case in.DisplayName != nil:
		m.DisplayName = *in.DisplayName
		// The display name of a model without one is its model id.
		if m.DisplayName != m.ModelID && m.DisplayName != before.DisplayName && utf8.RuneCountInString(m.DisplayName) > MaxDisplayName {
			faults.Add(prefix+"display_name", fault.TooLong, "must have at most %d characters", MaxDisplayName)
		}
	case isNew:
		m.DisplayName = m.ModelID
	}
	switch {
	case in.Stages != nil:
		m.Stages = stagesOf(*in.Stages)
	case isNew:
		faults.Add(prefix+"supported_stages", fault.Required, "is required")
	}
	if in.Enabled != nil {
		m.Enabled = *in.Enabled
	}
	m.NameKey = Fold(m.DisplayName)
	m.StageChecks = checksOf(m.StageChecks, m.Stages)
	if m.ModelID != before.ModelID {
		m.LastTest, m.StageChecks = nil, nil
	}
	changed := isNew || m.ModelID != before.ModelID || m.DisplayName != before.DisplayName ||
		m.Enabled != before.Enabled || !slices.Equal(m.Stages, before.Stages)
	if changed {
		m.Version++
		m.UpdatedAt = now
	}
	return changed
}

// Bounds that depend on what is stored.
const (
	MaxModels      = 500 // models of one provider
	MaxDisplayName = 100 // characters of a name other than the model id
)

// inModels is the prefix of the fields of the i-th model in a request.
func inModels(i int) string { return fmt.Sprintf("models[%d].", i) }

// forModel returns the part of the provider that is shown with its models.
func (p Provider) forModel() ModelProvider {
	return NewModelProvider(p.Name, p.Type, p.Enabled, p.Error != nil)
}

// ModelExists is the fault of a second model with the same model id in a provider.
func ModelExists(modelID string) *fault.Error {
	e := fault.New(fault.ModelExists, "This provider already has a model with the model_id %q.", modelID)
	e.Fields.Add("model_id", fault.Duplicate, "is already used by another model of this provider")
	return e
}
