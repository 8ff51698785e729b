package store

import (
	"context"
	"encoding/base64"

	"modelproviders/pkg/registry"
)

// ProvidersByHash implements [registry.Store]. It searches the JSON of the credentials for
// the hash, without an index: lookups are rare, and every write would update the index.
func (s *Store) ProvidersByHash(ctx context.Context, workspace string, hash []byte, fn func(registry.Provider) error) error {
	c := where("p", workspace)
	c.and(s.engine.contains+"(CAST(p.credentials AS text), ?) > 0", base64.StdEncoding.EncodeToString(hash))
	var row providerRow
	query := "SELECT " + providerNames + " FROM providers p" + s.engine.indexedBy("providers_created") + c.text.String() + " ORDER BY p.created_at, p.id"
	return s.each(ctx, query, c.args, row.columns().fields(), func() error {
		p, err := row.provider()
		if err != nil {
			return err
		}
		return fn(p)
	})
}
