package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"hash/crc32"
	"math/big"
	"strings"
	"time"

	"github.com/google/uuid"

	"modelproviders/pkg/fault"
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

// ManagedStore is a Store whose tokens can be listed and revoked.
type ManagedStore interface {
	Store
	// Tokens returns up to q.Limit tokens of a workspace before q.Before, newest
	// first, revoked ones not.
	Tokens(ctx context.Context, workspace string, q TokenQuery) ([]Token, error)
	// LockTokens returns every token of a workspace that is not revoked, and
	// keeps others from revoking any until the transaction ends.
	LockTokens(ctx context.Context, workspace string) ([]Token, error)
	// RevokeToken marks a token as revoked. It returns not_found for one that is
	// not there or is revoked already.
	RevokeToken(ctx context.Context, workspace, id string, at time.Time) error
	// TouchToken notes when a token was last used.
	TouchToken(ctx context.Context, workspace, id string, at time.Time) error
}

// TokenQuery selects tokens.
type TokenQuery struct {
	Before *TokenPosition
	Limit  int
}

// TokenPosition is the last token of a page.
type TokenPosition struct {
	CreatedAt time.Time `json:"c"`
	ID        string    `json:"i"`
}

// A token is `mp_`, 32 random bytes in base 62, and a checksum of both, so that
// a scanner recognises a leaked one without asking us.
const (
	tokenPrefix    = "mp_"
	secretDigits   = 43 // 62^43 > 2^256
	checksumDigits = 6  // 62^6 > 2^32
)

// firstTokenClaim is claimed by the process that makes the first token.
const firstTokenClaim = "first_token"

// Tokens makes API tokens and authenticates by them.
type Tokens struct {
	store Store
	now   func() time.Time
}

// NewTokens makes the token service over a store.
func NewTokens(store Store, now func() time.Time) *Tokens { return &Tokens{store: store, now: now} }

// Authenticate implements [Authenticator] for API tokens.
func (t *Tokens) Authenticate(ctx context.Context, bearer string) (Principal, error) {
	unauthenticated := fault.New(fault.Unauthenticated, "The bearer token is not valid: it is unknown, revoked or expired.")
	if !wellFormed(bearer) {
		return Principal{}, unauthenticated
	}
	hash := hashOf(bearer)
	token, err := t.store.TokenByHash(ctx, hash)
	switch {
	case fault.Is(err, fault.NotFound):
		return Principal{}, unauthenticated
	case err != nil:
		return Principal{}, err
	case subtle.ConstantTimeCompare(hash, token.Hash) != 1,
		token.RevokedAt != nil,
		token.ExpiresAt != nil && !t.now().Before(*token.ExpiresAt):
		return Principal{}, unauthenticated
	}
	return Principal{Subject: token.ID, Kind: "token", Workspace: token.Workspace, Role: token.Role, Scopes: token.Scopes}, nil
}

// FirstAdmin makes an admin token of the default workspace when the database
// has never held a token, and hands its value to save before it counts: when
// save fails there is no token. Of several processes one makes it. It reports
// whether this one has.
func (t *Tokens) FirstAdmin(ctx context.Context, save func(value string) error) (made bool, err error) {
	err = t.store.InTx(ctx, func(ctx context.Context) error {
		held, err := t.store.HasTokens(ctx)
		if err != nil || held {
			return err
		}
		value, token, err := t.newToken("first admin", Admin, DefaultWorkspace)
		if err != nil {
			return err
		}
		winner, err := t.store.Claim(ctx, firstTokenClaim, []byte(token.ID))
		if err != nil || string(winner) != token.ID {
			return err
		}
		if err := t.store.CreateToken(ctx, token); err != nil {
			return err
		}
		made = true
		return save(value)
	})
	return made && err == nil, err
}

func (t *Tokens) newToken(name string, role Role, workspace string) (value string, token Token, err error) {
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		return "", Token{}, fault.Wrap(fault.Internal, err, "No token could be made.")
	}
	id, err := uuid.NewV7()
	if err != nil {
		return "", Token{}, fault.Wrap(fault.Internal, err, "No token could be made.")
	}
	body := tokenPrefix + base62(new(big.Int).SetBytes(random), secretDigits)
	value = body + checksum(body)
	return value, Token{
		ID: id.String(), Workspace: workspace, Name: name, Role: role, Scopes: role.Scopes(),
		Hash: hashOf(value), CreatedAt: t.now().UTC().Truncate(time.Millisecond),
	}, nil
}

// wellFormed reports whether a bearer token looks like one of ours, so that
// what cannot be a token costs no query.
func wellFormed(bearer string) bool {
	n := len(tokenPrefix) + secretDigits
	return len(bearer) == n+checksumDigits && strings.HasPrefix(bearer, tokenPrefix) && checksum(bearer[:n]) == bearer[n:]
}

func checksum(body string) string {
	return base62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(body)))), checksumDigits)
}

func base62(n *big.Int, digits int) string {
	s := n.Text(62)
	return strings.Repeat("0", digits-len(s)) + s
}

func hashOf(value string) []byte {
	sum := sha256.Sum256([]byte(value))
	return sum[:]
}
