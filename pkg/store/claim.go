package store

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"modelproviders/pkg/fault"
)

// claimRow is a row of claims. It belongs to no workspace.
type claimRow struct {
	Name  string `gorm:"primaryKey"`
	Value []byte
}

// TableName names the table to GORM.
func (claimRow) TableName() string { return "claims" }

// Claim implements [auth.Store].
func (s *Store) Claim(ctx context.Context, name string, value []byte) ([]byte, error) {
	var held claimRow
	err := s.InTx(ctx, func(ctx context.Context) error {
		db := s.transaction(ctx).db.WithContext(ctx)
		// On PostgreSQL this waits for another transaction that claims the name.
		err := db.Clauses(clause.OnConflict{DoNothing: true}).Create(&claimRow{Name: name, Value: value}).Error
		if err == nil {
			err = db.Where("name = ?", name).Take(&held).Error
		}
		return s.translate(ctx, err)
	})
	return held.Value, err
}

// Claimed returns what is stored under a claimed name. It returns not_found.
func (s *Store) Claimed(ctx context.Context, name string) ([]byte, error) {
	var held []claimRow
	err := s.query(ctx, func(ctx context.Context, db *gorm.DB) error {
		return db.WithContext(ctx).Where("name = ?", name).Find(&held).Error
	})
	if err == nil && len(held) == 0 {
		err = fault.New(fault.NotFound, "Nothing has claimed %q.", name)
	}
	if err != nil {
		return nil, err
	}
	return held[0].Value, nil
}
