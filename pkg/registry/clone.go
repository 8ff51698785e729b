package registry

import (
	"context"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
)

// CloneProvider adds an inactive copy of a provider with another name. It copies config,
// models and credentials, but no results of tests. Other edits of the original happen
// before or after. It returns not_found, validation_failed and name_taken.
func (r *Registry) CloneProvider(ctx context.Context, workspace, id, name string, problems fault.Problems) (Provider, error) {
	var clone Provider
	err := r.store.InTx(ctx, func(ctx context.Context) error {
		original, err := r.store.LockProvider(ctx, workspace, id)
		if err != nil {
			return err
		}
		if err := problems.Err("Provider not cloned"); err != nil {
			return err
		}
		now := r.clock()
		clone = original.clone(name, now)
		// The binding of a credential has the provider's id, so it can't be copied as it is.
		credentials, err := r.openAll(ctx, original)
		if err != nil {
			return err
		}
		defer wipe(credentials)
		return r.add(ctx, &clone, credentials, audit.ProviderClone)
	})
	return clone, err
}

// clone returns a new provider with the config and the models of p, but without
// credentials.
func (p Provider) clone(name string, now time.Time) Provider {
	clone := Provider{
		ID: newID(), Workspace: p.Workspace, Name: name, NameKey: Fold(name), Type: p.Type, Config: p.Config, ClonedFrom: p.ID,
		Version: 1, Connection: 1, CreatedAt: now, UpdatedAt: now,
	}
	for _, m := range p.Models {
		copied := newModel(clone.ID, now)
		copied.ModelID, copied.DisplayName, copied.NameKey = m.ModelID, m.DisplayName, m.NameKey
		copied.Stages, copied.Enabled = m.Stages, m.Enabled
		copied.Version, copied.UpdatedAt = 1, now
		clone.Models = append(clone.Models, copied)
	}
	return clone
}
