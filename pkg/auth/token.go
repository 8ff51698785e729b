package auth

import (
	"context"
	"crypto/subtle"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"modelproviders/pkg/audit"
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
	// HasTokens reports whether there is any token, revoked ones included.
	HasTokens(ctx context.Context) (bool, error)
	// Tokens returns up to q.Limit tokens of a workspace before q.Before, newest
	// first, revoked ones not.
	Tokens(ctx context.Context, workspace string, q TokenQuery) ([]Token, error)
	// CreateToken adds a token.
	CreateToken(ctx context.Context, t Token) error
	// LockTokens returns every token of a workspace that is not revoked, and
	// keeps others from revoking any until the transaction ends.
	LockTokens(ctx context.Context, workspace string) ([]Token, error)
	// RevokeToken marks a token as revoked. It returns not_found for one that is
	// not there or is revoked already.
	RevokeToken(ctx context.Context, workspace, id string, at time.Time) error
	// TouchTokens notes when tokens were used, each unless a later use is noted.
	TouchTokens(ctx context.Context, uses []TokenUse) error
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

// Bounds of the tokens that were found valid and are kept.
const (
	keepFor = time.Second // from the start of the read: what another process revokes is valid no longer here
	maxKept = 10_000
)

// keptToken is a token that was found valid.
type keptToken struct {
	token Token
	read  time.Time // when the read began
}

// Tokens makes, lists and revokes API tokens, and authenticates by them.
type Tokens struct {
	store  Store
	events audit.Recorder
	now    func() time.Time
	uses   *tokenUses

	mu          sync.Mutex
	kept        *simplelru.LRU[string, keptToken] // by hash
	revocations int                               // by this process
}

// NewTokens makes the token service over a store.
func NewTokens(store Store, events audit.Recorder, now func() time.Time) *Tokens {
	kept, err := simplelru.NewLRU[string, keptToken](maxKept, nil)
	if err != nil {
		panic(fmt.Sprintf("auth: a cache of %d tokens: %v", maxKept, err)) // of a size that is not positive
	}
	return &Tokens{store: store, events: events, now: now, kept: kept, uses: newTokenUses()}
}

// clock is the present moment as rows keep it: UTC, whole milliseconds.
func (t *Tokens) clock() time.Time { return t.now().UTC().Truncate(time.Millisecond) }

// Authenticate implements [Authenticator] for API tokens.
func (t *Tokens) Authenticate(ctx context.Context, bearer string) (Principal, error) {
	unauthenticated := fault.New(fault.Unauthenticated, "The bearer token is not valid: it is unknown, revoked or expired.")
	if !wellFormed(bearer) {
		return Principal{}, unauthenticated
	}
	token, err := t.find(ctx, hashOf(bearer))
	switch {
	case fault.Is(err, fault.NotFound):
		return Principal{}, unauthenticated
	case err != nil:
		return Principal{}, err
	case token.RevokedAt != nil, token.expired(t.now()):
		return Principal{}, unauthenticated
	}
	t.uses.add(token, t.clock())
	return Principal{Subject: token.ID, Kind: "token", Workspace: token.Workspace, Role: token.Role, Scopes: token.Scopes}, nil
}

func (t Token) expired(now time.Time) bool { return t.ExpiresAt != nil && !now.Before(*t.ExpiresAt) }

// find returns the token with that hash: the one that was found a moment ago, or
// the store's. It returns not_found.
func (t *Tokens) find(ctx context.Context, hash []byte) (Token, error) {
	now := t.now()
	t.mu.Lock()
	kept, ok := t.kept.Get(string(hash))
	revocations := t.revocations
	t.mu.Unlock()
	if age := now.Sub(kept.read); ok && age >= 0 && age < keepFor {
		return kept.token, nil
	}
	token, err := t.store.TokenByHash(ctx, hash)
	switch {
	case err != nil:
		return Token{}, err
	case subtle.ConstantTimeCompare(hash, token.Hash) != 1:
		return Token{}, fault.New(fault.NotFound, "There is no such token.")
	case token.RevokedAt != nil, token.expired(now):
		return token, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.revocations == revocations { // else this token may have been revoked since it was read
		t.kept.Add(string(hash), keptToken{token, now})
	}
	return token, nil
}

// forget makes a revocation count at once: after it no request finds the token
// kept, and no read that began before keeps it.
func (t *Tokens) forget(token Token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.revocations++
	t.kept.Remove(string(token.Hash))
}
