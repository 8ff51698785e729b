package store

import (
	"cmp"
	"context"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

// SealedProviders implements [registry.SealedStore].
func (s *Store) SealedProviders(ctx context.Context, workspace, after string, limit int) (found []registry.SealedProvider, err error) {
	c := where("p", workspace)
	c.and("p.id > ?", after)
	var row providerRow
	query := "SELECT " + providerNames + " FROM providers p" + c.text.String() + " ORDER BY p.id LIMIT " + c.args.add(limit)
	err = s.each(ctx, query, c.args, row.columns().fields(), func() error {
		p, unreadable := row.provider()
		found = append(found, registry.SealedProvider{Provider: p, Stored: row.credentials, Err: unreadable})
		return nil
	})
	return found, err
}

const (
	resealCredentials = `UPDATE providers SET credentials = $4 WHERE workspace = $1 AND id = $2 AND credentials = $3`
	resealClaim       = `UPDATE claims SET value = $3 WHERE name = $1 AND value = $2`
)

// Reseal implements [registry.SealedStore]. Rows are written in the order in which they
// are passed, so that two calls with rows in the same order do not deadlock.
func (s *Store) Reseal(ctx context.Context, key uint32, rows ...registry.Resealed) (written int, err error) {
	err = s.InOwnTx(ctx, func(ctx context.Context) error {
		written = 0
		if sealing, err := s.sealingKey(ctx, s.engine.forShare); err != nil || sealing != key {
			return cmp.Or(err, error(fault.New(fault.Conflict, "The key %d was promoted meanwhile. Reseal again, with this key.", sealing)))
		}
		for _, row := range rows {
			update, args := resealClaim, []any{row.Claim, row.Old, row.New}
			if row.Claim == "" {
				update = resealCredentials
				args = []any{row.After.Workspace, row.After.ID, row.Before.Stored, newProviderRow(row.After).credentials}
			}
			changed, err := s.exec(ctx, update, args...)
			if err != nil {
				return err
			}
			if changed > 0 {
				written += row.Values
			}
		}
		return nil
	})
	return written, err
}
