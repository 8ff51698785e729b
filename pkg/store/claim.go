package store

import (
	"context"

	"modelproviders/pkg/fault"
)

// Claim implements [auth.Store].
func (s *Store) Claim(ctx context.Context, name string, value []byte) (held []byte, err error) {
	err = s.InTx(ctx, func(ctx context.Context) error {
		// On PostgreSQL this waits for other transactions that claim the name.
		if _, err := s.exec(ctx, `INSERT INTO claims (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING`, name, value); err != nil {
			return err
		}
		held, err = s.Claimed(ctx, name)
		return err
	})
	return held, err
}

// Claimed returns what is stored under a claimed name. It returns not_found.
func (s *Store) Claimed(ctx context.Context, name string) (held []byte, err error) {
	found, err := s.one(ctx, `SELECT value FROM claims WHERE name = $1`, []any{name}, &held)
	if err == nil && !found {
		err = fault.New(fault.NotFound, "Nothing has claimed %q.", name)
	}
	return held, err
}
