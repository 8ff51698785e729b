package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

// SealingKeys implements [registry.KeyStore].
func (s *Store) SealingKeys(ctx context.Context) ([]registry.SealingKey, error) {
	var row registry.SealingKey
	var promoted, retired *moment
	const query = `SELECT id, added_at, promoted_at, retired_at, sealing FROM sealing_keys ORDER BY added_at, id`
	fields := []any{&row.ID, (*moment)(&row.AddedAt), &promoted, &retired, &row.Sealing}
	return list(ctx, s, query, nil, fields, func() registry.SealingKey {
		row.PromotedAt, row.RetiredAt = timeOf(promoted), timeOf(retired)
		return row
	})
}

// SealingKey implements [registry.KeyStore].
func (s *Store) SealingKey(ctx context.Context) (uint32, error) {
	return known(s.sealingKey(ctx, ""))
}

// sealingKey reads the id of the sealing key; 0 if there is none. It locks its row, unless
// lock is empty. A query that waited for the lock does not find the row if another key was
// promoted meanwhile, so it is repeated.
func (s *Store) sealingKey(ctx context.Context, lock string) (id uint32, err error) {
	for range maxAttempts {
		found, err := s.one(ctx, `SELECT id FROM sealing_keys WHERE sealing`+lock, nil, &id)
		if found || err != nil {
			return id, err
		}
	}
	return 0, nil
}

func known(id uint32, err error) (uint32, error) {
	if err == nil && id == 0 {
		err = fault.New(fault.Internal, "The database does not say which key encrypts new values. Start the service again.")
	}
	return id, err
}

// FirstSealingKeys implements [registry.KeyStore]. A second sealing key would violate an
// index, so only one of several transactions adds keys.
func (s *Store) FirstSealingKeys(ctx context.Context, sealing uint32, ids []uint32) error {
	now := s.engine.secondsAgo(0)
	add := `INSERT INTO sealing_keys (id, added_at, promoted_at, sealing) VALUES ($1, ` + now + `, ` + now + `, $2) ON CONFLICT DO NOTHING`
	return s.InTx(ctx, func(ctx context.Context) error {
		first, err := s.exec(ctx, add, int64(sealing), true)
		if err != nil || first == 0 {
			return err
		}
		for _, id := range ids {
			if _, err := s.exec(ctx, add, int64(id), false); err != nil {
				return err
			}
		}
		return nil
	})
}

// AddSealingKey implements [registry.KeyStore].
func (s *Store) AddSealingKey(ctx context.Context, id uint32) error {
	add := `INSERT INTO sealing_keys (id, added_at, sealing) VALUES ($1, ` + s.engine.secondsAgo(0) + `, $2) ON CONFLICT DO NOTHING`
	_, err := s.together(ctx, statement{add, []any{int64(id), false}})
	return err
}

// LockSealingKey implements [registry.KeyStore].
func (s *Store) LockSealingKey(ctx context.Context) (uint32, error) {
	if s.transaction(ctx) == nil {
		return 0, errors.New("LockSealingKey outside a transaction locks nothing")
	}
	if s.engine.lockSealingKeys != "" {
		if _, err := s.exec(ctx, s.engine.lockSealingKeys); err != nil {
			return 0, err
		}
	}
	return known(s.sealingKey(ctx, s.engine.forUpdate))
}

// seals is the condition that the key in a parameter seals, or is 0. On PostgreSQL it also
// locks that key's row, so that no other key can be promoted until the transaction ends.
func (d dialect) seals(parameter int) string {
	key := fmt.Sprintf("CAST($%d AS bigint)", parameter)
	return "(" + key + " = 0 OR EXISTS (SELECT 1 FROM sealing_keys WHERE sealing AND id = " + key + d.forShare + "))"
}

// newKey returns the key of the credentials that are not stored yet; 0 if there are none.
// It returns [registry.ErrKeyChanged] if they have several.
func newKey(p registry.Provider) (key uint32, err error) {
	for _, c := range p.Credentials {
		if key != 0 && c.Key != 0 && c.Key != key {
			return 0, keyChanged()
		}
		key = max(key, c.Key)
	}
	return key, nil
}

func keyChanged() error {
	return retryable(registry.ErrKeyChanged, time.Second, "The encryption key was changed at the same time. Try again in a second.")
}

// PromoteKey implements [registry.KeyStore].
func (s *Store) PromoteKey(ctx context.Context, id uint32) error {
	if err := s.AddSealingKey(ctx, id); err != nil {
		return err
	}
	if _, err := s.exec(ctx, `UPDATE sealing_keys SET sealing = $1 WHERE sealing`, false); err != nil {
		return err
	}
	_, err := s.exec(ctx, `UPDATE sealing_keys SET sealing = $2, promoted_at = `+s.engine.secondsAgo(0)+` WHERE id = $1`, int64(id), true)
	return err
}

// RetireKey implements [registry.KeyStore].
func (s *Store) RetireKey(ctx context.Context, id uint32) error {
	changed, err := s.exec(ctx, `UPDATE sealing_keys SET retired_at = `+s.engine.secondsAgo(0)+` WHERE id = $1 AND NOT sealing`, int64(id))
	if err == nil && changed == 0 {
		err = fault.New(fault.Conflict, "The key %d is not in the database, or it is the one that encrypts new values.", id)
	}
	return err
}
