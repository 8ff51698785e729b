package auth

import (
	"context"
	"time"
)

// Token is an API token as it is kept: only its hash, never its value.
type Token struct {
	ID        string // UUIDv7
	Workspace string
	Name      string
	// Role is set for a token made with a role; Scopes always hold what the
	// token may do.
	Role       Role
	Scopes     []Scope
	Hash       []byte // SHA-256 of the whole token
	CreatedAt  time.Time
	ExpiresAt  *time.Time // nil: never
	LastUsedAt *time.Time // nil: never
	RevokedAt  *time.Time // nil: not revoked
}

// Store keeps API tokens. A revoked token stays, marked. When the database
// cannot be reached every method returns a fault of kind unavailable.
type Store interface {
	// InTx runs fn in one transaction; see registry.Store.
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
	// Claim stores value under name if nothing is stored there yet, and returns
	// what is stored there now. Of several processes that claim at once exactly
	// one finds its own value.
	Claim(ctx context.Context, name string, value []byte) ([]byte, error)
	// TokenByHash returns the token with that hash, of any workspace, revoked
	// and expired ones too. It returns not_found.
	TokenByHash(ctx context.Context, hash []byte) (Token, error)
	// CreateToken adds a token.
	CreateToken(ctx context.Context, t Token) error
	// HasTokens reports whether there is any token, revoked ones included.
	HasTokens(ctx context.Context) (bool, error)
}
