package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"modelproviders/pkg/registry"
)

// modelRow is a row of models.
type modelRow struct {
	registry.Model
	modelKey       string  // used in searches only
	testedAt       *moment // nil: never
	testKind       *string // nil: success
	testLatency    *int64
	testConnection *int64

	checks           stageChecks
	checksConnection *int64
}

func (row *modelRow) columns() columns {
	m := &row.Model
	return columns{
		{"id", &m.ID, fixed}, {"provider_id", &m.ProviderID, fixed}, {"created_at", (*moment)(&m.CreatedAt), fixed},
		{"model_id", &m.ModelID, editable}, {"model_key", &row.modelKey, editable},
		{"display_name", &m.DisplayName, editable}, {"name_key", &m.NameKey, editable},
		{"stages", (*stages)(&m.Stages), editable}, {"enabled", &m.Enabled, editable},
		{"stage_checks", &row.checks, editable}, {"checks_connection", &row.checksConnection, editable},
		{"version", &m.Version, editable}, {"updated_at", (*moment)(&m.UpdatedAt), editable},
		{"tested_at", &row.testedAt, observed}, {"test_kind", &row.testKind, observed},
		{"test_latency_ns", &row.testLatency, observed}, {"test_connection", &row.testConnection, observed},
		{"reference_count", &m.References, observed},
	}
}

var (
	modelColumns = new(modelRow).columns()
	modelNames   = modelColumns.names("m.")
)

// stages are the stages of a model: a text[] on PostgreSQL, read as `{a,b}`, and
// JSON on SQLite. The names of stages need no quotes in a text[].
type stages []registry.Stage

// Scan implements [sql.Scanner].
func (s *stages) Scan(value any) error {
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("%T is not a list of stages", value)
	}
	*s = nil
	for name := range strings.SplitSeq(strings.Trim(text, "{}[]"), ",") {
		if name = strings.Trim(name, `"`); name != "" {
			*s = append(*s, registry.Stage(name))
		}
	}
	return nil
}

// model maps a row to a model. It leaves out tests and checks that began with another
// version of the provider's connection.
func (row modelRow) model(connection int64) registry.Model {
	m := row.Model
	if row.testConnection != nil && *row.testConnection == connection {
		m.LastTest = &registry.LastTest{Success: row.testKind == nil, Latency: time.Duration(*row.testLatency), At: time.Time(*row.testedAt)}
		if row.testKind != nil {
			m.LastTest.Kind = *row.testKind
		}
	}
	if row.checksConnection != nil && *row.checksConnection == connection {
		m.StageChecks = row.checks
	}
	return m
}

// modelWithProvider maps a row and [providerRow.shown] to a model.
func (row modelRow) modelWithProvider(p providerRow) registry.Model {
	m := row.model(p.Connection)
	m.Provider = registry.NewModelProvider(p.Name, p.Type, p.Enabled, p.errorKind != nil)
	return m
}

