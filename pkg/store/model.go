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
	testedAt       *moment // nil: never
	testKind       *string // nil: success
	testLatency    *int64
	testConnection *int64
}

// modelColumns are the columns that [modelRow.fields] reads.
const modelColumns = `m.id, m.provider_id, m.model_id, m.display_name, m.name_key, m.stages, m.enabled,
	m.tested_at, m.test_kind, m.test_latency_ns, m.test_connection, m.version, m.created_at, m.updated_at`

func (row *modelRow) fields() []any {
	m := &row.Model
	return []any{&m.ID, &m.ProviderID, &m.ModelID, &m.DisplayName, &m.NameKey, (*stages)(&m.Stages), &m.Enabled,
		&row.testedAt, &row.testKind, &row.testLatency, &row.testConnection, &m.Version, (*moment)(&m.CreatedAt), (*moment)(&m.UpdatedAt)}
}

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

// modelWithFacts maps a row to a model with the facts of its provider.
func (row modelRow) modelWithFacts(p providerRow) registry.Model {
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
	err := s.one(ctx, `SELECT `+modelColumns+`, `+factColumns+` FROM models m`+joinProvider+` WHERE m.workspace = $1 AND m.id = $2`,
		workspace, "model", id, append(m.fields(), p.facts()...))
	return m.modelWithFacts(p), err
}

// ModelAndProvider implements [registry.Store].
func (s *Store) ModelAndProvider(ctx context.Context, workspace, id string) (registry.Model, registry.Provider, error) {
	var m modelRow
	var row providerRow
	err := s.one(ctx, `SELECT `+modelColumns+`, `+providerColumns+` FROM models m`+joinProvider+` WHERE m.workspace = $1 AND m.id = $2`,
		workspace, "model", id, append(m.fields(), row.fields()...))
	if err != nil {
		return registry.Model{}, registry.Provider{}, err
	}
	p, err := row.provider(workspace)
	return m.model(p.Connection), p, err
}

// encodedModel is a model in the JSON list of a statement that writes any number
// of them.
type encodedModel struct {
	ID          string           `json:"id"`
	ModelID     string           `json:"model_id"`
	ModelKey    string           `json:"model_key"`
	DisplayName string           `json:"display_name"`
	NameKey     string           `json:"name_key"`
	Stages      []registry.Stage `json:"stages"`
	Enabled     bool             `json:"enabled"`
	Version     int64            `json:"version"`
	Created     any              `json:"created_at"`
	Updated     any              `json:"updated_at"`
}

// modelStatement inserts or updates models of one provider.
func (s *Store) modelStatement(sql string, p registry.Provider, models []registry.Model) statement {
	list := make([]encodedModel, len(models))
	for i, m := range models {
		list[i] = encodedModel{
			ID: m.ID, ModelID: m.ModelID, ModelKey: registry.Fold(m.ModelID), DisplayName: m.DisplayName, NameKey: m.NameKey,
			Stages: append([]registry.Stage{}, m.Stages...), Enabled: m.Enabled, Version: m.Version,
			Created: s.engine.jsonTime(m.CreatedAt), Updated: s.engine.jsonTime(m.UpdatedAt),
		}
	}
	return statement{sql, []any{p.Workspace, p.ID, encoded(list)}}
}

// updateModels stores the models of a provider after an edit. Of those that stay,
// it leaves the last test as it is, except when it was of another upstream model.
func (s *Store) updateModels(ctx context.Context, before, after registry.Provider) error {
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
			steps = append(steps, statement{sql + s.engine.inIDs("$2"), []any{after.Workspace, s.engine.ids(ids)}})
		}
	}
	add(`DELETE FROM models WHERE workspace = $1 AND id `, slices.Collect(maps.Keys(gone)))
	// Model ids must be unique after every row that is written.
	add(`UPDATE models SET model_id = 'leaving ' || id, test_connection = NULL WHERE workspace = $1 AND id `, leaving)
	if len(changed) > 0 {
		steps = append(steps, s.modelStatement(s.engine.updateModels, after, changed))
	}
	if len(added) > 0 {
		steps = append(steps, s.modelStatement(s.engine.insertModels, after, added))
	}
	for _, step := range steps {
		if _, err := s.exec(ctx, step.sql, step.args...); err != nil {
			return err
		}
	}
	return nil
}
