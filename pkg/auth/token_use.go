package auth

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// TokenUse is a use of a token.
type TokenUse struct {
	Workspace string
	ID        string
	At        time.Time
}

// Bounds of noting when tokens were last used.
const (
	useEvery   = time.Minute // of one token
	flushBatch = 500         // uses that one statement notes
	maxUses    = 10_000      // that wait for it, and tokens that are remembered
)

// tokenUses are the uses of tokens that wait to be noted, so that no request
// waits for it.
type tokenUses struct {
	mu      sync.Mutex
	waiting map[string]TokenUse  // by the token's id
	taken   map[string]time.Time // when a use of a token was last taken in, by its id
}

func newTokenUses() *tokenUses {
	return &tokenUses{waiting: map[string]TokenUse{}, taken: map[string]time.Time{}}
}

// add takes in a use of a token, once a minute. While too many wait it drops the
// use: the token's next one is as good.
func (u *tokenUses) add(token Token, now time.Time) {
	since := now.Add(-useEvery)
	if token.LastUsedAt != nil && token.LastUsedAt.After(since) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if last, ok := u.taken[token.ID]; ok && last.After(since) || len(u.waiting) >= maxUses {
		return
	}
	if len(u.taken) >= maxUses {
		clear(u.taken) // the store knows the rest
	}
	u.taken[token.ID] = now
	u.waiting[token.ID] = TokenUse{Workspace: token.Workspace, ID: token.ID, At: now}
}

func (u *tokenUses) take() []TokenUse {
	u.mu.Lock()
	defer u.mu.Unlock()
	uses := slices.Collect(maps.Values(u.waiting))
	clear(u.waiting)
	return uses
}

// putBack lets uses wait again, unless a later one of the token does.
func (u *tokenUses) putBack(uses []TokenUse) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, use := range uses {
		if _, later := u.waiting[use.ID]; !later {
			u.waiting[use.ID] = use
		}
	}
}

// Flush notes the uses of tokens that wait for it.
func (t *Tokens) Flush(ctx context.Context) error {
	uses := t.uses.take()
	for len(uses) > 0 {
		batch := uses[:min(flushBatch, len(uses))]
		if err := t.store.TouchTokens(ctx, batch); err != nil {
			t.uses.putBack(uses)
			return err
		}
		uses = uses[len(batch):]
	}
	return nil
}
