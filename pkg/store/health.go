package store

import (
	"context"

	"gorm.io/gorm"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

// RecordTest implements [registry.Store]. It takes the provider's lock first,
// as every writer does, so that an edit under way doesn't write an older
// outcome over it, and no two writers wait for each other.
func (s *Store) RecordTest(ctx context.Context, workspace, id, modelID string, connectionVersion int64, last registry.LastTest) error {
	return s.write(ctx, workspace, func(_ context.Context, db *gorm.DB) error {
		row, err := findModelRow(db, id)
		var provider providerRow
		if err == nil {
			provider, err = lockProviderRow(db, row.ProviderID)
		}
		if fault.Is(err, fault.NotFound) || err == nil && provider.Connection != connectionVersion {
			return nil
		}
		if err != nil {
			return err
		}
		row.setLastTest(last)
		return db.Model(&modelRow{}).Where("id = ? AND model_id = ?", id, modelID).
			Select("TestedAt", "TestSuccess", "TestKind", "TestLatencyNs").Updates(&row).Error
	})
}

// RecordHealth implements [registry.Store].
func (s *Store) RecordHealth(ctx context.Context, workspace, id string, connectionVersion int64, health *registry.ProviderError) (recorded bool, err error) {
	err = s.write(ctx, workspace, func(ctx context.Context, db *gorm.DB) error {
		row, err := lockProviderRow(db, id)
		if fault.Is(err, fault.NotFound) || err == nil && row.Connection != connectionVersion {
			recorded = false
			return nil
		}
		if err != nil {
			return err
		}
		recorded = true
		if health == nil && row.ErrorKind == nil {
			return nil // the usual outcome of a test costs no write
		}
		row.setError(health)
		p, err := row.provider()
		if err != nil {
			return err
		}
		return s.updateProviderRow(ctx, db, row, p.Status())
	})
	return recorded && err == nil, err
}
