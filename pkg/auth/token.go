package auth

import (
	"context"
	"crypto/subtle"
	"sync"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
)

// Token is a stored API token. Its value is not stored, only its hash.
type Token struct {
	ID         string // UUIDv7
	Workspace  string
	Name       string
	Role       Role    // empty for a token made with scopes
	Scopes     []Scope // also of a token made with a role
	Hash       []byte  // SHA-256 of the value
	CreatedAt  time.Time
	ExpiresAt  *time.Time // nil: never
	LastUsedAt *time.Time // nil: never
	RevokedAt  *time.Time // nil: not revoked
}

func (t Token) expired(now time.Time) bool { return t.ExpiresAt != nil && !now.Before(*t.ExpiresAt) }

func (t Token) valid(now time.Time) bool { return t.RevokedAt == nil && !t.expired(now) }

// Store keeps API tokens. Revoked tokens stay in it. Every method returns
// unavailable if the database can't be reached.
type Store interface {
	// InTx runs fn in one transaction; see registry.Store.
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
	// Claim stores value under name unless a value is stored there, and returns
	// the stored value. Exactly one of several concurrent callers gets its own.
	Claim(ctx context.Context, name string, value []byte) ([]byte, error)

	// TokenByHash returns a token of any workspace, even a revoked or expired one.
	// It returns not_found.
	TokenByHash(ctx context.Context, hash []byte) (Token, error)
	// HasTokens reports whether there is any token, including revoked ones.
	HasTokens(ctx context.Context) (bool, error)
	// Tokens returns up to q.Limit tokens of a workspace before q.Before, newest first:
	// the unrevoked or, with q.Revoked, the revoked ones.
	Tokens(ctx context.Context, workspace string, q TokenQuery) ([]Token, error)
	CreateToken(ctx context.Context, t Token) error
	// LockTokens returns the unrevoked tokens of a workspace, and prevents others
	// from revoking any until the transaction ends.
	LockTokens(ctx context.Context, workspace string) ([]Token, error)
	// RevokeToken marks a token as revoked. It returns not_found for one that does
	// not exist or is already revoked.
	RevokeToken(ctx context.Context, workspace, id string, at time.Time) error
	// TouchTokens stores when tokens were used, unless a later use is stored.
	TouchTokens(ctx context.Context, uses []TokenUse) error
}

// TokenQuery selects tokens.
type TokenQuery struct {
	Revoked bool
	Before  *TokenPosition
	Limit   int
}

// TokenPosition is the position of a token in the list.
type TokenPosition struct {
	CreatedAt time.Time `json:"c"`
	ID        string    `json:"i"`
}

// Bounds of the cache of valid tokens.
const (
	cachedFor = time.Second // how long a revocation by another process may go unnoticed
	maxCached = 10_000
)

type cachedToken struct {
	token Token
	read  time.Time // when its read began
}

// Tokens makes, lists and revokes API tokens, and authenticates by them.
type Tokens struct {
	store  Store
	events audit.Recorder
	now    func() time.Time
	uses   *tokenUses

	mu          sync.Mutex
	cached      map[string]cachedToken // by hash
	revocations int                    // by this process
}

// NewTokens returns the token service of a store.
func NewTokens(store Store, events audit.Recorder, now func() time.Time) *Tokens {
	return &Tokens{store: store, events: events, now: now, cached: map[string]cachedToken{}, uses: newTokenUses()}
}

// storedNow returns the time as the database stores it: UTC, in milliseconds.
func (t *Tokens) storedNow() time.Time { return t.now().UTC().Truncate(time.Millisecond) }

// Authenticate implements [Authenticator] for API tokens.
func (t *Tokens) Authenticate(ctx context.Context, bearer string) (Principal, error) {
	invalid := refused("The bearer token is not valid: it is unknown, revoked or expired.")
	if !wellFormed(bearer) {
		return Principal{}, invalid
	}
	token, err := t.find(ctx, hashOf(bearer))
	switch {
	case fault.Is(err, fault.NotFound), err == nil && !token.valid(t.now()):
		return Principal{}, invalid
	case err != nil:
		return Principal{}, err
	}
	t.uses.add(token, t.storedNow())
	return Principal{Subject: token.ID, Name: token.Name, Kind: "token", Workspace: token.Workspace, Role: token.Role, Scopes: token.Scopes}, nil
}

// find returns the token with a hash from the cache or the store. It returns
// not_found. Only valid tokens are cached.
func (t *Tokens) find(ctx context.Context, hash []byte) (Token, error) {
	now := t.now()
	t.mu.Lock()
	cached, ok := t.cached[string(hash)]
	revocations := t.revocations
	t.mu.Unlock()
	if age := now.Sub(cached.read); ok && age >= 0 && age < cachedFor {
		return cached.token, nil
	}
	token, err := t.store.TokenByHash(ctx, hash)
	if err != nil {
		return Token{}, err
	}
	if subtle.ConstantTimeCompare(hash, token.Hash) != 1 {
		return Token{}, fault.New(fault.NotFound, "There is no such token.")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if token.valid(now) && t.revocations == revocations { // else it may have been revoked since it was read
		if len(t.cached) >= maxCached {
			clear(t.cached) // most are older than cachedFor
		}
		t.cached[string(hash)] = cachedToken{token, now}
	}
	return token, nil
}

// forget removes a revoked token from the cache, and prevents reads that are under
// way from adding it.
func (t *Tokens) forget(token Token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.revocations++
	delete(t.cached, string(token.Hash))
}
