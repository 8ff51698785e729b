package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"modelproviders/pkg/registry"
)

// providerRow is a row of providers.
type providerRow struct {
	registry.Provider
	errorKind, errorMessage, errorModelID *string
	errorSince                            *moment
	credentials, config                   []byte
}

// providerColumns are the columns that [providerRow.fields] reads.
const providerColumns = `p.id, p.name, p.name_key, p.type, p.enabled, p.error_kind, p.error_message, p.error_model_id, p.error_since,
	p.credentials, p.config, p.version, p.connection, p.created_at, p.updated_at`

func (row *providerRow) fields() []any {
	p := &row.Provider
	return []any{&p.ID, &p.Name, &p.NameKey, &p.Type, &p.Enabled, &row.errorKind, &row.errorMessage, &row.errorModelID, &row.errorSince,
		&row.credentials, &row.config, &p.Version, &p.Connection, (*moment)(&p.CreatedAt), (*moment)(&p.UpdatedAt)}
}

// factColumns are the columns of its provider that a model needs;
// [providerRow.facts] reads them.
const factColumns = `p.name, p.type, p.enabled, p.error_kind, p.connection`

func (row *providerRow) facts() []any {
	p := &row.Provider
	return []any{&p.Name, &p.Type, &p.Enabled, &row.errorKind, &p.Connection}
}

// sealedCredential is one credential in the column credentials. Credentials are
// always read and written with their provider, so they are part of its row.
type sealedCredential struct {
	Sealed    []byte    `json:"sealed"`
	UpdatedAt time.Time `json:"updated_at"`
}

// encodedSettings are a provider's credentials and config as JSON.
func encodedSettings(p registry.Provider) (credentials, config string) {
	sealed := make(map[string]sealedCredential, len(p.Credentials))
	for field, c := range p.Credentials {
		sealed[field] = sealedCredential{Sealed: c.Sealed, UpdatedAt: millis(c.UpdatedAt)}
	}
	config = "{}"
	if len(p.Config) > 0 {
		config = encoded(p.Config)
	}
	return encoded(sealed), config
}

// provider maps a row of a workspace to a provider without models.
func (row providerRow) provider(workspace string) (registry.Provider, error) {
	p := row.Provider
	p.Workspace = workspace
	if row.errorKind != nil {
		p.Error = &registry.ProviderError{Kind: *row.errorKind, Message: *row.errorMessage, ModelID: *row.errorModelID, Since: time.Time(*row.errorSince)}
	}
	var sealed map[string]sealedCredential
	if err := json.Unmarshal(row.credentials, &sealed); err != nil {
		return p, fmt.Errorf("decode the credentials of provider %s: %w", p.ID, err)
	}
	p.Credentials = make(map[string]registry.Credential, len(sealed))
	for field, c := range sealed {
		p.Credentials[field] = registry.Credential{Sealed: c.Sealed, UpdatedAt: c.UpdatedAt.UTC()}
	}
	if err := json.Unmarshal(row.config, &p.Config); err != nil {
		return p, fmt.Errorf("decode the config of provider %s: %w", p.ID, err)
	}
	return p, nil
}

// findProvider reads a provider in the first row, and a model in each of the
// others. A join would repeat the provider, with up to 20 KiB of credentials, for
// each of up to 500 models.
var findProvider = `SELECT 0, ` + providerColumns + `, ` + nulls(modelColumns) + ` FROM providers p WHERE p.workspace = $1 AND p.id = $2
	UNION ALL
	SELECT 1, ` + nulls(providerColumns) + `, ` + modelColumns + ` FROM models m WHERE m.workspace = $1 AND m.provider_id = $2
	ORDER BY 1`

// nulls is a NULL for each of some columns.
func nulls(columns string) string {
	return strings.Repeat("NULL, ", strings.Count(columns, ",")) + "NULL"
}

// Provider implements [registry.Store].
func (s *Store) Provider(ctx context.Context, workspace, id string) (p registry.Provider, err error) {
	var row providerRow
	var model modelRow
	unused := func(columns int) []any { return slices.Repeat([]any{new(any)}, columns) }
	first := slices.Concat(unused(1), row.fields(), unused(len(model.fields())))
	next := slices.Concat(unused(1+len(row.fields())), model.fields())
	err = s.rows(ctx, findProvider, []any{workspace, id}, func(rows *sql.Rows) error {
		if p.ID == "" {
			if err := rows.Scan(first...); err != nil {
				return err
			}
			p, err = row.provider(workspace)
			return err
		}
		err := rows.Scan(next...)
		p.Models = append(p.Models, model.model(p.Connection))
		return err
	})
	if err == nil && p.ID == "" {
		err = notFound("provider", id)
	}
	sortByCreation(p.Models)
	return p, err
}

// LockProvider implements [registry.Store]. It works in a transaction only. The
// models are read after the lock is held: read together with the provider, they
// could be older than it.
func (s *Store) LockProvider(ctx context.Context, workspace, id string) (registry.Provider, error) {
	t := s.transaction(ctx)
	if t == nil {
		return registry.Provider{}, errors.New("LockProvider outside a transaction locks nothing")
	}
	var row providerRow
	err := s.one(ctx, `SELECT `+providerColumns+` FROM providers p WHERE p.workspace = $1 AND p.id = $2`+s.engine.forUpdate,
		workspace, "provider", id, row.fields())
	if err != nil {
		return registry.Provider{}, err
	}
	t.locked[lockedProvider{workspace, id}] = true
	p, err := row.provider(workspace)
	if err != nil {
		return p, err
	}
	one := []registry.Provider{p}
	err = s.addModels(ctx, workspace, one)
	return one[0], err
}
