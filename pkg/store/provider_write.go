package store

import (
	"context"
	"fmt"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

var insertProvider = providerColumns.only(fixed, editable).insertInto("providers")

// insertSealed is insertProvider on the condition that the key in the last parameter
// seals.
func (d dialect) insertSealed() string {
	row := providerColumns.only(fixed, editable)
	return row.insertSelect("providers") + " WHERE " + d.seals(fmt.Sprintf("$%d", len(row)+1)) + " RETURNING 1"
}

// CreateProvider implements [registry.Store].
func (s *Store) CreateProvider(ctx context.Context, p registry.Provider, e audit.Event) error {
	key, err := newKey(p)
	if err != nil {
		return err
	}
	row := newProviderRow(p).columns().fields(fixed, editable)
	first, models, event := statement{insertProvider, row}, s.addedModels(p, p.Models), addedEvent(e)
	note := s.noted(s.noteCreated, registry.Changes(registry.Provider{}, p, p.CreatedAt)...)
	if key != 0 {
		first, models.sql, event.sql = statement{s.insertSealed, append(row, int64(key))}, s.insertSealedModels, s.insertEventIfFirst
		note.sql = s.noteSealed
	}
	others := []statement{models, note, event}
	if len(p.Models) == 0 {
		others = others[1:]
	}
	added, err := s.firstThen(ctx, first, others...)
	if err == nil && !added {
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

// updateProvider writes an edit of which $4 changes are noted. It clears an error that was
// observed with another connection than $3.
var updateProvider = func() string {
	args := make(arguments, 4)
	assigned := providerColumns.only(editable).join(func(c column) string { return c.name + " = " + args.add(nil) })
	return "UPDATE providers SET " + assigned + ", error_kind = CASE WHEN connection = $3 THEN error_kind END, changes = changes + $4 WHERE workspace = $1 AND id = $2"
}()

// updateSealed is updateProvider on the condition that the key in the last parameter
// seals.
func (d dialect) updateSealed() string {
	args := 4 + len(providerColumns.only(editable))
	return updateProvider + " AND " + d.seals(fmt.Sprintf("$%d", args+1))
}

// UpdateProvider implements [registry.Store]. The transaction must have locked
// the provider.
func (s *Store) UpdateProvider(ctx context.Context, before, after registry.Provider) error {
	if t := s.transaction(ctx); t == nil || !t.locked[lockedProvider{after.Workspace, after.ID}] {
		return fmt.Errorf("UpdateProvider of provider %s, which the transaction has not locked", after.ID)
	}
	changes := registry.Changes(before, after, after.UpdatedAt)
	args := append([]any{after.Workspace, after.ID, after.Connection, len(changes)}, newProviderRow(after).columns().fields(editable)...)
	key, err := newKey(after)
	if err != nil {
		return err
	}
	text := updateProvider
	if key != 0 {
		text, args = s.updateSealed, append(args, int64(key))
	}
	steps := []statement{{text, args}}
	if len(changes) > 0 {
		steps = []statement{s.noted(s.noteStored, changes...), steps[0]}
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
		s.noted(s.noteStored, registry.Changes(p, registry.Provider{}, at)...),
		statement{`DELETE FROM providers WHERE workspace = $1 AND id = $2`, []any{p.Workspace, p.ID}})
	switch {
	case err == nil && deleted == 0:
		err = notFound("provider", p.ID)
	case err == nil:
		s.wakeNumberer(ctx, p.Workspace)
	}
	return err
}
