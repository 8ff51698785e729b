package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

// repeatableRow is a row of idempotency_keys. While the request runs, status, header
// and body are NULL.
type repeatableRow struct {
	Workspace string `gorm:"primaryKey"`
	Key       []byte `gorm:"primaryKey"`
	BodyMAC   []byte
	Owner     string
	Expires   moment `gorm:"column:expires_at"`
	Status    *int
	Header    *string
	Body      []byte
}

// TableName names the table to GORM.
func (repeatableRow) TableName() string { return "idempotency_keys" }

// keyOf names a request within its workspace.
func keyOf(key registry.IdempotencyKey) []byte {
	return digest(key.Principal, key.Method, key.Path, key.Key)
}

// newRepeatableRow maps a request to its row.
func newRepeatableRow(r registry.Repeatable) (repeatableRow, error) {
	row := repeatableRow{
		Workspace: r.Workspace, Key: keyOf(r.IdempotencyKey), BodyMAC: r.BodyMAC, Owner: r.Owner, Expires: newMoment(r.Expires),
	}
	if r.Answer != nil {
		header, err := json.Marshal(r.Answer.Header)
		if err != nil {
			return row, fmt.Errorf("encode the header of an answer: %w", err)
		}
		text := string(header)
		row.Status, row.Header, row.Body = &r.Answer.Status, &text, r.Answer.Body
	}
	return row, nil
}

// repeatable maps a row to the request with that key.
func (row repeatableRow) repeatable(key registry.IdempotencyKey) (registry.Repeatable, error) {
	r := registry.Repeatable{IdempotencyKey: key, BodyMAC: row.BodyMAC, Owner: row.Owner, Expires: row.Expires.Time}
	if row.Status == nil {
		return r, nil
	}
	r.Answer = &registry.Answer{Status: *row.Status, Body: row.Body}
	if err := json.Unmarshal([]byte(*row.Header), &r.Answer.Header); err != nil {
		return r, fmt.Errorf("decode the header of an answer: %w", err)
	}
	return r, nil
}

// claimKey takes a key that nobody holds, or whose holder's time is up at $6.
const claimKey = `INSERT INTO idempotency_keys (workspace, key, body_mac, owner, expires_at) VALUES ($1, $2, $3, $4, $5)
	ON CONFLICT (workspace, key) DO UPDATE SET body_mac = excluded.body_mac, owner = excluded.owner, expires_at = excluded.expires_at,
	status = NULL, header = NULL, body = NULL WHERE idempotency_keys.expires_at <= $6`

// BeginRepeatable implements [registry.IdempotencyStore]. One statement looks
// and takes; of several at once, the database makes all but one wait and see
// that one's row.
func (s *Store) BeginRepeatable(ctx context.Context, r registry.Repeatable, now time.Time) (registry.Repeatable, error) {
	key := keyOf(r.IdempotencyKey)
	for {
		claimed, err := s.together(ctx, statement{claimKey, []any{r.Workspace, key, r.BodyMAC, r.Owner, newMoment(r.Expires), newMoment(now)}})
		if err != nil || claimed > 0 {
			return r, err
		}
		var held []repeatableRow
		err = s.read(ctx, r.Workspace, func(db *gorm.DB) error { return db.Where("key = ?", key).Find(&held).Error })
		if err != nil {
			return registry.Repeatable{}, err
		}
		if len(held) > 0 { // else it was given up meanwhile
			return held[0].repeatable(r.IdempotencyKey)
		}
	}
}

// FinishRepeatable implements [registry.IdempotencyStore].
func (s *Store) FinishRepeatable(ctx context.Context, r registry.Repeatable) error {
	row, err := newRepeatableRow(r)
	if err != nil {
		return err
	}
	return s.write(ctx, r.Workspace, func(_ context.Context, db *gorm.DB) error {
		update := db.Model(&repeatableRow{}).Where("key = ? AND owner = ? AND status IS NULL", row.Key, row.Owner).
			Select("Expires", "Status", "Header", "Body").Updates(&row)
		if update.Error == nil && update.RowsAffected == 0 {
			return fault.New(fault.Conflict, "The request took too long: its Idempotency-Key was given to another.")
		}
		return update.Error
	})
}

// AbandonRepeatable implements [registry.IdempotencyStore].
func (s *Store) AbandonRepeatable(ctx context.Context, r registry.Repeatable) error {
	return s.write(ctx, r.Workspace, func(_ context.Context, db *gorm.DB) error {
		return db.Where("key = ? AND owner = ? AND status IS NULL", keyOf(r.IdempotencyKey), r.Owner).Delete(&repeatableRow{}).Error
	})
}

// dropBatch is how many rows a transaction clears away at most, so that others
// don't wait for it long.
const dropBatch = 500

// DropRepeatables implements [registry.IdempotencyStore], for all workspaces.
func (s *Store) DropRepeatables(ctx context.Context, now time.Time) error {
	for {
		var dropped int64
		err := s.InOwnTx(ctx, func(ctx context.Context) error {
			db := across(ctx, s.transaction(ctx).db)
			expired := db.Model(&repeatableRow{}).Select("workspace", "key").Where("expires_at <= ?", newMoment(now)).Limit(dropBatch)
			drop := db.Where("(workspace, key) IN (?)", expired).Delete(&repeatableRow{})
			dropped = drop.RowsAffected
			return s.translate(ctx, drop.Error)
		})
		if err != nil || dropped < dropBatch {
			return err
		}
	}
}
