package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"gorm.io/gorm"

	"modelproviders/pkg/registry"
)

// modelRow is a row of models. The column available is the database's own,
// computed from enabled and provider_status.
type modelRow struct {
	Workspace      string `gorm:"primaryKey"`
	ID             string `gorm:"primaryKey"`
	ProviderID     string
	ProviderName   string
	ProviderType   string
	ProviderStatus registry.Status
	ModelID        string
	ModelKey       string // registry.Fold(ModelID): searched
	DisplayName    string
	NameKey        string

	StagePlanning      bool
	StageToolCall      bool
	StageSummarization bool
	StageGuardrail     bool

	Enabled       bool
	TestedAt      sql.NullInt64 // null: never, and the other three mean nothing
	TestSuccess   bool
	TestKind      string
	TestLatencyNs int64
	Version       int64
	Created       int64 `gorm:"column:created_at"`
	Updated       int64 `gorm:"column:updated_at"`
}

// TableName names the table to GORM.
func (modelRow) TableName() string { return "models" }

// stage returns the field of a stage, nil for a stage that has none.
func (row *modelRow) stage(stage registry.Stage) *bool {
	switch stage {
	case registry.Planning:
		return &row.StagePlanning
	case registry.ToolCall:
		return &row.StageToolCall
	case registry.Summarization:
		return &row.StageSummarization
	case registry.Guardrail:
		return &row.StageGuardrail
	}
	return nil
}

// modelRows maps the models of a provider to their rows.
func modelRows(p registry.Provider) ([]modelRow, error) {
	rows := make([]modelRow, len(p.Models))
	for i, m := range p.Models {
		row := modelRow{
			Workspace: p.Workspace, ID: m.ID, ProviderID: p.ID,
			ProviderName: p.Name, ProviderType: p.Type, ProviderStatus: p.Status(),
			ModelID: m.ModelID, ModelKey: registry.Fold(m.ModelID), DisplayName: m.DisplayName, NameKey: m.NameKey,
			Enabled: m.Enabled, Version: m.Version, Created: toMillis(m.CreatedAt), Updated: toMillis(m.UpdatedAt),
		}
		for _, stage := range m.Stages {
			column := row.stage(stage)
			if column == nil {
				return nil, fmt.Errorf("no column for the stage %q of model %s", stage, m.ID)
			}
			*column = true
		}
		if m.LastTest != nil {
			row.setLastTest(*m.LastTest)
		}
		rows[i] = row
	}
	return rows, nil
}

func (row *modelRow) setLastTest(last registry.LastTest) {
	row.TestedAt, row.TestSuccess = sql.NullInt64{Int64: toMillis(last.At), Valid: true}, last.Success
	row.TestKind, row.TestLatencyNs = last.Kind, int64(last.Latency)
}

// model maps a row to a model without the facts of its provider.
func (row modelRow) model() registry.Model {
	m := registry.Model{
		ID: row.ID, ProviderID: row.ProviderID, ModelID: row.ModelID, DisplayName: row.DisplayName, NameKey: row.NameKey,
		Enabled: row.Enabled, Version: row.Version, CreatedAt: fromMillis(row.Created), UpdatedAt: fromMillis(row.Updated),
	}
	for _, stage := range registry.Stages() {
		if serves := row.stage(stage); serves != nil && *serves {
			m.Stages = append(m.Stages, stage)
		}
	}
	if row.TestedAt.Valid {
		m.LastTest = &registry.LastTest{
			Success: row.TestSuccess, Kind: row.TestKind, Latency: time.Duration(row.TestLatencyNs), At: fromMillis(row.TestedAt.Int64),
		}
	}
	return m
}

// modelWithFacts maps a row to a model with the facts of its provider.
func (row modelRow) modelWithFacts() registry.Model {
	m := row.model()
	m.Provider = registry.ModelProvider{
		Name: row.ProviderName, Type: row.ProviderType, Status: row.ProviderStatus,
		Enabled: row.ProviderStatus != registry.Inactive,
	}
	return m
}

// Model implements [registry.Store].
func (s *Store) Model(ctx context.Context, workspace, id string) (m registry.Model, err error) {
	err = s.read(ctx, workspace, func(db *gorm.DB) error {
		row, err := findModelRow(db, id)
		m = row.modelWithFacts()
		return err
	})
	return m, err
}

func findModelRow(db *gorm.DB, id string) (modelRow, error) {
	var rows []modelRow
	err := db.Where("id = ?", id).Find(&rows).Error
	if err == nil && len(rows) == 0 {
		err = notFound("model", id)
	}
	if err != nil {
		return modelRow{}, err
	}
	return rows[0], nil
}
