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

const (
	useEvery   = time.Minute // how often a use of the same token is stored
	flushBatch = 500         // uses per statement
	maxUses    = 10_000      // uses that wait, and tokens that are remembered
)

// tokenUses collects uses of tokens until they are stored, so that no request
// waits for that.
type tokenUses struct {
	mu      sync.Mutex
	waiting map[string]TokenUse  // by token id
	last    map[string]time.Time // when a use was last collected, by token id
}

func newTokenUses() *tokenUses {
	return &tokenUses{waiting: map[string]TokenUse{}, last: map[string]time.Time{}}
}

// add collects a use of a token, at most one a minute. It drops the use if too
// many are waiting.
func (u *tokenUses) add(token Token, now time.Time) {
	since := now.Add(-useEvery)
	if token.LastUsedAt != nil && token.LastUsedAt.After(since) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if last, ok := u.last[token.ID]; ok && last.After(since) || len(u.waiting) >= maxUses {
		return
	}
	if len(u.last) >= maxUses {
		clear(u.last)
	}
	u.last[token.ID] = now
	u.waiting[token.ID] = TokenUse{Workspace: token.Workspace, ID: token.ID, At: now}
}

func (u *tokenUses) all() []TokenUse {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Collect(maps.Values(u.waiting))
}

// drop removes uses that were stored. A later use of the same token goes on waiting.
func (u *tokenUses) drop(stored []TokenUse) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, use := range stored {
		if u.waiting[use.ID] == use {
			delete(u.waiting, use.ID)
		}
	}
}

// Flush stores the collected uses of tokens.
func (t *Tokens) Flush(ctx context.Context) error {
	for batch := range slices.Chunk(t.uses.all(), flushBatch) {
		if err := t.store.TouchTokens(ctx, batch); err != nil {
			return err
		}
		t.uses.drop(batch)
	}
	return nil
}
