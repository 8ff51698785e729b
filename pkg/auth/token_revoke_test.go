package auth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

func TestRevoke(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	value, token := w.create(t, "acme", withRole("a", auth.Viewer))
	_, foreign := w.create(t, "other", withRole("foreign", auth.Viewer))
	for what, id := range map[string]string{
		"unknown": uuid.NewString(), "foreign": foreign.ID, "no id": "x", "a URN": "urn:uuid:" + token.ID, "empty": "",
	} {
		wantFault(t, what, w.Revoke(t.Context(), admin("acme"), id), fault.NotFound)
	}
	if err := w.Revoke(t.Context(), admin("acme"), strings.ToUpper(token.ID)); err != nil {
		t.Fatal(err)
	}
	_, err := w.Authenticate(t.Context(), value)
	wantFault(t, "sign in", err, fault.Unauthenticated)
	wantFault(t, "revoke again", w.Revoke(t.Context(), admin("acme"), token.ID), fault.NotFound)
}

func TestTheLastAdminTokenStays(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	role := func(name string, role auth.Role, expires time.Duration) auth.Token {
		in := withRole(name, role)
		if expires != 0 {
			in.ExpiresAt = pointer(w.now.Add(expires))
		}
		_, token := w.create(t, "acme", in)
		return token
	}
	last, expiring, editor := role("last", auth.Admin, 0), role("expiring", auth.Admin, time.Minute), role("editor", auth.Editor, 0)
	w.create(t, "other", withRole("foreign", auth.Admin))
	w.now = w.now.Add(time.Hour)

	refused := func(what, id string) {
		t.Helper()
		wantFault(t, what, w.Revoke(t.Context(), admin("acme"), id), fault.LastAdmin)
	}
	revoked := func(what string, by auth.Principal, id string) {
		t.Helper()
		if err := w.Revoke(t.Context(), by, id); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("the last that has not expired", last.ID)
	revoked("one that has expired", admin("acme"), expiring.ID)
	revoked("an editor's", admin("acme"), editor.ID)
	refused("the last of all", last.ID)

	var all []string
	for _, scope := range auth.Scopes() {
		all = append(all, string(scope))
	}
	w.create(t, "acme", auth.NewToken{Name: "nearly", Scopes: all[1:]})
	refused("the last, beside one that may nearly everything", last.ID)
	_, equal := w.create(t, "acme", auth.NewToken{Name: "equal", Scopes: all})
	revoked("one of two", admin("acme"), last.ID)
	refused("the last, which was made with scopes", equal.ID)
	revoked("the last, by the operator", auth.Operator("acme"), equal.ID)
}

// TestOneAdminTokenIsLeft has everyone revoke another admin token at once.
func TestOneAdminTokenIsLeft(t *testing.T) {
	inWorkspace := func(t *testing.T, w *world, workspace string) {
		var ids []string
		for range 6 {
			_, token := w.create(t, workspace, withRole("a", auth.Admin))
			ids = append(ids, token.ID)
		}
		var revoked atomic.Int64
		var group sync.WaitGroup
		for _, id := range ids {
			group.Go(func() {
				switch err := w.Revoke(t.Context(), admin(workspace), id); {
				case err == nil:
					revoked.Add(1)
				case !fault.Is(err, fault.LastAdmin):
					t.Error(err)
				}
			})
		}
		group.Wait()
		if revoked.Load() != int64(len(ids)-1) {
			t.Errorf("%d of %d admin tokens were revoked, want all but one", revoked.Load(), len(ids))
		}
	}
	check := func(t *testing.T, s *store.Store) {
		w := newWorld(t, s)
		for i := range 8 { // at first the connections are still being made
			inWorkspace(t, w, fmt.Sprint("acme ", i))
		}
	}
	t.Run("SQLite", func(t *testing.T) { check(t, storetest.SQLite(t)) })
	t.Run("Postgres", func(t *testing.T) {
		check(t, storetest.Open(t, store.Config{DatabaseURL: storetest.Postgres(t)}))
	})
}

func TestARevocationIsSeenByEveryReplica(t *testing.T) {
	url := storetest.Postgres(t)
	one := newWorld(t, storetest.Open(t, store.Config{DatabaseURL: url}))
	two := newWorld(t, storetest.Open(t, store.Config{DatabaseURL: url}))
	value, token := one.create(t, "acme", withRole("a", auth.Viewer))
	if _, err := two.Authenticate(t.Context(), value); err != nil {
		t.Fatalf("the other replica: %v", err)
	}
	if err := one.Revoke(t.Context(), admin("acme"), token.ID); err != nil {
		t.Fatal(err)
	}
	_, err := two.Authenticate(t.Context(), value)
	wantFault(t, "the other replica, after the revocation", err, fault.Unauthenticated)
}

func TestLastUse(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	start := w.now
	value, token := w.create(t, "acme", withRole("a", auth.Viewer))
	used := func(after time.Duration, want *time.Time) {
		t.Helper()
		w.now = start.Add(after)
		if _, err := w.Authenticate(t.Context(), value); err != nil {
			t.Fatal(err)
		}
		got, err := w.store.TokenByHash(t.Context(), token.Hash)
		if err != nil || got.LastUsedAt == nil || !got.LastUsedAt.Equal(*want) {
			t.Errorf("used after %v: the last use is %v, %v; want %v", after, got.LastUsedAt, err, want)
		}
	}
	used(0, &start)
	used(59*time.Second, &start)
	used(time.Minute, pointer(start.Add(time.Minute)))

	// Another replica has noted a use meanwhile.
	if err := w.store.TouchToken(t.Context(), "acme", token.ID, start.Add(110*time.Second), start.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	used(2*time.Minute, pointer(start.Add(110*time.Second)))
	used(3*time.Minute, pointer(start.Add(3*time.Minute)))
}

// stuck is a store that can't note the use of a token.
type stuck struct {
	*store.Store
	tries    atomic.Int64
	deadline time.Duration // how long the last try may last
}

// TouchToken waits as long as it may.
func (s *stuck) TouchToken(ctx context.Context, _, _ string, _, _ time.Time) error {
	s.tries.Add(1)
	end, ok := ctx.Deadline()
	if !ok {
		return errors.New("no deadline")
	}
	s.deadline = time.Until(end)
	<-ctx.Done()
	return ctx.Err()
}

func TestARequestDoesNotDependOnNotingItsUse(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	value, _ := w.create(t, "acme", withRole("a", auth.Viewer))
	s := &stuck{Store: w.store}
	tokens := auth.NewTokens(s, nil, nil, func() time.Time { return w.now })
	for range 3 {
		if _, err := tokens.Authenticate(t.Context(), value); err != nil {
			t.Errorf("sign in: %v", err)
		}
	}
	if s.tries.Load() != 1 || s.deadline <= 0 || s.deadline > 200*time.Millisecond {
		t.Errorf("%d tries within a minute, the last might take %v", s.tries.Load(), s.deadline)
	}
	w.now = w.now.Add(time.Minute)
	if _, err := tokens.Authenticate(t.Context(), value); err != nil || s.tries.Load() != 2 {
		t.Errorf("a minute later: %d tries, %v", s.tries.Load(), err)
	}
}

func TestFirstAdmin(t *testing.T) {
	s := storetest.SQLite(t)
	w := newWorld(t, s)
	full := errors.New("no space left")
	if made, err := w.FirstAdmin(t.Context(), func(string) error { return full }); made || !errors.Is(err, full) {
		t.Errorf("a token that can't be saved: got %v, %v", made, err)
	}
	var group sync.WaitGroup
	var made atomic.Int64
	var value atomic.Value
	for range 8 {
		group.Go(func() {
			mine, err := newWorld(t, s).FirstAdmin(t.Context(), func(v string) error {
				value.Store(v)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			if mine {
				made.Add(1)
			}
		})
	}
	group.Wait()
	if made.Load() != 1 {
		t.Fatalf("%d first tokens were made, want 1", made.Load())
	}
	p, err := w.Authenticate(t.Context(), value.Load().(string))
	if err != nil || p.Role != auth.Admin || p.Workspace != auth.DefaultWorkspace {
		t.Errorf("got %+v, %v", p, err)
	}
	if events := w.events(t, auth.DefaultWorkspace); len(events) != 1 || events[0].Actor.Kind != "operator" || events[0].Target.ID != p.Subject {
		t.Errorf("events: %+v", events)
	}
	if err := w.Revoke(t.Context(), auth.Operator(auth.DefaultWorkspace), p.Subject); err != nil {
		t.Fatal(err)
	}
	again, err := w.FirstAdmin(t.Context(), func(string) error { return errors.New("made again") })
	if again || err != nil {
		t.Errorf("after it was revoked: got %v, %v", again, err)
	}
}
