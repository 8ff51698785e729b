package registry

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
)

// Reference is one thing that depends on a model, such as a rule of a routing engine.
type Reference struct {
	ModelID   string // the id of the model
	Ref       string // chosen by the client; unique for the model
	Label     string
	URL       string    // empty: none
	CreatedAt time.Time // UTC, whole milliseconds
	UpdatedAt time.Time // UTC, whole milliseconds
}

// Bounds of references.
const (
	MaxReferences = 100 // of one model
	maxRef        = 200 // characters of a ref
	maxInUse      = 100 // references in an error
)

// References returns up to limit references to a model after a ref, by ref. It returns
// not_found when there is no such model.
func (r *Registry) References(ctx context.Context, workspace, modelID, after string, limit int) ([]Reference, error) {
	references, err := r.store.References(ctx, workspace, ReferenceQuery{ModelIDs: []string{modelID}, After: after, Limit: limit})
	if err == nil && len(references) == 0 {
		_, err = r.Model(ctx, workspace, modelID)
	}
	return references, err
}

// Reference returns one reference to a model. It returns not_found.
func (r *Registry) Reference(ctx context.Context, workspace, modelID, ref string) (Reference, error) {
	found, err := r.store.References(ctx, workspace, ReferenceQuery{ModelIDs: []string{modelID}, Ref: ref, Limit: 1})
	if err != nil {
		return Reference{}, err
	}
	if len(found) == 0 {
		return Reference{}, fault.New(fault.NotFound, "There is no reference %q to a model with the id %q.", ref, modelID)
	}
	return found[0], nil
}

// PutReference adds a reference to a model, or changes the one with the same ref. It
// changes neither the model's version nor its updated_at. For problems see
// [NewProvider]. It returns not_found and validation_failed.
func (r *Registry) PutReference(ctx context.Context, workspace string, put Reference, problems fault.Problems) (stored Reference, isNew bool, err error) {
	checkRef(put.Ref, &problems.Invalid)
	err = r.inReferences(ctx, workspace, put.ModelID, func(ctx context.Context, m Model) error {
		problems := problems
		present, err := r.Reference(ctx, workspace, m.ID, put.Ref)
		if isNew = fault.Is(err, fault.NotFound); err != nil && !isNew {
			return err
		}
		if isNew && m.References >= MaxReferences {
			problems.Invalid.Add("ref", fault.TooMany, "would make %d references; a model can have at most %d", m.References+1, MaxReferences)
		}
		if err := problems.Err("Reference not stored"); err != nil {
			return err
		}
		stored = put
		stored.UpdatedAt = r.clock()
		stored.CreatedAt = stored.UpdatedAt
		var before audit.Fields
		if !isNew {
			before, stored.CreatedAt = present.audited(), present.CreatedAt
		}
		event := m.referenceEvent(workspace, audit.ReferencePut, put.Ref).Changed(before, put.audited())
		if !isNew && len(event.Changes) == 0 {
			stored = present
			return nil
		}
		if err := r.store.PutReference(ctx, workspace, stored); err != nil {
			return err
		}
		return r.cfg.Audit.Record(ctx, event)
	})
	return stored, isNew, err
}

// DeleteReference removes a reference to a model. It returns not_found.
func (r *Registry) DeleteReference(ctx context.Context, workspace, modelID, ref string) error {
	return r.inReferences(ctx, workspace, modelID, func(ctx context.Context, m Model) error {
		before, err := r.Reference(ctx, workspace, modelID, ref)
		if err != nil {
			return err
		}
		if err := r.store.DeleteReference(ctx, workspace, modelID, ref); err != nil {
			return err
		}
		return r.cfg.Audit.Record(ctx, m.referenceEvent(workspace, audit.ReferenceDelete, ref).Changed(before.audited(), nil))
	})
}

