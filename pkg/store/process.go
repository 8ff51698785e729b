package store

import "context"

// processRow is a row of processes.
type processRow struct {
	ID string `gorm:"primaryKey"`
}

// TableName names the table to GORM.
func (processRow) TableName() string { return "processes" }

// Beat notes that the process with that id, a UUID, is alive, and returns how
// many are, this one included: those that have beaten in the last 15 seconds, by
// the clock of the database.
func (s *Store) Beat(ctx context.Context, id string) (alive int, err error) {
	last := len(s.engine.beat) - 1
	err = s.InTx(ctx, func(ctx context.Context) error {
		pool := s.transaction(ctx).db.Statement.ConnPool
		for _, statement := range s.engine.beat[:last] {
			if _, err := pool.ExecContext(ctx, statement, id); err != nil {
				return s.translate(ctx, err)
			}
		}
		return s.translate(ctx, pool.QueryRowContext(ctx, s.engine.beat[last], id).Scan(&alive))
	})
	return alive, err
}

// Leave notes that a process is no longer alive.
func (s *Store) Leave(ctx context.Context, id string) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		db := s.transaction(ctx).db.WithContext(ctx)
		return s.translate(ctx, db.Where("id = ?", id).Delete(&processRow{}).Error)
	})
}
