package store

import (
	"context"
	"errors"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// rateLimitRow is a row of rate_limits.
type rateLimitRow struct {
	Bucket []byte `gorm:"primaryKey"`
	FullAt int64  // Unix microseconds
}

// TableName names the table to GORM.
func (rateLimitRow) TableName() string { return "rate_limits" }

// slotRow is a row of slots.
type slotRow struct {
	ID      string `gorm:"primaryKey"`
	Bucket  []byte
	Expires moment `gorm:"column:expires_at"`
}

// TableName names the table to GORM.
func (slotRow) TableName() string { return "slots" }

// errInTransaction says that a limit was to be undone with a transaction.
var errInTransaction = errors.New("what is taken from a limit in a transaction would be given back if that failed")

// TakeRate implements [auth.LimitStore], by the generic cell rate algorithm: a
// bucket is the moment when it will be full, and taking one moves that by an
// interval. One statement looks and takes, so that callers on any number of
// replicas count together. It refuses to be part of a transaction.
func (s *Store) TakeRate(ctx context.Context, bucket string, interval time.Duration, burst int, now time.Time) (time.Duration, error) {
	if s.transaction(ctx) != nil {
		return 0, errInTransaction
	}
	step, present := interval.Microseconds(), now.UnixMicro()
	// Later than this, the bucket is empty: it takes burst intervals to fill.
	latest := present + int64(burst-1)*step
	row := rateLimitRow{Bucket: digest(bucket), FullAt: present + step}
	wait := time.Duration(0)
	err := s.alone(ctx, func(db *gorm.DB) error {
		taken := db.Clauses(clause.OnConflict{
			Columns: []clause.Column{{Name: "bucket"}},
			Where:   clause.Where{Exprs: []clause.Expression{clause.Expr{SQL: "rate_limits.full_at <= ?", Vars: []any{latest}}}},
			DoUpdates: clause.Assignments(map[string]any{
				"full_at": gorm.Expr("CASE WHEN rate_limits.full_at > ? THEN rate_limits.full_at ELSE ? END + ?", present, present, step),
			}),
		}).Create(&row)
		if taken.Error != nil || taken.RowsAffected > 0 {
			return taken.Error
		}
		var held []rateLimitRow
		err := db.Where("bucket = ?", row.Bucket).Find(&held).Error
		wait = time.Microsecond // it was refused, even if the bucket has filled by now
		if len(held) > 0 {
			wait = max(wait, time.Duration(held[0].FullAt-latest)*time.Microsecond)
		}
		return err
	})
	return wait, err
}

// alone runs fn, each of whose statements is a transaction by itself. Outside a
// transaction only.
func (s *Store) alone(ctx context.Context, fn func(db *gorm.DB) error) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if err := s.engine.present(); err != nil {
		return unavailable(err, away)
	}
	return s.translate(ctx, fn(s.engine.writer.WithContext(ctx)))
}

// TakeSlot implements [auth.LimitStore]. It refuses to be part of a transaction.
func (s *Store) TakeSlot(ctx context.Context, bucket, id string, limit int, now, expires time.Time) (taken bool, err error) {
	if s.transaction(ctx) != nil {
		return false, errInTransaction
	}
	row := slotRow{ID: id, Bucket: digest(bucket), Expires: newMoment(expires)}
	err = s.InTx(ctx, func(ctx context.Context) error {
		taken = false
		if err := s.lockNamed(ctx, "slots", bucket); err != nil {
			return err
		}
		db := s.transaction(ctx).db.WithContext(ctx)
		var held int64
		err := db.Model(&slotRow{}).Where("bucket = ? AND expires_at > ?", row.Bucket, newMoment(now)).Count(&held).Error
		if err == nil && held < int64(limit) {
			taken = true
			err = db.Create(&row).Error
		}
		return s.translate(ctx, err)
	})
	return taken && err == nil, err
}

// ReturnSlot implements [auth.LimitStore].
func (s *Store) ReturnSlot(ctx context.Context, id string) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		db := s.transaction(ctx).db.WithContext(ctx)
		return s.translate(ctx, db.Where("id = ?", id).Delete(&slotRow{}).Error)
	})
}

// DropLimits implements [auth.LimitStore].
func (s *Store) DropLimits(ctx context.Context, now time.Time) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		db := s.transaction(ctx).db.WithContext(ctx)
		err := db.Where("full_at <= ?", now.UnixMicro()).Delete(&rateLimitRow{}).Error
		if err == nil {
			err = db.Where("expires_at <= ?", newMoment(now)).Delete(&slotRow{}).Error
		}
		return s.translate(ctx, err)
	})
}
