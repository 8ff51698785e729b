package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/store"
)

func newToken(value string) auth.Token {
	hash := sha256.Sum256([]byte(value))
	return auth.Token{ID: newID(), Workspace: "any", Name: value, Hash: hash[:], CreatedAt: start}
}

func testToken(t *testing.T, s *store.Store) {
	has := func(want bool) {
		t.Helper()
		if got, err := s.HasTokens(t.Context()); err != nil || got != want {
			t.Errorf("HasTokens: got %v, %v; want %v", got, err, want)
		}
	}
	has(false)

	full, bare := newToken("full"), newToken("bare")
	full.Role, full.Scopes = auth.Editor, auth.Editor.Scopes()
	full.ExpiresAt, full.LastUsedAt, full.RevokedAt = pointer(start.Add(time.Hour)), pointer(start), pointer(start.Add(time.Minute))
	for _, token := range []auth.Token{full, bare} {
		noError(t, "create", s.CreateToken(t.Context(), token))
		got, err := s.TokenByHash(t.Context(), token.Hash)
		noError(t, "read", err)
		if diff := cmp.Diff(token, got); diff != "" {
			t.Errorf("token (-want +got):\n%s", diff)
		}
	}
	has(true)

	_, err := s.TokenByHash(t.Context(), []byte("no such hash"))
	wantFault(t, "an unknown hash", err, fault.NotFound)
	twin := newToken("full")
	if err := s.CreateToken(t.Context(), twin); err == nil {
		t.Error("two tokens have one hash")
	}
}

func testClaim(t *testing.T, s *store.Store) {
	claim := func(ctx context.Context, name, value, want string) {
		t.Helper()
		got, err := s.Claim(ctx, name, []byte(value))
		if err != nil || string(got) != want {
			t.Errorf("claim %s for %s: got %q, %v; want %q", name, value, got, err, want)
		}
	}
	claim(t.Context(), "keyset", "one", "one")
	claim(t.Context(), "keyset", "two", "one")
	claim(t.Context(), "other", "two", "two")

	undo := errors.New("undo")
	err := s.InTx(t.Context(), func(ctx context.Context) error {
		claim(ctx, "undone", "one", "one")
		return undo
	})
	if !errors.Is(err, undo) {
		t.Errorf("InTx: got %v", err)
	}
	claim(t.Context(), "undone", "two", "two")

	var mutex sync.Mutex
	winners := 0
	together(16, func(i int) {
		value := string(rune('a' + i))
		got, err := s.Claim(t.Context(), "contended", []byte(value))
		if err != nil {
			t.Error("claim:", err)
		}
		mutex.Lock()
		defer mutex.Unlock()
		if string(got) == value {
			winners++
		}
	})
	if winners != 1 {
		t.Errorf("%d claimants found their own value, want 1", winners)
	}
}
