package store

import (
	"context"
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
	clonedFrom                            *string
	credentials, config                   string // JSON
	errorKind, errorMessage, errorModelID *string
	errorSince                            *moment
	checkedAt                             *moment // nil: never
	checkKind                             *string // nil: success
	checkBy                               *string
	checkConnection                       *int64
}

func (row *providerRow) columns() columns {
	p := &row.Provider
	return columns{
		{"workspace", &p.Workspace, fixed}, {"id", &p.ID, fixed}, {"type", &p.Type, fixed}, {"created_at", (*moment)(&p.CreatedAt), fixed},
		{clonedFrom, &row.clonedFrom, fixed},
		{"name", &p.Name, editable}, {"name_key", &p.NameKey, editable}, {"enabled", &p.Enabled, editable},
		{"credentials", &row.credentials, editable}, {"config", &row.config, editable},
		{"version", &p.Version, editable}, {"connection", &p.Connection, editable}, {"updated_at", (*moment)(&p.UpdatedAt), editable},
		{"error_kind", &row.errorKind, observed}, {"error_message", &row.errorMessage, observed},
		{"error_model_id", &row.errorModelID, observed}, {"error_since", &row.errorSince, observed},
		{"checked_at", &row.checkedAt, observed}, {"check_kind", &row.checkKind, observed},
		{"check_by", &row.checkBy, observed}, {"check_connection", &row.checkConnection, observed},
	}
}

// clonedFrom is read as null if the original was deleted.
const clonedFrom = "cloned_from"

var (
	providerColumns = new(providerRow).columns()
	providerNames   = providerColumns.join(func(c column) string {
		if c.name == clonedFrom {
			return "(SELECT o.id FROM providers o WHERE o.workspace = p.workspace AND o.id = p.cloned_from)"
		}
		return "p." + c.name
	})
	shownNames = new(providerRow).shown().names("p.")
)

// shown are the columns that a model needs of its provider.
func (row *providerRow) shown() columns {
	p := &row.Provider
	return columns{
		{"type", &p.Type, fixed}, {"name", &p.Name, editable}, {"enabled", &p.Enabled, editable},
		{"connection", &p.Connection, editable}, {"error_kind", &row.errorKind, observed},
	}
}

// sealedCredential is one credential in the column credentials. Credentials are
// always read and written with their provider, so they are part of its row.
type sealedCredential struct {
	Sealed    []byte    `json:"sealed"`
	Hash      []byte    `json:"hash"`
	UpdatedAt time.Time `json:"updated_at"`
}

// newProviderRow maps a provider to its row, without the results of calls.
func newProviderRow(p registry.Provider) *providerRow {
	sealed := make(map[string]sealedCredential, len(p.Credentials))
	for field, c := range p.Credentials {
		sealed[field] = sealedCredential{Sealed: c.Sealed, Hash: c.Hash, UpdatedAt: millis(c.UpdatedAt)}
	}
	row := &providerRow{Provider: p, credentials: encoded(sealed), config: "{}"}
	if len(p.Config) > 0 {
		row.config = encoded(p.Config)
	}
	if p.ClonedFrom != "" {
		row.clonedFrom = &p.ClonedFrom
	}
	return row
}

// provider maps a row to a provider without models. It leaves out a check that began with
// another version of the connection.
func (row providerRow) provider() (registry.Provider, error) {
	p := row.Provider
	if row.clonedFrom != nil {
		p.ClonedFrom = *row.clonedFrom
	}
	if row.errorKind != nil {
		p.Error = &registry.ProviderError{Kind: *row.errorKind, Message: *row.errorMessage, ModelID: *row.errorModelID, Since: time.Time(*row.errorSince)}
	}
	if row.checkConnection != nil && *row.checkConnection == p.Connection {
		p.LastCheck = &registry.LastCheck{Success: row.checkKind == nil, By: registry.CheckMethod(*row.checkBy), At: time.Time(*row.checkedAt)}
		if row.checkKind != nil {
			p.LastCheck.Kind = *row.checkKind
		}
	}
	var sealed map[string]sealedCredential
	if err := json.Unmarshal([]byte(row.credentials), &sealed); err != nil {
		return p, fmt.Errorf("could not decode the credentials of provider %s: %w", p.ID, err)
	}
	p.Credentials = make(map[string]registry.Credential, len(sealed))
	for field, c := range sealed {
		p.Credentials[field] = registry.Credential{Sealed: c.Sealed, Hash: c.Hash, UpdatedAt: c.UpdatedAt.UTC()}
	}
	if err := json.Unmarshal([]byte(row.config), &p.Config); err != nil {
		return p, fmt.Errorf("could not decode the config of provider %s: %w", p.ID, err)
	}
	return p, nil
}

// findProvider reads a provider in the first row, and a model in each of the
// others. A join would repeat the provider, with up to 20 KiB of credentials, for
// each of up to 500 models.
var findProvider = `SELECT 0, ` + providerNames + nulls(modelColumns) + ` FROM providers p WHERE p.workspace = $1 AND p.id = $2
	UNION ALL
	SELECT 1` + nulls(providerColumns) + `, ` + modelNames + ` FROM models m WHERE m.workspace = $1 AND m.provider_id = $2
	ORDER BY 1`

func nulls(cs columns) string { return strings.Repeat(", NULL", len(cs)) }

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

// LockProvider implements [registry.Store]. It must be called in a transaction. It
// reads the models after it has the lock. If it read them together with the provider,
// they could be older than the provider.
func (s *Store) LockProvider(ctx context.Context, workspace, id string) (registry.Provider, error) {
	t := s.transaction(ctx)
	if t == nil {
		return registry.Provider{}, errors.New("LockProvider outside a transaction locks nothing")
	}
	var row providerRow
	lock := `SELECT ` + providerNames + ` FROM providers p WHERE p.workspace = $1 AND p.id = $2` + s.engine.forUpdate
	found, err := s.one(ctx, lock, []any{workspace, id}, row.columns().fields()...)
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
