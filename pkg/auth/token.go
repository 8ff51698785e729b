package auth

import (
	"context"
	"crypto/subtle"
	"sync"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/paging"
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
	// TouchToken notes when a token was used, unless a use after since is noted.
	TouchToken(ctx context.Context, workspace, id string, at, since time.Time) error
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

// Bounds of noting when a token was last used.
const (
	touchEvery  = time.Minute
	touchWithin = 100 * time.Millisecond // how long a request waits for it at most
	maxTouched  = 10_000                 // tokens that are remembered
)

// Tokens makes, lists and revokes API tokens, and authenticates by them.
type Tokens struct {
	store  Store
	events audit.Recorder
	sealer paging.Sealer
	now    func() time.Time

	mu      sync.Mutex
	touched map[string]time.Time // when a token's use was last noted, by its id
}

// NewTokens makes the token service over a store. The sealer makes the cursors
// of lists.
func NewTokens(store Store, events audit.Recorder, sealer paging.Sealer, now func() time.Time) *Tokens {
	return &Tokens{store: store, events: events, sealer: sealer, now: now, touched: map[string]time.Time{}}
}

// clock is the present moment as rows keep it: UTC, whole milliseconds.
func (t *Tokens) clock() time.Time { return t.now().UTC().Truncate(time.Millisecond) }

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
	case subtle.ConstantTimeCompare(hash, token.Hash) != 1, token.RevokedAt != nil, token.expired(t.now()):
		return Principal{}, unauthenticated
	}
	t.touch(ctx, token)
	return Principal{Subject: token.ID, Kind: "token", Workspace: token.Workspace, Role: token.Role, Scopes: token.Scopes}, nil
}

func (t Token) expired(now time.Time) bool { return t.ExpiresAt != nil && !now.Before(*t.ExpiresAt) }

// touch notes that a token is used. A request never fails over it, and waits for
// it once a minute at most, and not for long: a failure is tried again a minute
// later.
func (t *Tokens) touch(ctx context.Context, token Token) {
	now := t.clock()
	since := now.Add(-touchEvery)
	if token.LastUsedAt != nil && token.LastUsedAt.After(since) || !t.mayTouch(token.ID, now, since) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, touchWithin)
	defer cancel()
	_ = t.store.TouchToken(ctx, token.Workspace, token.ID, now, since)
}

// mayTouch reports whether this process has not tried to note the use of a token
// after since, and remembers that it does now.
func (t *Tokens) mayTouch(id string, now, since time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if tried, ok := t.touched[id]; ok && tried.After(since) {
		return false
	}
	if len(t.touched) >= maxTouched {
		clear(t.touched) // the store knows the rest
	}
	t.touched[id] = now
	return true
}
