package store

import (
	"context"
	"slices"
	"time"

	"modelproviders/pkg/registry"
)

// changeRow is a row of changes.
type changeRow struct {
	registry.Change
	counted int64 // the value of the provider's column changes
}

func (row *changeRow) columns() columns {
	c := &row.Change
	return columns{
		{"id", &c.ID, fixed}, {"provider_change", &row.counted, fixed}, {"at", (*moment)(&c.At), fixed},
		{"resource", &c.Resource, fixed}, {"resource_id", &c.ResourceID, fixed}, {"action", &c.Action, fixed},
		{"version", &c.Version, fixed}, {"provider_version", &c.ProviderVersion, fixed},
		{"status", &c.Status, fixed}, {"kind", &c.Kind, fixed}, {"reference_count", &c.References, fixed},
		{"provider_id", &c.ProviderID, observed}, {"number", &c.Number, observed},
	}
}

// newChange are the columns that a note of a change has for itself.
var newChange = new(changeRow).columns().only(fixed)

// storedProvider is the provider that changes are noted of, as it is before the write that
// is noted.
const storedProvider = "providers p WHERE p.workspace = $1 AND p.id = $2"

// storedReferences is the number of references to all models of the provider $2.
const storedReferences = `(SELECT coalesce(sum(m.reference_count), 0) FROM models m WHERE m.workspace = $1 AND m.provider_id = $2)`

// insertChanges is the beginning of a statement that notes changes of the provider $2.
// Each is the one with the given number of those that the write notes.
func (d dialect) insertChanges(row columns, values, number string) string {
	names := "workspace, provider_id, " + row.names("")
	if d.lastChange != "" {
		names, values = names+", number", values+", "+d.lastChange+" + "+number
	}
	return "INSERT INTO changes (" + names + ") SELECT $1, $2, " + values
}

// notedCreation is the statement that notes the creation of a provider, which is its change
// 0, if the first of several statements has added it. See [Store.noted].
func (s *Store) notedCreation(p registry.Provider) statement {
	change := changeRow{Change: registry.Changes(registry.Provider{}, p, p.CreatedAt)[0]}
	row := append(change.columns().only(fixed), s.webhookDue(&change.Change))
	args := arguments{p.Workspace, p.ID}
	values := args.add(row.fields()...)
	return statement{s.engine.insertChanges(row, values, "1") + " WHERE " + s.engine.ifFirst, args}
}

// noteChanges is the text of a statement that notes changes of a provider; see
// [Store.noted]. On SQLite it must run before the write that is noted.
func (d dialect) noteChanges(provider string) string {
	row := append(slices.Clone(newChange), webhookDue(nil))
	values := row.join(func(c column) string {
		switch c.name {
		case "provider_change":
			return "p.changes + e.provider_change"
		case "version", "provider_version":
			return "CASE e." + c.name + " WHEN 0 THEN p.version ELSE e." + c.name + " END"
		case "reference_count":
			return "CASE e.version WHEN 0 THEN " + storedReferences + " ELSE e.reference_count END"
		}
		return "e." + c.name
	})
	return d.insertChanges(row, values, "e.provider_change") + " FROM (" + d.recordset("changes", "$3", row) + ") AS e, " + provider + " ORDER BY e.provider_change"
}

// noted is the statement that notes changes of one provider, a [storedProvider] or
// [dialect.lockedProvider] with conditions. The write must add their number to the provider's column changes.
// A version that is 0 is the stored version of the provider, and then the references are
// those of its models. After the write, [Store.wakeNumberer] must be called.
func (s *Store) noted(provider string, changes ...registry.Change) statement {
	rows := make([]columns, len(changes))
	for i, c := range changes {
		row := changeRow{Change: c, counted: int64(i + 1)}
		rows[i] = append(row.columns().only(fixed), s.webhookDue(&row.Change))
	}
	return statement{s.engine.noteChanges(provider), []any{changes[0].Workspace, changes[0].ProviderID, s.engine.records(rows...)}}
}

var findChanges = "SELECT " + new(changeRow).columns().names("") + " FROM changes WHERE workspace = $1 AND number >= $2 ORDER BY number LIMIT $3"

// ChangeEnd implements [registry.Store].
func (s *Store) ChangeEnd(ctx context.Context, workspace string) (end registry.ChangePosition, err error) {
	_, err = s.one(ctx, "SELECT number, id FROM changes WHERE workspace = $1 AND number IS NOT NULL ORDER BY number DESC LIMIT 1",
		[]any{workspace}, &end.Number, &end.ID)
	return end, err
}

// ChangeEnds implements [registry.ChangeStore].
func (s *Store) ChangeEnds(ctx context.Context, workspaces []string) (map[string]string, error) {
	ends := make(map[string]string, len(workspaces))
	var workspace string
	var end *string
	var args arguments
	query := `SELECT v.value, (SELECT CAST(c.id AS text) FROM changes c
		WHERE c.workspace = v.value AND c.number IS NOT NULL ORDER BY c.number DESC LIMIT 1) FROM ` + s.engine.list(&args, workspaces)
	err := s.each(ctx, query, args, []any{&workspace, &end}, func() error {
		if end != nil {
			ends[workspace] = *end
		}
		return nil
	})
	return ends, err
}

// ChangesAfter implements [registry.ChangeStore]. It also reads the change at the position, which
// is kept as long as all changes after it are.
func (s *Store) ChangesAfter(ctx context.Context, workspace string, after registry.ChangePosition, limit int) ([]registry.Change, error) {
	var row changeRow
	row.Workspace = workspace
	if after.Number > 0 {
		limit++
	}
	found, err := list(ctx, s, findChanges, []any{workspace, after.Number, limit}, row.columns().fields(),
		func() registry.Change { return row.Change })
	if err != nil {
		return nil, err
	}
	if after.Number > 0 {
		if len(found) == 0 || found[0].Position() != after {
			return nil, registry.ChangesGone()
		}
		found = found[1:]
	}
	for i, c := range found {
		if c.Number != after.Number+int64(i)+1 {
			return nil, registry.ChangesGone()
		}
	}
	return found, nil
}

// dropChanges removes changes of all workspaces that are before $1, if the next one of the
// workspace is, too. A reader that has read everything until then can therefore continue.
// It begins with the latest, because the first ones are mostly the last of their workspace.
const dropChanges = `DELETE FROM changes WHERE (workspace, number) IN (
	SELECT c.workspace, c.number FROM changes c WHERE c.at < $1 AND (
		SELECT n.at FROM changes n WHERE n.workspace = c.workspace AND n.number > c.number ORDER BY n.number LIMIT 1) < $1
	ORDER BY c.at DESC LIMIT $2)`

// DropChanges implements [registry.ChangeStore].
func (s *Store) DropChanges(ctx context.Context, before time.Time) error {
	return s.drop(ctx, dropChanges, before)
}
