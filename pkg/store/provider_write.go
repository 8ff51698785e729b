package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

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
