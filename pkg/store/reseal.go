package store

import (
	"cmp"
	"context"
	"encoding/json"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

// SealedProviders implements [registry.KeyStore].
func (s *Store) SealedProviders(ctx context.Context, workspace, after string, limit int) ([]registry.SealedProvider, error) {
	c := where("p", workspace)
	c.and("p.id > ?", after)
	var row providerRow
	query := "SELECT " + providerNames + " FROM providers p" + c.text.String() + " ORDER BY p.id LIMIT " + c.args.add(limit)
	return list(ctx, s, query, c.args, row.columns().fields(), func() registry.SealedProvider {
		p, unreadable := row.provider()
		return registry.SealedProvider{Provider: p, Stored: row.credentials, Err: unreadable}
	})
}

const (
	resealCredentials = `UPDATE providers SET credentials = $4 WHERE workspace = $1 AND id = $2 AND credentials = $3`
	resealClaim       = `UPDATE claims SET value = $3 WHERE name = $1 AND value = $2`

	// resealAll is resealCredentials of many rows, in one round trip to PostgreSQL.
	resealAll = `UPDATE providers p SET credentials = e.after
		FROM jsonb_to_recordset($1::jsonb) AS e(workspace text, id uuid, before jsonb, after jsonb)
		WHERE p.workspace = e.workspace AND p.id = e.id AND p.credentials = e.before RETURNING CAST(p.id AS text)`
)

// Reseal implements [registry.KeyStore]. Rows are written in the order in which they
// are passed, so that two calls with rows in the same order seldom deadlock.
func (s *Store) Reseal(ctx context.Context, key uint32, rows ...registry.Resealed) (written int, err error) {
	err = s.InOwnTx(ctx, func(ctx context.Context) error {
		written = 0
		if sealing, err := s.sealingKey(ctx, s.engine.forShare); err != nil || sealing != key {
			return cmp.Or(err, error(fault.New(fault.Conflict, "The key %d was promoted meanwhile. Reseal again, with this key.", sealing)))
		}
		var together []map[string]any
		values := map[string]int{} // by provider
		for _, row := range rows {
			p, after := row.After, newProviderRow(row.After).credentials
			update, args := resealCredentials, []any{p.Workspace, p.ID, row.Before.Stored, after}
			switch {
			case row.Claim != "":
				update, args = resealClaim, []any{row.Claim, row.Old, row.New}
			case s.engine.combines:
				values[p.ID] = row.Values
				together = append(together, map[string]any{"workspace": p.Workspace, "id": p.ID,
					"before": json.RawMessage(row.Before.Stored), "after": json.RawMessage(after)})
				continue
			}
			changed, err := s.exec(ctx, update, args...)
			if err != nil {
				return err
			}
			if changed > 0 {
				written += row.Values
			}
		}
		if len(together) == 0 {
			return nil
		}
		var id string
		return s.each(ctx, resealAll, []any{encoded(together)}, []any{&id}, func() error {
			written += values[id]
			return nil
		})
	})
	return written, err
}