func sortByCreation(models []registry.Model) {
	slices.SortFunc(models, func(a, b registry.Model) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
}

const joinProvider = ` JOIN providers p ON p.workspace = m.workspace AND p.id = m.provider_id`

var (
	findModel            = `SELECT ` + modelNames + `, ` + shownNames + ` FROM models m` + joinProvider + ` WHERE m.workspace = $1 AND m.id = $2`
	findModelAndProvider = `SELECT ` + modelNames + `, ` + providerNames + ` FROM models m` + joinProvider + ` WHERE m.workspace = $1 AND m.id = $2`
)

// Model implements [registry.Store].
func (s *Store) Model(ctx context.Context, workspace, id string) (registry.Model, error) {
	var m modelRow
	var p providerRow
	err := s.oneModel(ctx, findModel, workspace, id, m.columns(), p.shown())
	return m.modelWithProvider(p), err
}

// ModelAndProvider implements [registry.Store].
func (s *Store) ModelAndProvider(ctx context.Context, workspace, id string) (registry.Model, registry.Provider, error) {
	var m modelRow
	var row providerRow
	if err := s.oneModel(ctx, findModelAndProvider, workspace, id, m.columns(), row.columns()); err != nil {
		return registry.Model{}, registry.Provider{}, err
	}
	p, err := row.provider()
	return m.model(p.Connection), p, err
}

// oneModel reads columns of a model and of its provider. It returns not_found.
func (s *Store) oneModel(ctx context.Context, query, workspace, id string, model, provider columns) error {
	found, err := s.one(ctx, query, []any{workspace, id}, slices.Concat(model, provider).fields()...)
	if err == nil && !found {
		err = notFound("model", id)
	}
	return err
}

// written are the columns of models that an edit of their provider writes.
var written = modelColumns.only(fixed, editable)

// modelRecords are models of a provider; see [dialect.records].
func (s *Store) modelRecords(p registry.Provider, models []registry.Model) string {
	rows := make([]columns, len(models))
	for i, m := range models {
		row := modelRow{Model: m, modelKey: registry.Fold(m.ModelID), checks: m.StageChecks, checksConnection: &p.Connection}
		row.ProviderID, row.Stages = p.ID, append([]registry.Stage{}, m.Stages...)
		rows[i] = row.columns().only(fixed, editable)
	}
	return s.engine.records(rows...)
}

// addedModels is the statement that adds models to a provider.
func (s *Store) addedModels(p registry.Provider, models []registry.Model) statement {
	insert := `INSERT INTO models (workspace, ` + written.names("") + `) SELECT $1, ` + written.names("e.") +
		` FROM (` + s.engine.recordset("models", "$2", written) + `) AS e`
	return statement{insert, []any{p.Workspace, s.modelRecords(p, models)}}
}

// updateModels changes models of a provider. It clears the last test of a model whose
// model id changes.
func (d dialect) updateModels() string {
	return `WITH e AS MATERIALIZED (` + d.recordset("models", "$3", written) + `)
		UPDATE models SET ` + written.only(editable).assign("e.") + `,
		test_connection = CASE WHEN models.model_id = e.model_id THEN models.test_connection END
		FROM e WHERE models.workspace = $1 AND models.provider_id = $2 AND models.id = e.id`
}

// writeModels stores the models of a provider after an edit. It keeps the last test of
// a model unless its model id changes.
func (s *Store) writeModels(ctx context.Context, before, after registry.Provider) error {
	gone, kept := map[string]registry.Model{}, map[string]bool{}
	for _, m := range before.Models {
		gone[m.ID] = m
	}
	for _, m := range after.Models {
		kept[m.ModelID] = true
	}
	var added, changed []registry.Model
	var leaving []string // models whose model id another model gets
	for _, m := range after.Models {
		old, stored := gone[m.ID]
		delete(gone, m.ID)
		switch {
		case !stored:
			added = append(added, m)
		case old.Version != m.Version:
			changed = append(changed, m)
			if old.ModelID != m.ModelID && kept[old.ModelID] {
				leaving = append(leaving, m.ID)
			}
		}
	}
	var steps []statement
	add := func(sql string, ids []string) {
		if len(ids) > 0 {
			args := arguments{after.Workspace}
			steps = append(steps, statement{sql + s.engine.inIDs(&args, ids), args})
		}
	}
	add(`DELETE FROM models WHERE workspace = $1 AND id `, slices.Collect(maps.Keys(gone)))
	// Model ids must be unique after every row that is written.
	add(`UPDATE models SET model_id = 'leaving ' || id, test_connection = NULL WHERE workspace = $1 AND id `, leaving)
	if len(changed) > 0 {
		steps = append(steps, statement{s.engine.updateModels(), []any{after.Workspace, after.ID, s.modelRecords(after, changed)}})
	}
	if len(added) > 0 {
		steps = append(steps, s.addedModels(after, added))
	}
	_, err := s.execAll(ctx, steps...)
	return err
}
