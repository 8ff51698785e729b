package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"modelproviders/pkg/fault"
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
		since := toMillis(e.Since)
		row.ErrorKind, row.ErrorMessage, row.ErrorModelID, row.ErrorSince = &e.Kind, &e.Message, &e.ModelID, &since
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

// Providers implements [registry.Store]. It takes three queries, however many
// providers, credentials and models there are.
func (s *Store) Providers(ctx context.Context, workspace string, q registry.ProviderQuery) ([]registry.Provider, error) {
	if !storable(q.Search, q.Type, string(q.Status)) {
		return nil, nil
	}
	var providers []registry.Provider
	err := s.readTogether(ctx, workspace, func(db *gorm.DB) error {
		list, err := page{order: q.Sort, after: q.After, limit: q.Limit, namesUnique: true}.of(s.filterProviders(db, q))
		if err != nil {
			return err
		}
		var rows []providerRow
		if err := list.Find(&rows).Error; err != nil {
			return err
		}
		providers, err = withParts(db, rows)
		return err
	})
	return providers, err
}

func (s *Store) filterProviders(db *gorm.DB, q registry.ProviderQuery) *gorm.DB {
	if q.Type != "" {
		db = db.Where("type = ?", q.Type)
	}
	if q.Status != "" {
		db = db.Where("status = ?", q.Status)
	}
	if q.Search != "" {
		db = db.Where(s.engine.contains+"(name_key, ?) > 0", q.Search)
	}
	return db
}

// Provider implements [registry.Store].
func (s *Store) Provider(ctx context.Context, workspace, id string) (p registry.Provider, err error) {
	err = s.readTogether(ctx, workspace, func(db *gorm.DB) error {
		p, err = oneProvider(db, id)
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
		p, err = oneProvider(db, id)
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

func oneProvider(db *gorm.DB, id string) (registry.Provider, error) {
	row, err := findProviderRow(db, id)
	if err != nil {
		return registry.Provider{}, err
	}
	providers, err := withParts(db, []providerRow{row})
	if err != nil {
		return registry.Provider{}, err
	}
	return providers[0], nil
}

// withParts maps rows to providers with their credentials and models.
func withParts(db *gorm.DB, rows []providerRow) ([]registry.Provider, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	providers, ids, index := make([]registry.Provider, len(rows)), make([]string, len(rows)), make(map[string]int, len(rows))
	for i, row := range rows {
		p, err := row.provider()
		if err != nil {
			return nil, err
		}
		providers[i], ids[i], index[row.ID] = p, row.ID, i
	}
	var credentials []credentialRow
	if err := db.Where("provider_id IN ?", ids).Find(&credentials).Error; err != nil {
		return nil, err
	}
	for _, row := range credentials {
		providers[index[row.ProviderID]].Credentials[row.Field] = row.credential()
	}
	// Sorted here: SQLite would rather read all models along an index.
	var models []modelRow
	if err := db.Where("provider_id IN ?", ids).Find(&models).Error; err != nil {
		return nil, err
	}
	slices.SortFunc(models, func(a, b modelRow) int {
		return cmp.Or(cmp.Compare(a.Created, b.Created), strings.Compare(a.ID, b.ID))
	})
	for _, row := range models {
		p := &providers[index[row.ProviderID]]
		p.Models = append(p.Models, row.model())
	}
	return providers, nil
}

// CreateProvider implements [registry.Store].
func (s *Store) CreateProvider(ctx context.Context, p registry.Provider) error {
	row, models, err := rowsOf(p)
	if err != nil {
		return err
	}
	return s.write(ctx, p.Workspace, func(ctx context.Context, db *gorm.DB) error {
		if err := s.translate(ctx, db.Create(&row).Error); err != nil {
			return asDuplicate(err, nameTaken(p.Name))
		}
		if err := s.writeCredentials(ctx, db, nil, credentialRows(p)); err != nil {
			return err
		}
		return s.writeModels(ctx, db, nil, models)
	})
}

func rowsOf(p registry.Provider) (providerRow, []modelRow, error) {
	row, err := newProviderRow(p)
	if err != nil {
		return row, nil, err
	}
	models, err := modelRows(p)
	return row, models, err
}

// UpdateProvider implements [registry.Store]. The transaction must have locked
// the provider.
func (s *Store) UpdateProvider(ctx context.Context, p registry.Provider) error {
	if t := s.transaction(ctx); t == nil || !t.locked[lockedProvider{p.Workspace, p.ID}] {
		return fmt.Errorf("UpdateProvider of provider %s, which the transaction has not locked", p.ID)
	}
	row, models, err := rowsOf(p)
	if err != nil {
		return err
	}
	return s.write(ctx, p.Workspace, func(ctx context.Context, db *gorm.DB) error {
		if err := s.updateProviderRow(ctx, db, row, p.Status()); err != nil {
			return err
		}
		var credentials []credentialRow
		if err := db.Where("provider_id = ?", p.ID).Find(&credentials).Error; err != nil {
			return err
		}
		if err := s.writeCredentials(ctx, db, credentials, credentialRows(p)); err != nil {
			return err
		}
		var storedModels []modelRow
		if err := db.Where("provider_id = ?", p.ID).Find(&storedModels).Error; err != nil {
			return err
		}
		return s.writeModels(ctx, db, storedModels, models)
	})
}

// updateProviderRow writes the row of a provider, and what its models repeat.
func (s *Store) updateProviderRow(ctx context.Context, db *gorm.DB, row providerRow, status registry.Status) error {
	update := db.Model(&providerRow{}).Where("id = ?", row.ID).Select("*").Omit("Workspace", "ID").Updates(&row)
	if err := s.translate(ctx, update.Error); err != nil {
		return asDuplicate(err, nameTaken(row.Name))
	}
	if update.RowsAffected == 0 {
		return notFound("provider", row.ID)
	}
	return db.Model(&modelRow{}).
		Where("provider_id = ? AND (provider_name <> ? OR provider_type <> ? OR provider_status <> ?)", row.ID, row.Name, row.Type, status).
		Updates(map[string]any{"provider_name": row.Name, "provider_type": row.Type, "provider_status": status}).Error
}

// DeleteProvider implements [registry.Store]. Credentials and models go with
// the provider by their foreign keys.
func (s *Store) DeleteProvider(ctx context.Context, workspace, id string) error {
	return s.write(ctx, workspace, func(_ context.Context, db *gorm.DB) error {
		deleted := db.Where("id = ?", id).Delete(&providerRow{})
		if deleted.Error == nil && deleted.RowsAffected == 0 {
			return notFound("provider", id)
		}
		return deleted.Error
	})
}

func nameTaken(name string) *fault.Error {
	return fault.New(fault.NameTaken, "A provider named %q exists already (upper and lower case count as the same). Choose another name.", name)
}
