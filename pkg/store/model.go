package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"modelproviders/pkg/registry"
)

// modelRow is a row of models.
type modelRow struct {
	ID             string
	ProviderID     string
	ModelID        string
	DisplayName    string
	NameKey        string
	Stages         stages
	Enabled        bool
	TestedAt       *moment // nil: never
	TestKind       *string // nil: success
	TestLatencyNs  *int64
	TestConnection *int64
	Version        int64
	Created        moment
	Updated        moment
}

// modelColumns are the columns that [modelRow.fields] reads.
const modelColumns = `m.id, m.provider_id, m.model_id, m.display_name, m.name_key, m.stages, m.enabled,
	m.tested_at, m.test_kind, m.test_latency_ns, m.test_connection, m.version, m.created_at, m.updated_at`

func (row *modelRow) fields() []any {
	return []any{&row.ID, &row.ProviderID, &row.ModelID, &row.DisplayName, &row.NameKey, &row.Stages, &row.Enabled,
		&row.TestedAt, &row.TestKind, &row.TestLatencyNs, &row.TestConnection, &row.Version, &row.Created, &row.Updated}
}

// stages are the stages of a model: a text[] on PostgreSQL, read as `{a,b}`, and
// a JSON text on SQLite. Their names need no quotes in the former.
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

// model maps a row to a model without the facts of its provider. A test that
// began before the provider's connection changed is none.
func (row modelRow) model(connection int64) registry.Model {
	m := registry.Model{
		ID: row.ID, ProviderID: row.ProviderID, ModelID: row.ModelID, DisplayName: row.DisplayName, NameKey: row.NameKey,
		Stages: row.Stages, Enabled: row.Enabled, Version: row.Version, CreatedAt: row.Created.Time, UpdatedAt: row.Updated.Time,
	}
	if row.TestConnection != nil && *row.TestConnection == connection {
		m.LastTest = &registry.LastTest{Success: row.TestKind == nil, Latency: time.Duration(*row.TestLatencyNs), At: row.TestedAt.Time}
		if row.TestKind != nil {
			m.LastTest.Kind = *row.TestKind
		}
	}
	return m
}

func sortByCreation(models []registry.Model) {
	slices.SortFunc(models, func(a, b registry.Model) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
}

// factColumns are what a model tells of its provider, and its connection.
const factColumns = `p.name, p.type, p.enabled, p.error_kind, p.connection`

// factRow holds them.
type factRow struct {
	Name, Type string
	Enabled    bool
	ErrorKind  *string
	Connection int64
}

func (row *factRow) fields() []any {
	return []any{&row.Name, &row.Type, &row.Enabled, &row.ErrorKind, &row.Connection}
}

// modelWithFacts maps a row to a model with the facts of its provider.
func (row modelRow) modelWithFacts(facts factRow) registry.Model {
	m := row.model(facts.Connection)
	m.Provider = registry.NewModelProvider(facts.Name, facts.Type, facts.Enabled, facts.ErrorKind != nil)
	return m
}

const joinProvider = ` JOIN providers p ON p.workspace = m.workspace AND p.id = m.provider_id`

// Model implements [registry.Store].
func (s *Store) Model(ctx context.Context, workspace, id string) (registry.Model, error) {
	var row modelRow
	var facts factRow
	err := s.rows(ctx, `SELECT `+modelColumns+`, `+factColumns+` FROM models m`+joinProvider+` WHERE m.workspace = $1 AND m.id = $2`,
		[]any{workspace, id}, func(rows *sql.Rows) error { return rows.Scan(append(row.fields(), facts.fields()...)...) })
	if err == nil && row.ID == "" {
		err = notFound("model", id)
	}
	return row.modelWithFacts(facts), err
}

// ModelAndProvider implements [registry.Store]. It takes one query.
func (s *Store) ModelAndProvider(ctx context.Context, workspace, id string) (m registry.Model, p registry.Provider, err error) {
	var row modelRow
	var provider providerRow
	err = s.rows(ctx, `SELECT `+modelColumns+`, `+providerColumns+` FROM models m`+joinProvider+` WHERE m.workspace = $1 AND m.id = $2`,
		[]any{workspace, id}, func(rows *sql.Rows) error { return rows.Scan(append(row.fields(), provider.fields()...)...) })
	if err == nil && row.ID == "" {
		err = notFound("model", id)
	}
	if err == nil {
		p, err = provider.provider(workspace)
	}
	return row.model(provider.Connection), p, err
}

// encodedModel is a model as it is handed to a statement that writes any number
// of them, in a JSON list.
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

func (s *Store) encodedModels(models []registry.Model) (string, error) {
	list := make([]encodedModel, len(models))
	for i, m := range models {
		list[i] = encodedModel{
			ID: m.ID, ModelID: m.ModelID, ModelKey: registry.Fold(m.ModelID), DisplayName: m.DisplayName, NameKey: m.NameKey, Stages: append([]registry.Stage{}, m.Stages...),
			Enabled: m.Enabled, Version: m.Version, Created: s.engine.jsonTime(m.CreatedAt), Updated: s.engine.jsonTime(m.UpdatedAt),
		}
	}
	text, err := json.Marshal(list)
	return string(text), err
}

// writeModels turns the models of one provider into those after an edit. Of
// those that stay, it leaves the outcome of the last test to those who test,
// except where it was of another upstream model.
func (s *Store) writeModels(ctx context.Context, before, after registry.Provider) error {
	stored, wanted := make(map[string]registry.Model, len(before.Models)), make(map[string]bool, len(after.Models))
	for _, m := range before.Models {
		stored[m.ID] = m
	}
	for _, m := range after.Models {
		wanted[m.ModelID] = true
	}
	var added, changed []registry.Model
	var leaving []string // a model id that another one takes
	for _, m := range after.Models {
		old, ok := stored[m.ID]
		delete(stored, m.ID)
		switch {
		case !ok:
			added = append(added, m)
		case old.Version != m.Version:
			changed = append(changed, m)
			if old.ModelID != m.ModelID && wanted[old.ModelID] {
				leaving = append(leaving, m.ID)
			}
		}
	}
	gone := make([]string, 0, len(stored))
	for id := range stored {
		gone = append(gone, id)
	}
	of := func(ids []string) []any { return []any{after.Workspace, s.engine.ids(ids)} }
	if len(gone) > 0 {
		if _, err := s.exec(ctx, `DELETE FROM models WHERE workspace = $1 AND id `+s.engine.inIDs("$2"), of(gone)...); err != nil {
			return err
		}
	}
	if len(leaving) > 0 { // model ids are unique after each row that is written
		if _, err := s.exec(ctx, `UPDATE models SET model_id = 'leaving ' || id, test_connection = NULL
			WHERE workspace = $1 AND id `+s.engine.inIDs("$2"), of(leaving)...); err != nil {
			return err
		}
	}
	if err := s.writeAll(ctx, s.engine.updateModels, after, changed); err != nil {
		return err
	}
	return s.writeAll(ctx, s.engine.insertModels, after, added)
}

// writeAll inserts or updates models of a provider with one statement.
func (s *Store) writeAll(ctx context.Context, statement string, p registry.Provider, models []registry.Model) error {
	if len(models) == 0 {
		return nil
	}
	list, err := s.encodedModels(models)
	if err == nil {
		_, err = s.exec(ctx, statement, p.Workspace, p.ID, list)
	}
	return err
}
