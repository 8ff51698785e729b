package store

import (
	"context"
	"errors"
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
	Scopes    []auth.Scope `gorm:"serializer:json"`
	Hash      []byte
	Created   moment  `gorm:"column:created_at"`
	Expires   *moment `gorm:"column:expires_at"`
	LastUsed  *moment `gorm:"column:last_used_at"`
	Revoked   *moment `gorm:"column:revoked_at"`
}

// TableName names the table to GORM.
func (tokenRow) TableName() string { return "tokens" }

// newTokenRow maps a token to its row.
func newTokenRow(t auth.Token) tokenRow {
	return tokenRow{
		Workspace: t.Workspace, ID: t.ID, Name: t.Name, Role: t.Role, Scopes: append([]auth.Scope{}, t.Scopes...), Hash: t.Hash,
		Created: moment(t.CreatedAt), Expires: (*moment)(t.ExpiresAt),
		LastUsed: (*moment)(t.LastUsedAt), Revoked: (*moment)(t.RevokedAt),
	}
}

// token maps a row to a token.
func (row tokenRow) token() auth.Token {
	if len(row.Scopes) == 0 {
		row.Scopes = nil
	}
	if scopes := row.Role.Scopes(); scopes != nil {
		row.Scopes = scopes // the role may have got a scope since the token was created
	}
	return auth.Token{
		ID: row.ID, Workspace: row.Workspace, Name: row.Name, Role: row.Role, Scopes: row.Scopes, Hash: row.Hash,
		CreatedAt: time.Time(row.Created), ExpiresAt: (*time.Time)(row.Expires),
		LastUsedAt: (*time.Time)(row.LastUsed), RevokedAt: (*time.Time)(row.Revoked),
	}
}

// CreateToken implements [auth.Store].
func (s *Store) CreateToken(ctx context.Context, t auth.Token) error {
	if t.Workspace == "" {
		return errUnscoped
	}
	row := newTokenRow(t)
	return s.InTx(ctx, func(ctx context.Context) error {
		_, err := s.build(ctx, "create token", func(db *gorm.DB) *gorm.DB { return db.Create(&row) })
		return err
	})
}

// TokenByHash implements [auth.Store]. The workspace is not known yet.
func (s *Store) TokenByHash(ctx context.Context, hash []byte) (auth.Token, error) {
	found, err := s.tokens(ctx, func(db *gorm.DB) *gorm.DB { return db.Where("hash = ?", hash) })
	if err != nil {
		return auth.Token{}, err
	}
	if len(found) == 0 {
		return auth.Token{}, fault.New(fault.NotFound, "There is no such token.")
	}
	return found[0], nil
}

// HasTokens implements [auth.Store].
func (s *Store) HasTokens(ctx context.Context) (bool, error) {
	found, err := s.tokens(ctx, func(db *gorm.DB) *gorm.DB { return db.Limit(1) })
	return len(found) > 0, err
}

// Tokens implements [auth.Store].
func (s *Store) Tokens(ctx context.Context, workspace string, q auth.TokenQuery) ([]auth.Token, error) {
	return s.tokensOf(ctx, workspace, q.Revoked, func(db *gorm.DB) *gorm.DB {
		if q.Before != nil {
			db = db.Where("(created_at, id) < (?, ?)", moment(q.Before.CreatedAt), q.Before.ID)
		}
		if q.Limit > 0 {
			db = db.Limit(q.Limit)
		}
		return db.Order("created_at DESC, id DESC")
	})
}

// LockTokens implements [auth.Store]. It works in a transaction only. All
// transactions lock in the order of the ids.
func (s *Store) LockTokens(ctx context.Context, workspace string) ([]auth.Token, error) {
	if s.transaction(ctx) == nil {
		return nil, errors.New("LockTokens outside a transaction locks nothing")
	}
	return s.tokensOf(ctx, workspace, false, func(db *gorm.DB) *gorm.DB {
		return db.Clauses(clause.Locking{Strength: "UPDATE"}).Order("id")
	})
}

// tokensOf reads the unrevoked or the revoked tokens of a workspace that query selects.
func (s *Store) tokensOf(ctx context.Context, workspace string, revoked bool, query func(db *gorm.DB) *gorm.DB) ([]auth.Token, error) {
	if workspace == "" {
		return nil, errUnscoped
	}
	return s.tokens(ctx, func(db *gorm.DB) *gorm.DB {
		if revoked {
			return query(db.Where("workspace = ? AND revoked_at IS NOT NULL", workspace))
		}
		return query(db.Where("workspace = ? AND revoked_at IS NULL", workspace))
	})
}

// tokens reads the tokens that query selects.
func (s *Store) tokens(ctx context.Context, query func(db *gorm.DB) *gorm.DB) ([]auth.Token, error) {
	var rows []tokenRow
	_, err := s.build(ctx, "read tokens", func(db *gorm.DB) *gorm.DB { return query(db).Find(&rows) })
	all := make([]auth.Token, len(rows))
	for i, row := range rows {
		all[i] = row.token()
	}
	return all, err
}

// RevokeToken implements [auth.Store].
func (s *Store) RevokeToken(ctx context.Context, workspace, id string, at time.Time) error {
	if workspace == "" {
		return errUnscoped
	}
	return s.InTx(ctx, func(ctx context.Context) error {
		changed, err := s.build(ctx, "revoke token", func(db *gorm.DB) *gorm.DB {
			return db.Model(&tokenRow{}).Where("workspace = ? AND id = ? AND revoked_at IS NULL", workspace, id).Update("revoked_at", moment(at))
		})
		if err == nil && changed == 0 {
			err = notFound("token", id)
		}
		return err
	})
}

// TouchTokens implements [auth.Store]. It skips tokens whose uses another process
// is storing: two that store uses of the same tokens would deadlock.
func (s *Store) TouchTokens(ctx context.Context, uses []auth.TokenUse) error {
	use := func(u *auth.TokenUse) columns {
		return columns{{"workspace", &u.Workspace, fixed}, {"id", &u.ID, fixed}, {"last_used_at", (*moment)(&u.At), observed}}
	}
	rows := make([]columns, len(uses))
	for i := range uses {
		rows[i] = use(&uses[i])
	}
	_, err := s.together(ctx, statement{`WITH u AS MATERIALIZED (
			SELECT t.workspace, t.id, u.last_used_at FROM (` + s.engine.recordset("tokens", "$1", use(new(auth.TokenUse))) + `) AS u
			JOIN tokens t ON t.workspace = u.workspace AND t.id = u.id
			WHERE t.last_used_at IS NULL OR t.last_used_at < u.last_used_at` + s.engine.skipLocked + `
		)
		UPDATE tokens SET last_used_at = u.last_used_at FROM u WHERE tokens.workspace = u.workspace AND tokens.id = u.id`,
		[]any{s.engine.records(rows...)}})
	return err
}
