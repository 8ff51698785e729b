package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"modelproviders/pkg/registry"
)

// providerRow is a row of providers.
type providerRow struct {
	ID           string
	Name         string
	NameKey      string
	Type         string
	Enabled      bool
	ErrorKind    *string
	ErrorMessage *string
	ErrorModelID *string
	ErrorSince   *moment
	Credentials  []byte
	Config       []byte
	Version      int64
	Connection   int64
	Created      moment
	Updated      moment
}

// providerColumns are the columns that [providerRow.fields] reads.
const providerColumns = `p.id, p.name, p.name_key, p.type, p.enabled, p.error_kind, p.error_message, p.error_model_id, p.error_since,
	p.credentials, p.config, p.version, p.connection, p.created_at, p.updated_at`

func (row *providerRow) fields() []any {
	return []any{&row.ID, &row.Name, &row.NameKey, &row.Type, &row.Enabled, &row.ErrorKind, &row.ErrorMessage, &row.ErrorModelID, &row.ErrorSince,
		&row.Credentials, &row.Config, &row.Version, &row.Connection, &row.Created, &row.Updated}
}

// sealedCredential is one credential in the column credentials. They stand in
// the row of their provider, not in rows of their own, since they are read and
// written with it: a join would repeat the row, and a create would cost a
// statement more.
type sealedCredential struct {
	Sealed    []byte    `json:"sealed"`
	UpdatedAt time.Time `json:"updated_at"`
}

// encodedSettings are the JSON texts of a provider's credentials and config.
func encodedSettings(p registry.Provider) (credentials, config string, err error) {
	sealed := make(map[string]sealedCredential, len(p.Credentials))
	for field, c := range p.Credentials {
		sealed[field] = sealedCredential{Sealed: c.Sealed, UpdatedAt: newMoment(c.UpdatedAt).Time}
	}
	a, err := json.Marshal(sealed)
	if err != nil {
		return "", "", fmt.Errorf("encode the credentials of provider %s: %w", p.ID, err)
	}
	b := []byte("{}")
	if len(p.Config) > 0 {
		if b, err = json.Marshal(p.Config); err != nil {
			return "", "", fmt.Errorf("encode the config of provider %s: %w", p.ID, err)
		}
	}
	return string(a), string(b), nil
}

// provider maps a row of a workspace to a provider without models.
func (row providerRow) provider(workspace string) (registry.Provider, error) {
	p := registry.Provider{
		ID: row.ID, Workspace: workspace, Name: row.Name, NameKey: row.NameKey, Type: row.Type,
		Enabled: row.Enabled, Error: row.error(), Version: row.Version, Connection: row.Connection,
		CreatedAt: row.Created.Time, UpdatedAt: row.Updated.Time,
	}
	var sealed map[string]sealedCredential
	if err := json.Unmarshal(row.Credentials, &sealed); err != nil {
		return p, fmt.Errorf("decode the credentials of provider %s: %w", row.ID, err)
	}
	p.Credentials = make(map[string]registry.Credential, len(sealed))
	for field, c := range sealed {
		p.Credentials[field] = registry.Credential{Sealed: c.Sealed, UpdatedAt: c.UpdatedAt.UTC()}
	}
	if err := json.Unmarshal(row.Config, &p.Config); err != nil {
		return p, fmt.Errorf("decode the config of provider %s: %w", row.ID, err)
	}
	return p, nil
}

func (row providerRow) error() *registry.ProviderError {
	if row.ErrorKind == nil {
		return nil
	}
	return &registry.ProviderError{Kind: *row.ErrorKind, Message: *row.ErrorMessage, ModelID: *row.ErrorModelID, Since: row.ErrorSince.Time}
}

// findProvider reads a provider and its models: the provider in the first row,
// a model in each of the others. A join would repeat the provider, with
// credentials of up to 20 KiB, for each of up to 500 models.
var findProvider = `SELECT 0, ` + providerColumns + `, ` + nulls(modelColumns) + ` FROM providers p WHERE p.workspace = $1 AND p.id = $2
	UNION ALL
	SELECT 1, ` + nulls(providerColumns) + `, ` + modelColumns + ` FROM models m WHERE m.workspace = $1 AND m.provider_id = $2
	ORDER BY 1`

// nulls is a null for each of some columns.
func nulls(columns string) string {
	return strings.Repeat("NULL, ", strings.Count(columns, ",")) + "NULL"
}

// ignored is where a column goes that is not wanted.
type ignored struct{}

// Scan implements [sql.Scanner].
func (ignored) Scan(any) error { return nil }

// ignoredFields is an ignored for each of some fields.
func ignoredFields(fields []any) []any {
	all := make([]any, len(fields))
	for i := range all {
		all[i] = ignored{}
	}
	return all
}

// Provider implements [registry.Store]. It takes one query.
func (s *Store) Provider(ctx context.Context, workspace, id string) (p registry.Provider, err error) {
	var row providerRow
	var model modelRow
	var part int
	first := append(append([]any{&part}, row.fields()...), ignoredFields(model.fields())...)
	next := append(append([]any{&part}, ignoredFields(row.fields())...), model.fields()...)
	err = s.rows(ctx, findProvider, []any{workspace, id}, func(rows *sql.Rows) (err error) {
		if p.ID != "" {
			model = modelRow{}
			if err = rows.Scan(next...); err == nil {
				p.Models = append(p.Models, model.model(p.Connection))
			}
			return err
		}
		if err = rows.Scan(first...); err == nil {
			p, err = row.provider(workspace)
		}
		return err
	})
	if err == nil && p.ID == "" {
		err = notFound("provider", id)
	}
	sortByCreation(p.Models)
	return p, err
}

// LockProvider implements [registry.Store]. It works in a transaction only: on
// SQLite that has the whole file anyway. The models are read after the lock is
// held: read with it, they could be older than the provider that was waited for.
func (s *Store) LockProvider(ctx context.Context, workspace, id string) (p registry.Provider, err error) {
	t := s.transaction(ctx)
	if t == nil {
		return p, errors.New("LockProvider outside a transaction locks nothing")
	}
	var row providerRow
	err = s.rows(ctx, `SELECT `+providerColumns+` FROM providers p WHERE p.workspace = $1 AND p.id = $2`+s.engine.forUpdate,
		[]any{workspace, id}, func(rows *sql.Rows) error { return rows.Scan(row.fields()...) })
	if err == nil && row.ID == "" {
		err = notFound("provider", id)
	}
	if err == nil {
		p, err = row.provider(workspace)
	}
	if err != nil {
		return p, err
	}
	t.locked[lockedProvider{workspace, id}] = true
	one := []registry.Provider{p}
	err = s.addModels(ctx, workspace, one)
	return one[0], err
}
