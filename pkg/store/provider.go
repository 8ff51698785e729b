package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"modelproviders/pkg/registry"
)

// providerRow is a row of providers.
type providerRow struct {
	registry.Provider
	credentials, config                   string // JSON
	errorKind, errorMessage, errorModelID *string
	errorSince                            *moment
}

// created are the columns that are written once.
func (row *providerRow) created() columns {
	p := &row.Provider
	return columns{{"workspace", &p.Workspace}, {"id", &p.ID}, {"type", &p.Type}, {"created_at", (*moment)(&p.CreatedAt)}}
}

// edited are the columns that edits write.
func (row *providerRow) edited() columns {
	p := &row.Provider
	return columns{
		{"name", &p.Name}, {"name_key", &p.NameKey}, {"enabled", &p.Enabled}, {"credentials", &row.credentials}, {"config", &row.config},
		{"version", &p.Version}, {"connection", &p.Connection}, {"updated_at", (*moment)(&p.UpdatedAt)},
	}
}

// health are the columns that calls to the upstream write.
func (row *providerRow) health() columns {
	return columns{{"error_kind", &row.errorKind}, {"error_message", &row.errorMessage}, {"error_model_id", &row.errorModelID}, {"error_since", &row.errorSince}}
}

func (row *providerRow) columns() columns {
	return slices.Concat(row.created(), row.edited(), row.health())
}

// shown are the columns that a model needs of its provider.
func (row *providerRow) shown() columns {
	p := &row.Provider
	return columns{{"name", &p.Name}, {"type", &p.Type}, {"enabled", &p.Enabled}, {"error_kind", &row.errorKind}, {"connection", &p.Connection}}
}

var (
	providerColumns = new(providerRow).columns().names("p")
	shownColumns    = new(providerRow).shown().names("p")
)

// sealedCredential is one credential in the column credentials. Credentials are
// always read and written with their provider, so they are part of its row.
type sealedCredential struct {
	Sealed    []byte    `json:"sealed"`
	UpdatedAt time.Time `json:"updated_at"`
}

// newProviderRow maps a provider to its row, without what calls to it observed.
func newProviderRow(p registry.Provider) *providerRow {
	sealed := make(map[string]sealedCredential, len(p.Credentials))
	for field, c := range p.Credentials {
		sealed[field] = sealedCredential{Sealed: c.Sealed, UpdatedAt: millis(c.UpdatedAt)}
	}
	row := &providerRow{Provider: p, credentials: encoded(sealed), config: "{}"}
	if len(p.Config) > 0 {
		row.config = encoded(p.Config)
	}
	return row
}

// provider maps a row to a provider without models.
func (row providerRow) provider() (registry.Provider, error) {
	p := row.Provider
	if row.errorKind != nil {
		p.Error = &registry.ProviderError{Kind: *row.errorKind, Message: *row.errorMessage, ModelID: *row.errorModelID, Since: time.Time(*row.errorSince)}
	}
	var sealed map[string]sealedCredential
	if err := json.Unmarshal([]byte(row.credentials), &sealed); err != nil {
		return p, fmt.Errorf("decode the credentials of provider %s: %w", p.ID, err)
	}
	p.Credentials = make(map[string]registry.Credential, len(sealed))
	for field, c := range sealed {
		p.Credentials[field] = registry.Credential{Sealed: c.Sealed, UpdatedAt: c.UpdatedAt.UTC()}
	}
	if err := json.Unmarshal([]byte(row.config), &p.Config); err != nil {
		return p, fmt.Errorf("decode the config of provider %s: %w", p.ID, err)
	}
	return p, nil
}

// findProvider reads a provider in the first row, and a model in each of the
// others. A join would repeat the provider, with up to 20 KiB of credentials, for
// each of up to 500 models.
var findProvider = `SELECT 0, ` + providerColumns + `, ` + new(modelRow).columns().nulls() + ` FROM providers p WHERE p.workspace = $1 AND p.id = $2
	UNION ALL
	SELECT 1, ` + new(providerRow).columns().nulls() + `, ` + modelColumns + ` FROM models m WHERE m.workspace = $1 AND m.provider_id = $2
	ORDER BY 1`

// Provider implements [registry.Store].
func (s *Store) Provider(ctx context.Context, workspace, id string) (p registry.Provider, err error) {
	var row providerRow
	var model modelRow
	unused := func(cs columns) []any { return slices.Repeat([]any{new(any)}, len(cs)) }
	first := slices.Concat([]any{new(any)}, row.columns().fields(), unused(model.columns()))
	others := slices.Concat([]any{new(any)}, unused(row.columns()), model.columns().fields())
	fields := first
	err = s.each(ctx, findProvider, []any{workspace, id}, fields, func() error {
		if p.ID == "" {
			p, err = row.provider()
			copy(fields, others)
			return err
		}
		p.Models = append(p.Models, model.model(p.Connection))
		return nil
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
	found, err := s.one(ctx, `SELECT `+providerColumns+` FROM providers p WHERE p.workspace = $1 AND p.id = $2`+s.engine.forUpdate,
		[]any{workspace, id}, row.columns().fields()...)
	if err == nil && !found {
		err = notFound("provider", id)
	}
	if err != nil {
		return registry.Provider{}, err
	}
	t.locked[lockedProvider{workspace, id}] = true
	p, err := row.provider()
	if err != nil {
		return p, err
	}
	one := []registry.Provider{p}
	err = s.addModels(ctx, workspace, one)
	return one[0], err
}