// inReferences runs fn in a transaction that has locked the provider of a model, so
// that the model is neither removed nor disabled at the same time.
func (r *Registry) inReferences(ctx context.Context, workspace, modelID string, fn func(ctx context.Context, m Model) error) error {
	return r.store.InTx(ctx, func(ctx context.Context) error {
		m, err := r.store.Model(ctx, workspace, modelID)
		if err != nil {
			return err
		}
		p, err := r.store.LockProvider(ctx, workspace, m.ProviderID)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		i := indexOf(p.Models, modelID)
		if i < 0 { // it was removed before the lock
			return fault.New(fault.NotFound, "There is no model with the id %q.", modelID)
		}
		return fn(ctx, p.Models[i])
	})
}

// checkRef checks a ref, which is a segment of a path: clients and proxies resolve
// the segments . and .. themselves.
func checkRef(ref string, faults *fault.Fields) {
	switch {
	case utf8.RuneCountInString(ref) > maxRef:
		faults.Add("ref", fault.TooLong, "must have at most %d characters", maxRef)
	case !utf8.ValidString(ref) || !fault.IsText(ref):
		faults.Add("ref", fault.Invalid, "must be valid UTF-8 without control characters")
	case ref == "." || ref == "..":
		faults.Add("ref", fault.Invalid, "must not be . or .., which are not sent as they are in a path")
	}
}

// referenceEvent returns a successful event of a reference to the model.
func (m Model) referenceEvent(workspace string, action audit.Action, ref string) audit.Event {
	e := m.event(workspace, action)
	e.Target = audit.Target{Type: "reference", ID: m.ID + "/" + ref, Name: m.ModelID + "/" + ref}
	return e
}

// audited returns what events record of the reference.
func (r Reference) audited() audit.Fields {
	fields := audit.Fields{"label": r.Label}
	if r.URL != "" {
		fields["url"] = r.URL
	}
	return fields
}

// inUse returns the models with references that a change from before to after removes
// or disables, themselves or with their provider. A provider that is deleted has no
// models after it.
func inUse(before, after Provider) (models []Model) {
	providerOff := before.Enabled && !after.Enabled
	for _, m := range before.Models {
		i := indexOf(after.Models, m.ID)
		removed := i < 0 || m.Enabled && !after.Models[i].Enabled
		if m.References > 0 && (providerOff || removed) {
			models = append(models, m)
		}
	}
	return models
}

// checkUse returns in_use if a change from before to after removes or disables models
// with references, unless force is true. It reports whether the change was forced.
func (r *Registry) checkUse(ctx context.Context, before, after Provider, force bool) (forced bool, err error) {
	used := inUse(before, after)
	if len(used) == 0 || force {
		return len(used) > 0, nil
	}
	byID, q, use := map[string]Model{}, ReferenceQuery{Limit: maxInUse}, fault.Use{}
	for _, m := range used {
		byID[m.ID], q.ModelIDs = m, append(q.ModelIDs, m.ID)
		use.Count += m.References
	}
	references, err := r.store.References(ctx, before.Workspace, q)
	if err != nil {
		return false, err
	}
	for _, ref := range references {
		m := byID[ref.ModelID]
		use.References = append(use.References, fault.Reference{ID: m.ID, ModelID: m.ModelID, Ref: ref.Ref, Label: ref.Label, URL: ref.URL})
	}
	what := fmt.Sprintf("The model %q is", used[0].ModelID)
	if len(used) > 1 {
		what = fmt.Sprintf("%d models are", len(used))
	}
	e := fault.New(fault.InUse, "%s in use; reference_count is %d. To do this anyway, repeat the request with force=true.", what, use.Count)
	e.Use = &use
	return false, e
}

// forcedEvents returns events, which say that they were forced if they were.
func forcedEvents(forced bool, events ...audit.Event) []audit.Event {
	for i := range events {
		if forced {
			events[i] = events[i].Changed(nil, audit.Fields{"force": true})
		}
	}
	return events
}
