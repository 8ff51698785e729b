package store

import (
	"bytes"
	"context"

	"gorm.io/gorm"

	"modelproviders/pkg/registry"
)

// credentialRow is a row of provider_credentials: one sealed value.
type credentialRow struct {
	Workspace  string `gorm:"primaryKey"`
	ProviderID string `gorm:"primaryKey"`
	Field      string `gorm:"primaryKey"`
	Sealed     []byte
	Updated    int64 `gorm:"column:updated_at"`
}

// TableName names the table to GORM.
func (credentialRow) TableName() string { return "provider_credentials" }

// credentialRows maps the credentials of a provider to their rows.
func credentialRows(p registry.Provider) []credentialRow {
	rows := make([]credentialRow, 0, len(p.Credentials))
	for field, c := range p.Credentials {
		rows = append(rows, credentialRow{
			Workspace: p.Workspace, ProviderID: p.ID, Field: field, Sealed: c.Sealed, Updated: toMillis(c.UpdatedAt),
		})
	}
	return rows
}

// credential maps a row to a credential.
func (row credentialRow) credential() registry.Credential {
	return registry.Credential{Sealed: row.Sealed, UpdatedAt: fromMillis(row.Updated)}
}

func (row credentialRow) equal(other credentialRow) bool {
	return bytes.Equal(row.Sealed, other.Sealed) && row.Updated == other.Updated
}

// writeCredentials turns the stored rows of one provider into the wanted ones.
func (s *Store) writeCredentials(ctx context.Context, db *gorm.DB, stored, wanted []credentialRow) error {
	gone, fresh := difference(stored, wanted, func(row credentialRow) string { return row.Field }, credentialRow.equal)
	if len(gone) > 0 {
		remove := db.Where("provider_id = ? AND field IN ?", stored[0].ProviderID, gone).Delete(&credentialRow{})
		if err := s.translate(ctx, remove.Error); err != nil {
			return err
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	return s.translate(ctx, db.Create(&fresh).Error)
}
