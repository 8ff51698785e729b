package store

import (
	"context"
	"fmt"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

var insertProvider = providerColumns.only(fixed, editable).insertInto("providers")

// CreateProvider implements [registry.Store].
func (s *Store) CreateProvider(ctx context.Context, p registry.Provider, e audit.Event) error {
	statements := []statement{{insertProvider, newProviderRow(p).columns().fields(fixed, editable)}}
	if len(p.Models) > 0 {
		statements = append(statements, s.addedModels(p, p.Models))
	}
	_, err := s.together(ctx, append(statements, addedEvent(e))...)
	return s.asDuplicate(err, p)
}

// asDuplicate turns a conflict with a unique index into a specific fault.
func (s *Store) asDuplicate(err error, p registry.Provider) error {
	var specific *fault.Error
	switch {
	case !fault.Is(err, fault.Conflict):
		return err
	case s.engine.violates(err, "providers_name", "providers.workspace, providers.name_key"):
		specific = fault.New(fault.NameTaken,
			"A provider named %q already exists (names are not case-sensitive). Choose another name.", p.Name)
		specific.Fields.Add("name", fault.Duplicate, "is already used by another provider")
	case s.engine.violates(err, "models_provider", "models.workspace, models.provider_id, models.model_id"):
		specific = registry.ModelExists(repeatedModelID(p.Models))
	default:
		return err
	}
	specific.Err = err
	return specific
}

// repeatedModelID returns a model id that two of the models have.
func repeatedModelID(models []registry.Model) string {
	seen := make(map[string]bool, len(models))
	for _, m := range models {
		if seen[m.ModelID] {
			return m.ModelID
		}
		seen[m.ModelID] = true
	}
	return ""
}

// updateProvider writes an edit. It clears an error that was observed with another
// connection than $3.
var updateProvider = func() string {
	args := make(arguments, 3)
	assigned := providerColumns.only(editable).join(func(c column) string { return c.name + " = " + args.add(nil) })
	return "UPDATE providers SET " + assigned + ", error_kind = CASE WHEN connection = $3 THEN error_kind END WHERE workspace = $1 AND id = $2"
}()

// UpdateProvider implements [registry.Store]. The transaction must have locked
// the provider.
func (s *Store) UpdateProvider(ctx context.Context, before, after registry.Provider) error {
	if t := s.transaction(ctx); t == nil || !t.locked[lockedProvider{after.Workspace, after.ID}] {
		return fmt.Errorf("UpdateProvider of provider %s, which the transaction has not locked", after.ID)
	}
	args := append([]any{after.Workspace, after.ID, after.Connection}, newProviderRow(after).columns().fields(editable)...)
	changed, err := s.exec(ctx, updateProvider, args...)
	if err == nil && changed == 0 {
		err = notFound("provider", after.ID)
	}
	if err == nil {
		err = s.writeModels(ctx, before, after)
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
