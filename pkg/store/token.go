package store

import (
	"context"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
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

// claimRow is a row of claims. It belongs to no workspace.
type claimRow struct {
	Name  string `gorm:"primaryKey"`
	Value []byte
}

// TableName names the table to GORM.
func (claimRow) TableName() string { return "claims" }

// Claim implements [auth.Store].
func (s *Store) Claim(ctx context.Context, name string, value []byte) ([]byte, error) {
	var held claimRow
	err := s.InTx(ctx, func(ctx context.Context) error {
		db := s.transaction(ctx).db.WithContext(ctx)
		// On PostgreSQL this waits for another transaction that claims the name.
		err := db.Clauses(clause.OnConflict{DoNothing: true}).Create(&claimRow{Name: name, Value: value}).Error
		if err == nil {
			err = db.Where("name = ?", name).Take(&held).Error
		}
		return s.translate(ctx, err)
	})
	return held.Value, err
}

// Claimed returns what is stored under a claimed name. It returns not_found.
func (s *Store) Claimed(ctx context.Context, name string) ([]byte, error) {
	var held []claimRow
	err := s.query(ctx, func(ctx context.Context, db *gorm.DB) error {
		return db.WithContext(ctx).Where("name = ?", name).Find(&held).Error
	})
	if err == nil && len(held) == 0 {
		err = fault.New(fault.NotFound, "Nothing has claimed %q.", name)
	}
	if err != nil {
		return nil, err
	}
	return held[0].Value, nil
}

// Times are kept as Unix milliseconds: they sort and compare as numbers, and
// come back as they went in, on every database.

func toMillis(t time.Time) int64 { return t.UnixMilli() }

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func toMillisOrNil(t *time.Time) *int64 {
	if t == nil {
		return nil
	}
	ms := toMillis(*t)
	return &ms
}

func fromMillisOrNil(ms *int64) *time.Time {
	if ms == nil {
		return nil
	}
	t := fromMillis(*ms)
	return &t
}
