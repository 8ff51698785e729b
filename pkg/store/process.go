package store

import (
	"context"
	"database/sql"
)

// Beat stores that the process with that id, a UUID, is alive, and returns how
// many are, this one included: those that called Beat in the last 15 seconds, by
// the clock of the database.
func (s *Store) Beat(ctx context.Context, id string) (alive int, err error) {
	last := len(s.engine.beat) - 1
	err = s.InTx(ctx, func(ctx context.Context) error {
		for _, statement := range s.engine.beat[:last] {
			if _, err := s.exec(ctx, statement, id); err != nil {
				return err
			}
		}
		return s.allRows(ctx, s.engine.beat[last], []any{id}, func(rows *sql.Rows) error { return rows.Scan(&alive) })
	})
	return alive, err
}

// Leave stores that a process is no longer alive.
func (s *Store) Leave(ctx context.Context, id string) error {
	_, err := s.together(ctx, statement{`DELETE FROM processes WHERE id = $1`, []any{id}})
	return err
}
