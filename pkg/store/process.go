package store

import (
	"context"
	"encoding/json"
	"fmt"

	"modelproviders/pkg/registry"
)

// Beat stores that a process is alive, with the keys that it has loaded. It returns the
// number of processes, including this one, that called Beat in the last 15 seconds, by
// the clock of the database, and the key that seals; 0 if there is none. It removes those
// that have not called it for a minute, unless another process is doing so, because the
// two could deadlock. The first call also marks the SQLite file; see [warnOfCopy].
//
// It waits for a transaction that promotes a key. So either that transaction sees this
// process, or this process sees the new key.
func (s *Store) Beat(ctx context.Context, p registry.Process) (alive int, sealing uint32, err error) {
	ago := s.engine.secondsAgo
	steps := []statement{
		{`INSERT INTO processes (id, seen_at, host, key_ids) VALUES ($1, ` + ago(0) + `, $2, $3)
			ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, key_ids = excluded.key_ids`, []any{p.ID, p.Host, encoded(p.Keys)}},
		{`DELETE FROM processes WHERE id IN (
			SELECT t.id FROM processes t WHERE t.id <> $1 AND t.seen_at < ` + ago(60) + s.engine.skipLocked + `)`, []any{p.ID}},
		{`SELECT 1 + count(*) FROM processes WHERE id <> $1 AND seen_at > ` + ago(15), []any{p.ID}},
	}
	if s.engine.combines {
		steps = []statement{s.combine(steps)}
	}
	last := len(steps) - 1
	err = s.InTx(ctx, func(ctx context.Context) error {
		if _, err := s.execAll(ctx, steps[:last]...); err != nil {
			return err
		}
		if _, err := s.one(ctx, steps[last].sql, steps[last].args, &alive); err != nil {
			return err
		}
		sealing, err = s.sealingKey(ctx, s.engine.forShare)
		return err
	})
	if err == nil && s.engine.batches != nil && !s.beaten.Swap(true) {
		err = s.markInUse(ctx)
	}
	return alive, sealing, err
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

// KeyHolders implements [registry.KeyStore].
func (s *Store) KeyHolders(ctx context.Context) (processes []registry.Process, err error) {
	var row registry.Process
	var keys string
	query := `SELECT CAST(id AS text), host, coalesce(key_ids, '[]') FROM processes WHERE seen_at > ` + s.engine.secondsAgo(30)
	err = s.each(ctx, query, nil, []any{&row.ID, &row.Host, &keys}, func() error {
		row.Keys = nil
		if err := json.Unmarshal([]byte(keys), &row.Keys); err != nil {
			return fmt.Errorf("could not decode the key ids of process %s: %w", row.ID, err)
		}
		processes = append(processes, row)
		return nil
	})
	return processes, err
}
