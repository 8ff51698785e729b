package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"modelproviders/pkg/registry"
)

// providerRow is a row of providers. The column status is the database's own,
// computed from enabled and error_kind.
type providerRow struct {
	Workspace    string `gorm:"primaryKey"`
	ID           string `gorm:"primaryKey"`
	Name         string
	NameKey      string
	Type         string
	Enabled      bool
	ErrorKind    *string
	ErrorMessage *string
	ErrorModelID *string
	ErrorSince   *int64
	Config       string
	Version      int64
	Connection   int64
	Created      int64 `gorm:"column:created_at"`
	Updated      int64 `gorm:"column:updated_at"`
}

// TableName names the table to GORM.
func (providerRow) TableName() string { return "providers" }

// newProviderRow maps a provider to its row.
func newProviderRow(p registry.Provider) (providerRow, error) {
	config, err := json.Marshal(p.Config)
	if err != nil {
		return providerRow{}, fmt.Errorf("encode the config of provider %s: %w", p.ID, err)
	}
	if p.Config == nil {
		config = []byte("{}")
	}
	row := providerRow{
		Workspace: p.Workspace, ID: p.ID, Name: p.Name, NameKey: p.NameKey, Type: p.Type,
		Enabled: p.Enabled, Config: string(config), Version: p.Version, Connection: p.Connection,
		Created: toMillis(p.CreatedAt), Updated: toMillis(p.UpdatedAt),
	}
	row.setError(p.Error)
	return row, nil
}

func (row *providerRow) setError(e *registry.ProviderError) {
	row.ErrorKind, row.ErrorMessage, row.ErrorModelID, row.ErrorSince = nil, nil, nil, nil
	if e != nil {
		message, since := repaired(e.Message), toMillis(e.Since)
		row.ErrorKind, row.ErrorMessage, row.ErrorModelID, row.ErrorSince = &e.Kind, &message, &e.ModelID, &since
	}
}

// provider maps a row to a provider without credentials and models.
func (row providerRow) provider() (registry.Provider, error) {
	p := registry.Provider{
		ID: row.ID, Workspace: row.Workspace, Name: row.Name, NameKey: row.NameKey, Type: row.Type,
		Enabled: row.Enabled, Error: row.error(), Credentials: map[string]registry.Credential{},
		Version: row.Version, Connection: row.Connection,
		CreatedAt: fromMillis(row.Created), UpdatedAt: fromMillis(row.Updated),
	}
	if err := json.Unmarshal([]byte(row.Config), &p.Config); err != nil {
		return p, fmt.Errorf("decode the config of provider %s: %w", row.ID, err)
	}
	return p, nil
}

func (row providerRow) error() *registry.ProviderError {
	if row.ErrorKind == nil {
		return nil
	}
	return &registry.ProviderError{
		Kind: *row.ErrorKind, Message: *row.ErrorMessage, ModelID: *row.ErrorModelID, Since: fromMillis(*row.ErrorSince),
	}
}

// Provider implements [registry.Store].
func (s *Store) Provider(ctx context.Context, workspace, id string) (p registry.Provider, err error) {
	err = s.readTogether(ctx, workspace, func(db *gorm.DB) error {
		p, err = s.oneProvider(db, id)
		return err
	})
	return p, err
}

// LockProvider implements [registry.Store]. It works in a transaction only.
func (s *Store) LockProvider(ctx context.Context, workspace, id string) (p registry.Provider, err error) {
	t := s.transaction(ctx)
	if t == nil {
		return p, errors.New("LockProvider outside a transaction locks nothing")
	}
	err = s.write(ctx, workspace, func(_ context.Context, db *gorm.DB) error {
		if _, err := lockProviderRow(db, id); err != nil {
			return err
		}
		t.locked[lockedProvider{workspace, id}] = true
		p, err = s.oneProvider(db, id)
		return err
	})
	return p, err
}

// lockProviderRow keeps other transactions from writing to the provider, and to
// its models, which are written under this lock only. On SQLite the transaction
// has the whole file anyway. It returns not_found.
func lockProviderRow(db *gorm.DB, id string) (providerRow, error) {
	return findProviderRow(db.Clauses(clause.Locking{Strength: "UPDATE"}), id)
}

func findProviderRow(db *gorm.DB, id string) (providerRow, error) {
	var rows []providerRow
	err := db.Where("id = ?", id).Find(&rows).Error
	if err == nil && len(rows) == 0 {
		err = notFound("provider", id)
	}
	if err != nil {
		return providerRow{}, err
	}
	return rows[0], nil
}

func (s *Store) oneProvider(db *gorm.DB, id string) (registry.Provider, error) {
	row, err := findProviderRow(db, id)
	if err != nil {
		return registry.Provider{}, err
	}
	providers, err := s.withParts(db, []providerRow{row})
	if err != nil {
		return registry.Provider{}, err
	}
	return providers[0], nil
}
