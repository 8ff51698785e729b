package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"modelproviders/pkg/registry"
)

// The hashes of a provider's credentials are a JSON object: base64 by field. They are
// valid while hashed_connection equals connection: an earlier version of the program,
// which knows nothing of them, changes only the latter when it replaces a credential.
const unhashed = "p.hashed_connection IS DISTINCT FROM p.connection"

// setHashes sets the hashes if every credential has one.
func (row *providerRow) setHashes() {
	hashes := make(map[string][]byte, len(row.Credentials))
	for field, c := range row.Credentials {
		if c.Hash == nil {
			return
		}
		hashes[field] = c.Hash
	}
	text := encoded(hashes)
	row.hashes, row.hashedConnection = &text, &row.Connection
}

// hashedProvider is [providerRow.provider] with the hashes of the credentials.
func (row *providerRow) hashedProvider() (registry.Provider, error) {
	p, err := row.provider()
	if err != nil || row.hashedConnection == nil || *row.hashedConnection != row.Connection {
		return p, err
	}
	var hashes map[string][]byte
	if err := json.Unmarshal([]byte(*row.hashes), &hashes); err != nil {
		return p, fmt.Errorf("could not decode the hashes of the credentials of provider %s: %w", p.ID, err)
	}
	for field, c := range p.Credentials {
		c.Hash = hashes[field]
		p.Credentials[field] = c
	}
	return p, nil
}

// ProvidersByHash implements [registry.Store].
func (s *Store) ProvidersByHash(ctx context.Context, workspace string, hash []byte, fn func(registry.Provider) error) error {
	c := where("p", workspace)
	c.and("("+unhashed+" OR "+s.engine.contains+"(p.credential_hashes, ?) > 0)", base64.StdEncoding.EncodeToString(hash))
	return s.eachHashed(ctx, "providers_created", c, " ORDER BY p.created_at, p.id", fn)
}

// UnhashedWorkspaces implements [registry.Store].
func (s *Store) UnhashedWorkspaces(ctx context.Context) ([]string, error) {
	return s.workspacesOf(ctx, "providers p"+s.engine.indexedBy("providers_unhashed"), " AND "+unhashed)
}

// Unhashed implements [registry.Store].
func (s *Store) Unhashed(ctx context.Context, workspace, after string, limit int) (providers []registry.Provider, err error) {
	c := where("p", workspace)
	c.and("p.id > ? AND "+unhashed, after)
	err = s.eachHashed(ctx, "providers_unhashed", c, " ORDER BY p.id LIMIT "+c.args.add(limit), func(p registry.Provider) error {
		providers = append(providers, p)
		return nil
	})
	return providers, err
}

func (s *Store) eachHashed(ctx context.Context, index string, c *conditions, clauses string, fn func(registry.Provider) error) error {
	var row providerRow
	query := "SELECT " + providerNames + " FROM providers p" + s.engine.indexedBy(index) + c.text.String() + clauses
	return s.each(ctx, query, c.args, row.columns().fields(), func() error {
		p, err := row.hashedProvider()
		if err != nil {
			return err
		}
		return fn(p)
	})
}

const storeHashes = `UPDATE providers SET credential_hashes = $4, hashed_connection = $3 WHERE workspace = $1 AND id = $2 AND connection = $3`

// StoreHashes implements [registry.Store].
func (s *Store) StoreHashes(ctx context.Context, providers ...registry.Provider) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		for _, p := range providers {
			if _, err := s.exec(ctx, storeHashes, p.Workspace, p.ID, p.Connection, newProviderRow(p).hashes); err != nil {
				return err
			}
		}
		return nil
	})
}
