package store

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

// tokenRow is a row of tokens.
type tokenRow struct {
	Workspace string `gorm:"primaryKey"`
	ID        string `gorm:"primaryKey"`
	Name      string
	Role      auth.Role
	Scopes    string // separated by spaces
	Hash      []byte
	Created   int64  `gorm:"column:created_at"`
	Expires   *int64 `gorm:"column:expires_at"`
	LastUsed  *int64 `gorm:"column:last_used_at"`
	Revoked   *int64 `gorm:"column:revoked_at"`
}

// TableName names the table to GORM.
func (tokenRow) TableName() string { return "tokens" }

// newTokenRow maps a token to its row.
func newTokenRow(t auth.Token) tokenRow {
	scopes := make([]string, len(t.Scopes))
	for i, scope := range t.Scopes {
		scopes[i] = string(scope)
	}
	return tokenRow{
		Workspace: t.Workspace, ID: t.ID, Name: t.Name, Role: t.Role, Scopes: strings.Join(scopes, " "), Hash: t.Hash,
		Created: toMillis(t.CreatedAt), Expires: toMillisOrNil(t.ExpiresAt),
		LastUsed: toMillisOrNil(t.LastUsedAt), Revoked: toMillisOrNil(t.RevokedAt),
	}
}

// token maps a row to a token.
func (row tokenRow) token() auth.Token {
	t := auth.Token{
		ID: row.ID, Workspace: row.Workspace, Name: row.Name, Role: row.Role, Hash: row.Hash,
		CreatedAt: fromMillis(row.Created), ExpiresAt: fromMillisOrNil(row.Expires),
		LastUsedAt: fromMillisOrNil(row.LastUsed), RevokedAt: fromMillisOrNil(row.Revoked),
	}
	for _, scope := range strings.Fields(row.Scopes) {
		t.Scopes = append(t.Scopes, auth.Scope(scope))
	}
	return t
}

// CreateToken implements [auth.Store].
func (s *Store) CreateToken(ctx context.Context, t auth.Token) error {
	row := newTokenRow(t)
	return s.write(ctx, t.Workspace, func(_ context.Context, db *gorm.DB) error { return db.Create(&row).Error })
}

// TokenByHash implements [auth.Store]: who asks doesn't know the workspace yet.
func (s *Store) TokenByHash(ctx context.Context, hash []byte) (auth.Token, error) {
	var rows []tokenRow
	err := s.query(ctx, func(ctx context.Context, db *gorm.DB) error {
		return across(ctx, db).Where("hash = ?", hash).Find(&rows).Error
	})
	if err == nil && len(rows) == 0 {
		err = fault.New(fault.NotFound, "There is no such token.")
	}
	if err != nil {
		return auth.Token{}, err
	}
	return rows[0].token(), nil
}

// HasTokens implements [auth.Store].
func (s *Store) HasTokens(ctx context.Context) (bool, error) {
	var rows []tokenRow
	err := s.query(ctx, func(ctx context.Context, db *gorm.DB) error {
		return across(ctx, db).Limit(1).Find(&rows).Error
	})
	return len(rows) > 0, err
}

// Tokens implements [auth.Store].
func (s *Store) Tokens(ctx context.Context, workspace string, q auth.TokenQuery) ([]auth.Token, error) {
	newestFirst := page{order: registry.SortCreatedDesc, limit: q.Limit}
	if q.Before != nil {
		newestFirst.after = &registry.Position{CreatedAt: q.Before.CreatedAt, ID: q.Before.ID}
	}
	var rows []tokenRow
	err := s.read(ctx, workspace, func(db *gorm.DB) error {
		list, err := newestFirst.of(db.Where("revoked_at IS NULL"))
		if err != nil {
			return err
		}
		return list.Find(&rows).Error
	})
	return tokens(rows), err
}

// LockTokens implements [auth.Store]. It works in a transaction only.
func (s *Store) LockTokens(ctx context.Context, workspace string) ([]auth.Token, error) {
	if s.transaction(ctx) == nil {
		return nil, errors.New("LockTokens outside a transaction locks nothing")
	}
	var rows []tokenRow
	err := s.write(ctx, workspace, func(_ context.Context, db *gorm.DB) error {
		// Everyone takes the locks in the order of the ids.
		return db.Clauses(clause.Locking{Strength: "UPDATE"}).Where("revoked_at IS NULL").Order("id").Find(&rows).Error
	})
	return tokens(rows), err
}

// RevokeToken implements [auth.Store].
func (s *Store) RevokeToken(ctx context.Context, workspace, id string, at time.Time) error {
	return s.write(ctx, workspace, func(_ context.Context, db *gorm.DB) error {
		update := db.Model(&tokenRow{}).Where("id = ? AND revoked_at IS NULL", id).Update("revoked_at", toMillis(at))
		if update.Error == nil && update.RowsAffected == 0 {
			return notFound("token", id)
		}
		return update.Error
	})
}

// The statements of TouchTokens: the uses, of any workspaces, are one parameter,
// a JSON array, so that one statement takes any number of them.
const (
	touchPostgres = `UPDATE tokens SET last_used_at = u.at
		FROM jsonb_to_recordset($1::jsonb) AS u(workspace text, id text, at bigint)
		WHERE tokens.workspace = u.workspace AND tokens.id = u.id
		AND (tokens.last_used_at IS NULL OR tokens.last_used_at < u.at)`
	touchSQLite = `UPDATE tokens SET last_used_at = u.at
		FROM (SELECT value->>'workspace' AS workspace, value->>'id' AS id, value->>'at' AS at FROM json_each(?)) AS u
		WHERE tokens.workspace = u.workspace AND tokens.id = u.id
		AND (tokens.last_used_at IS NULL OR tokens.last_used_at < u.at)`
)

// TouchTokens implements [auth.Store].
func (s *Store) TouchTokens(ctx context.Context, uses []auth.TokenUse) error {
	type use struct {
		Workspace string `json:"workspace"`
		ID        string `json:"id"`
		At        int64  `json:"at"`
	}
	rows := make([]use, len(uses))
	for i, u := range uses {
		rows[i] = use{Workspace: u.Workspace, ID: u.ID, At: toMillis(u.At)}
	}
	list, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	return s.InTx(ctx, func(ctx context.Context) error {
		_, err := s.transaction(ctx).db.Statement.ConnPool.ExecContext(ctx, s.engine.touch, string(list))
		return s.translate(ctx, err)
	})
}

func tokens(rows []tokenRow) []auth.Token {
	all := make([]auth.Token, len(rows))
	for i, row := range rows {
		all[i] = row.token()
	}
	return all
}
