package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

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

	earlier := newToken("earlier")
	earlier.Role, earlier.Scopes = auth.Admin, auth.Viewer.Scopes() // the role had fewer scopes then
	noError(t, "create", s.CreateToken(t.Context(), earlier))
	if got, err := s.TokenByHash(t.Context(), earlier.Hash); err != nil || !slices.Equal(got.Scopes, auth.Scopes()) {
		t.Errorf("the token of a role that got scopes has %v, %v", got.Scopes, err)
	}

	_, err := s.TokenByHash(t.Context(), []byte("no such hash"))
	wantFault(t, "an unknown hash", err, fault.NotFound)
	twin := newToken("full")
	if err := s.CreateToken(t.Context(), twin); err == nil {
		t.Error("two tokens have one hash")
	}
}

func testTokenList(t *testing.T, s *store.Store) {
	var all []auth.Token // newest first, as they are listed
	for i := range 5 {
		token := newToken(strconv.Itoa(i))
		token.CreatedAt = start.Add(time.Duration(i/2) * time.Millisecond) // two at a time
		noError(t, "create", s.CreateToken(t.Context(), token))
		all = append([]auth.Token{token}, all...)
	}
	foreign := newToken("foreign")
	foreign.Workspace = "another"
	noError(t, "create", s.CreateToken(t.Context(), foreign))
	list := func(q auth.TokenQuery) []auth.Token {
		t.Helper()
		tokens, err := s.Tokens(t.Context(), "any", q)
		noError(t, "list", err)
		return tokens
	}

	var paged []auth.Token
	q := auth.TokenQuery{Limit: 2}
	for {
		tokens := list(q)
		paged = append(paged, tokens...)
		if len(tokens) < q.Limit {
			break
		}
		last := tokens[len(tokens)-1]
		q.Before = &auth.TokenPosition{CreatedAt: last.CreatedAt, ID: last.ID}
	}
	if diff := cmp.Diff(all, paged); diff != "" {
		t.Errorf("tokens in pages (-want +got):\n%s", diff)
	}

	use := func(token auth.Token, at time.Time) auth.TokenUse {
		return auth.TokenUse{Workspace: "any", ID: token.ID, At: at}
	}
	noError(t, "touch none", s.TouchTokens(t.Context(), nil))
	noError(t, "touch", s.TouchTokens(t.Context(), []auth.TokenUse{
		use(all[0], start), use(foreign, start), use(all[2], start.Add(time.Hour)), use(newToken("unknown"), start),
	}))
	noError(t, "touch again", s.TouchTokens(t.Context(), []auth.TokenUse{
		use(all[0], start.Add(time.Minute)), use(all[2], start), // of which a later use is noted
	}))
	all[0].LastUsedAt, all[2].LastUsedAt = pointer(start.Add(time.Minute)), pointer(start.Add(time.Hour))
	noError(t, "revoke", s.RevokeToken(t.Context(), "any", all[1].ID, start.Add(time.Hour)))
	wantFault(t, "revoke again", s.RevokeToken(t.Context(), "any", all[1].ID, start), fault.NotFound)
	wantFault(t, "revoke a foreign one", s.RevokeToken(t.Context(), "any", foreign.ID, start), fault.NotFound)
	revoked, err := s.TokenByHash(t.Context(), all[1].Hash)
	noError(t, "read", err)
	if revoked.RevokedAt == nil || !revoked.RevokedAt.Equal(start.Add(time.Hour)) {
		t.Errorf("revoked at %v", revoked.RevokedAt)
	}
	all = append(all[:1], all[2:]...)
	if diff := cmp.Diff(all, list(auth.TokenQuery{})); diff != "" {
		t.Errorf("tokens that are not revoked (-want +got):\n%s", diff)
	}
	wantRevoked := func(q auth.TokenQuery, want ...auth.Token) {
		t.Helper()
		q.Revoked = true
		if diff := cmp.Diff(want, list(q), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("revoked tokens (-want +got):\n%s", diff)
		}
	}
	wantRevoked(auth.TokenQuery{Limit: 2}, revoked)
	wantRevoked(auth.TokenQuery{Before: &auth.TokenPosition{CreatedAt: revoked.CreatedAt, ID: revoked.ID}})
	got, err := s.TokenByHash(t.Context(), foreign.Hash)
	noError(t, "read the foreign token", err)
	if diff := cmp.Diff(foreign, got); diff != "" {
		t.Errorf("the foreign token was changed (-want +got):\n%s", diff)
	}

	if _, err := s.LockTokens(t.Context(), "any"); err == nil {
		t.Error("LockTokens outside a transaction worked")
	}
	// Each revokes one token, unless it is the last.
	together(4, func(i int) {
		err := s.InTx(t.Context(), func(ctx context.Context) error {
			held, err := s.LockTokens(ctx, "any")
			if err != nil || len(held) < 2 {
				return err
			}
			return s.RevokeToken(ctx, "any", held[0].ID, start)
		})
		if err != nil {
			t.Errorf("revoke %d: %v", i, err)
		}
	})
	if left := list(auth.TokenQuery{}); len(left) != 1 {
		t.Errorf("%d tokens are left, want 1", len(left))
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
	held := func(name, want string) {
		t.Helper()
		if got, err := s.Claimed(t.Context(), name); err != nil || string(got) != want {
			t.Errorf("claimed under %s: got %q, %v; want %q", name, got, err, want)
		}
	}
	_, err := s.Claimed(t.Context(), "keyset")
	wantFault(t, "read what nobody claimed", err, fault.NotFound)
	claim(t.Context(), "keyset", "one", "one")
	claim(t.Context(), "keyset", "two", "one")
	claim(t.Context(), "other", "two", "two")
	held("keyset", "one")

	undo := errors.New("undo")
	err = s.InTx(t.Context(), func(ctx context.Context) error {
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
