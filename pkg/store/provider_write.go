package store

import (
	"context"
	"fmt"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

// insertProvider adds a provider if the key in the last parameter seals.
func (d dialect) insertProvider() string {
	row := providerColumns.only(fixed, editable)
	return row.insertInto("providers") + " WHERE " + d.seals(len(row)+1) + " RETURNING 1"
}

// CreateProvider implements [registry.Store].
func (s *Store) CreateProvider(ctx context.Context, p registry.Provider, e audit.Event) error {
	key, err := newKey(p)
	if err != nil {
		return err
	}
	first := statement{s.engine.insertProvider(), append(newProviderRow(p).columns().only(fixed, editable).fields(), int64(key))}
	others := []statement{addedEvent(e)}
	if len(p.Models) > 0 {
		others = append(others, s.addedModels(p, p.Models))
	}
	for i := range others {
		others[i].sql += " WHERE " + s.engine.ifFirst
	}
	added, err := s.firstThen(ctx, first, append(others, s.notedCreation(p))...)
	if err == nil && added == 0 {
		err = keyChanged()
	}
	if err == nil {
		s.wakeNumberer(ctx, p.Workspace)
	}
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

// updateProvider writes an edit of which $4 changes are noted, if the key in the last
// parameter seals. It clears an error that was observed with another connection than $3.
func (d dialect) updateProvider() string {
	args := make(arguments, 4)
	assigned := providerColumns.only(editable).join(func(c column) string { return c.name + " = " + args.add(nil) })
	return "UPDATE providers SET " + assigned + ", error_kind = CASE WHEN connection = $3 THEN error_kind END, changes = changes + $4" +
		" WHERE workspace = $1 AND id = $2 AND " + d.seals(len(args)+1)
}

// UpdateProvider implements [registry.Store]. The transaction must have locked
// the provider.
func (s *Store) UpdateProvider(ctx context.Context, before, after registry.Provider) error {
	if t := s.transaction(ctx); t == nil || !t.locked[lockedProvider{after.Workspace, after.ID}] {
		return fmt.Errorf("UpdateProvider of provider %s, which the transaction has not locked", after.ID)
	}
	changes := registry.Changes(before, after, after.UpdatedAt)
	args := append([]any{after.Workspace, after.ID, after.Connection, len(changes)}, newProviderRow(after).columns().only(editable).fields()...)
	key, err := newKey(after)
	if err != nil {
		return err
	}
	steps := []statement{{s.engine.updateProvider(), append(args, int64(key))}}
	if len(changes) > 0 {
		steps = []statement{s.noted(storedProvider, changes...), steps[0]}
	}
	changed, err := s.together(ctx, steps...)
	switch {
	case err == nil && changed == 0 && key != 0: // the transaction has locked the provider
		err = keyChanged()
	case err == nil && changed == 0:
		err = notFound("provider", after.ID)
	}
	if err == nil {
		s.wakeNumberer(ctx, after.Workspace)
		err = s.writeModels(ctx, before, after)
	}
	return s.asDuplicate(err, after)
}

// DeleteProvider implements [registry.Store]. A foreign key deletes the models.
func (s *Store) DeleteProvider(ctx context.Context, p registry.Provider, at time.Time) error {
	deleted, err := s.together(ctx,
		s.noted(storedProvider, registry.Changes(p, registry.Provider{}, at)...),
		statement{`DELETE FROM providers WHERE workspace = $1 AND id = $2`, []any{p.Workspace, p.ID}})
	switch {
	case err == nil && deleted == 0:
		err = notFound("provider", p.ID)
	case err == nil:
		s.wakeNumberer(ctx, p.Workspace)
	}
	return err
}
