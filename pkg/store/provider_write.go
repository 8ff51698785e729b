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
	credentials, config := encodedSettings(p)
	statements := []statement{{insertProvider, []any{p.Workspace, p.ID, p.Name, p.NameKey, p.Type, p.Enabled,
		credentials, config, p.Version, p.Connection, moment(p.CreatedAt), moment(p.UpdatedAt)}}}
	if len(p.Models) > 0 {
		statements = append(statements, s.modelStatement(s.engine.insertModels, p, p.Models))
	}
	_, err := s.together(ctx, append(statements, insertEvents(e))...)
	return s.asDuplicate(err, p)
}

// asDuplicate makes a specific fault of a conflict with a unique index.
func (s *Store) asDuplicate(err error, p registry.Provider) error {
	var specific *fault.Error
	switch {
	case !fault.Is(err, fault.Conflict):
		return err
	case s.engine.violates(err, "providers_name", "providers.workspace, providers.name_key"):
		specific = fault.New(fault.NameTaken,
			"A provider named %q exists already (upper and lower case count as the same). Choose another name.", p.Name)
	case s.engine.violates(err, "models_provider", "models.workspace, models.provider_id, models.model_id"):
		specific = modelExists(p.Models)
	default:
		return err
	}
	specific.Err = err
	return specific
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

// updateProvider writes what an edit may change. It clears an error that was
// observed with another connection.
const updateProvider = `UPDATE providers SET name = $3, name_key = $4, enabled = $5, credentials = $6, config = $7, version = $8, connection = $9,
	updated_at = $10, error_kind = CASE WHEN connection = $9 THEN error_kind END
	WHERE workspace = $1 AND id = $2`

// UpdateProvider implements [registry.Store]. The transaction must have locked
// the provider.
func (s *Store) UpdateProvider(ctx context.Context, before, after registry.Provider) error {
	if t := s.transaction(ctx); t == nil || !t.locked[lockedProvider{after.Workspace, after.ID}] {
		return fmt.Errorf("UpdateProvider of provider %s, which the transaction has not locked", after.ID)
	}
	credentials, config := encodedSettings(after)
	changed, err := s.exec(ctx, updateProvider, after.Workspace, after.ID, after.Name, after.NameKey, after.Enabled, credentials, config,
		after.Version, after.Connection, moment(after.UpdatedAt))
	if err == nil && changed == 0 {
		err = notFound("provider", after.ID)
	}
	if err == nil {
		err = s.updateModels(ctx, before, after)
	}
	return s.asDuplicate(err, after)
}

// DeleteProvider implements [registry.Store]. A foreign key deletes the models.
func (s *Store) DeleteProvider(ctx context.Context, workspace, id string) error {
	deleted, err := s.together(ctx, statement{`DELETE FROM providers WHERE workspace = $1 AND id = $2`, []any{workspace, id}})
	if err == nil && deleted == 0 {
		err = notFound("provider", id)
	}
	return err
}
