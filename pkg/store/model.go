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

// modelRow is a row of models, without model_key, which is only searched.
type modelRow struct {
	registry.Model
	testedAt       *moment // nil: never
	testKind       *string // nil: success
	testLatency    *int64
	testConnection *int64
}

// created are the columns that are written once.
func (row *modelRow) created() columns {
	m := &row.Model
	return columns{{"id", &m.ID}, {"provider_id", &m.ProviderID}, {"created_at", (*moment)(&m.CreatedAt)}}
}

// edited are the columns that edits write, with model_key.
func (row *modelRow) edited() columns {
	m := &row.Model
	return columns{
		{"model_id", &m.ModelID}, {"display_name", &m.DisplayName}, {"name_key", &m.NameKey}, {"stages", (*stages)(&m.Stages)},
		{"enabled", &m.Enabled}, {"version", &m.Version}, {"updated_at", (*moment)(&m.UpdatedAt)},
	}
}

// tested are the columns of the last test.
func (row *modelRow) tested() columns {
	return columns{{"tested_at", &row.testedAt}, {"test_kind", &row.testKind}, {"test_latency_ns", &row.testLatency}, {"test_connection", &row.testConnection}}
}

func (row *modelRow) columns() columns {
	return slices.Concat(row.created(), row.edited(), row.tested())
}

var modelColumns = new(modelRow).columns().names("m")

// stages are the stages of a model: a text[] on PostgreSQL, read as `{a,b}`, and
// JSON on SQLite. Their names need no quotes in the former.
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

// model maps a row to a model of a provider with a connection: a test that began
// at another connection is outdated.
func (row modelRow) model(connection int64) registry.Model {
	m := row.Model
	if row.testConnection != nil && *row.testConnection == connection {
		m.LastTest = &registry.LastTest{Success: row.testKind == nil, Latency: time.Duration(*row.testLatency), At: time.Time(*row.testedAt)}
		if row.testKind != nil {
			m.LastTest.Kind = *row.testKind
		}
	}
	return m
}

// modelWithProvider maps a row to a model that has the columns of its provider
// that [providerRow.shown] lists.
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

// Model implements [registry.Store].
func (s *Store) Model(ctx context.Context, workspace, id string) (registry.Model, error) {
	var m modelRow
	var p providerRow
	err := s.joined(ctx, workspace, id, m.columns(), p.shown())
	return m.modelWithProvider(p), err
}

// ModelAndProvider implements [registry.Store].
func (s *Store) ModelAndProvider(ctx context.Context, workspace, id string) (registry.Model, registry.Provider, error) {
	var m modelRow
	var row providerRow
	if err := s.joined(ctx, workspace, id, m.columns(), row.columns()); err != nil {
		return registry.Model{}, registry.Provider{}, err
	}
	p, err := row.provider()
	return m.model(p.Connection), p, err
}

// joined reads columns of a model and of its provider. It returns not_found.
func (s *Store) joined(ctx context.Context, workspace, id string, model, provider columns) error {
	query := `SELECT ` + model.names("m") + `, ` + provider.names("p") + ` FROM models m` + joinProvider + ` WHERE m.workspace = $1 AND m.id = $2`
	found, err := s.one(ctx, query, []any{workspace, id}, slices.Concat(model, provider).fields()...)
	if err == nil && !found {
		err = notFound("model", id)
	}
	return err
}

// writtenModels returns the columns of models that an edit of their provider
// writes, for a statement that writes any number of them.
func writtenModels(p registry.Provider, models []registry.Model) (created, edited columns, rows []columns) {
	for _, m := range models {
		row := modelRow{Model: m}
		row.ProviderID = p.ID
		row.Stages = append([]registry.Stage{}, m.Stages...)
		key := registry.Fold(m.ModelID)
		created, edited = row.created(), append(row.edited(), column{"model_key", &key})
		rows = append(rows, slices.Concat(created, edited))
	}
	return created, edited, rows
}

// insertModels is the statement that adds models to a provider.
func (s *Store) insertModels(p registry.Provider, models []registry.Model) statement {
	created, edited, rows := writtenModels(p, models)
	row := slices.Concat(created, edited)
	return statement{`INSERT INTO models (workspace, ` + row.names("") + `)
		SELECT $1, ` + row.names("e") + ` FROM ` + s.engine.recordset("models", "$2", row) + ` AS e`,
		[]any{p.Workspace, s.engine.records(rows)}}
}

// updateModels is the statement that changes models of a provider. A model with
// another model id was not tested.
func (s *Store) updateModels(p registry.Provider, models []registry.Model) statement {
	created, edited, rows := writtenModels(p, models)
	row := slices.Concat(created, edited)
	return statement{`WITH e AS MATERIALIZED (SELECT ` + row.names("") + ` FROM ` + s.engine.recordset("models", "$3", row) + ` AS e)
		UPDATE models SET ` + edited.assign("e") + `, test_connection = CASE WHEN models.model_id = e.model_id THEN models.test_connection END
		FROM e WHERE models.workspace = $1 AND models.provider_id = $2 AND models.id = e.id`,
		[]any{p.Workspace, p.ID, s.engine.records(rows)}}
}

// writeModels stores the models of a provider after an edit. Of those that stay,
// it leaves the last test as it is, except when it was of another upstream model.
func (s *Store) writeModels(ctx context.Context, before, after registry.Provider) error {
	gone, kept := map[string]registry.Model{}, map[string]bool{}
	for _, m := range before.Models {
		gone[m.ID] = m
	}
	for _, m := range after.Models {
		kept[m.ModelID] = true
	}
	var added, changed []registry.Model
	var leaving []string // models whose model id another one takes
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
		steps = append(steps, s.updateModels(after, changed))
	}
	if len(added) > 0 {
		steps = append(steps, s.insertModels(after, added))
	}
	for _, step := range steps {
		if _, err := s.exec(ctx, step.sql, step.args...); err != nil {
			return err
		}
	}
	return nil
}
