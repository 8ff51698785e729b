package store

import (
	"context"
	"fmt"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

const insertProvider = `INSERT INTO providers (workspace, id, name, name_key, type, enabled, credentials, config, version, connection, created_at, updated_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`

// CreateProvider implements [registry.Store].
func (s *Store) CreateProvider(ctx context.Context, p registry.Provider, e audit.Event) error {
	credentials, config, err := encodedSettings(p)
	if err != nil {
		return err
	}
	statements := []statement{{insertProvider, []any{p.Workspace, p.ID, p.Name, p.NameKey, p.Type, p.Enabled,
		credentials, config, p.Version, p.Connection, newMoment(p.CreatedAt), newMoment(p.UpdatedAt)}}}
	if len(p.Models) > 0 {
		models, err := s.encodedModels(p.Models)
		if err != nil {
			return err
		}
		statements = append(statements, statement{s.engine.insertModels, []any{p.Workspace, p.ID, models}})
	}
	event, err := insertEvents(e)
	if err != nil {
		return err
	}
	_, err = s.together(ctx, append(statements, event)...)
	return s.asDuplicate(err, p)
}

// asDuplicate tells what the unique index that an error names holds already.
func (s *Store) asDuplicate(err error, p registry.Provider) error {
	if !fault.Is(err, fault.Conflict) {
		return err
	}
	var instead *fault.Error
	switch {
	case s.engine.violates(err, "providers_name", "providers.workspace, providers.name_key"):
		instead = nameTaken(p.Name)
	case s.engine.violates(err, "models_provider", "models.workspace, models.provider_id, models.model_id"):
		instead = modelExists(p.Models)
	default:
		return err
	}
	instead.Err = err
	return instead
}

func nameTaken(name string) *fault.Error {
	return fault.New(fault.NameTaken, "A provider named %q exists already (upper and lower case count as the same). Choose another name.", name)
}

// modelExists names the model id that a provider would have twice.
func modelExists(models []registry.Model) *fault.Error {
	seen := make(map[string]bool, len(models))
	for _, m := range models {
		if seen[m.ModelID] {
			return fault.New(fault.ModelExists, "The provider has a model with the model id %q already. Edit that one, or choose another model id.", m.ModelID)
		}
		seen[m.ModelID] = true
	}
	return fault.New(fault.ModelExists, "The provider has a model with this model id already. Edit that one, or choose another model id.")
}

// updateProvider writes what an edit may change. What was observed of another
// connection is cleared, and else left to those who observe.
const updateProvider = `UPDATE providers SET name = $3, name_key = $4, enabled = $5, credentials = $6, config = $7, version = $8, connection = $9,
	updated_at = $10, error_kind = CASE WHEN connection = $9 THEN error_kind END
	WHERE workspace = $1 AND id = $2`

// UpdateProvider implements [registry.Store]. The transaction must have locked
// the provider.
func (s *Store) UpdateProvider(ctx context.Context, before, after registry.Provider) error {
	if t := s.transaction(ctx); t == nil || !t.locked[lockedProvider{after.Workspace, after.ID}] {
		return fmt.Errorf("UpdateProvider of provider %s, which the transaction has not locked", after.ID)
	}
	credentials, config, err := encodedSettings(after)
	if err != nil {
		return err
	}
	changed, err := s.exec(ctx, updateProvider, after.Workspace, after.ID, after.Name, after.NameKey, after.Enabled, credentials, config,
		after.Version, after.Connection, newMoment(after.UpdatedAt))
	if err == nil && changed == 0 {
		err = notFound("provider", after.ID)
	}
	if err == nil {
		err = s.writeModels(ctx, before, after)
	}
	return s.asDuplicate(err, after)
}

// DeleteProvider implements [registry.Store]. The models go with the provider by
// their foreign key.
func (s *Store) DeleteProvider(ctx context.Context, workspace, id string) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		deleted, err := s.exec(ctx, `DELETE FROM providers WHERE workspace = $1 AND id = $2`, workspace, id)
		if err == nil && deleted == 0 {
			err = notFound("provider", id)
		}
		return err
	})
}
