package store

import "context"

// Beat stores that the process with that id, a UUID, is alive. It returns the number
// of processes, including this one, that called Beat in the last 15 seconds, by the
// clock of the database. It removes those that have not called it for a minute,
// unless another process is doing so, because the two could deadlock. The first call
// also marks the SQLite file; see [warnOfCopy].
func (s *Store) Beat(ctx context.Context, id string) (alive int, err error) {
	ago, args := s.engine.secondsAgo, []any{id}
	steps := []statement{
		{`INSERT INTO processes (id, seen_at) VALUES ($1, ` + ago(0) + `) ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at`, args},
		{`DELETE FROM processes WHERE id IN (
			SELECT t.id FROM processes t WHERE t.id <> $1 AND t.seen_at < ` + ago(60) + s.engine.skipLocked + `)`, args},
		{`SELECT 1 + count(*) FROM processes WHERE id <> $1 AND seen_at > ` + ago(15), args},
	}
	if s.engine.combines {
		steps = []statement{s.combine(steps)}
	}
	last := len(steps) - 1
	err = s.InTx(ctx, func(ctx context.Context) error {
		for _, step := range steps[:last] {
			if _, err := s.exec(ctx, step.sql, step.args...); err != nil {
				return err
			}
		}
		_, err := s.one(ctx, steps[last].sql, steps[last].args, &alive)
		return err
	})
	if err == nil && s.engine.batches != nil && !s.beaten.Swap(true) {
		err = s.markInUse(ctx)
	}
	return alive, err
}

// Leave stores that a process is no longer alive.
func (s *Store) Leave(ctx context.Context, id string) error {
	steps := []statement{{`DELETE FROM processes WHERE id = $1`, []any{id}}}
	if s.engine.batches != nil {
		steps = append(steps, statement{unmark, nil})
	}
	_, err := s.together(ctx, steps...)
	return err
}
