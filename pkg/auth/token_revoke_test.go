package auth_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

// TestOneAdminTokenIsLeft revokes all admin tokens concurrently.
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
		rounds := 8
		if testing.Short() {
			rounds = 2
		}
		for i := range rounds { // connections are still being opened in the first rounds
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
	for _, w := range []*world{one, two} {
		if _, err := w.Authenticate(t.Context(), value); err != nil {
			t.Fatalf("before the revocation: %v", err)
		}
	}
	if err := one.Revoke(t.Context(), admin("acme"), token.ID); err != nil {
		t.Fatal(err)
	}
	_, err := one.Authenticate(t.Context(), value)
	wantFault(t, "the replica that revoked it, at once", err, fault.Unauthenticated)
	two.now = two.now.Add(time.Second)
	_, err = two.Authenticate(t.Context(), value)
	wantFault(t, "the other replica, after a second", err, fault.Unauthenticated)
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
	if err != nil {
		t.Fatal(err)
	}
	want := auth.Principal{Subject: p.Subject, Name: "first admin", Kind: "token", Workspace: auth.DefaultWorkspace, Role: auth.Admin, Scopes: auth.Scopes()}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("the principal (-want +got):\n%s", diff)
	}
	type fact struct{ actor, target string }
	var facts []fact
	for _, e := range w.events(t, auth.DefaultWorkspace) {
		facts = append(facts, fact{e.Actor.Kind, e.Target.ID})
	}
	if diff := cmp.Diff([]fact{{"operator", p.Subject}}, facts, cmp.AllowUnexported(fact{})); diff != "" {
		t.Errorf("the events (-want +got):\n%s", diff)
	}
	if err := w.Revoke(t.Context(), auth.Operator(auth.DefaultWorkspace), p.Subject); err != nil {
		t.Fatal(err)
	}
	again, err := w.FirstAdmin(t.Context(), func(string) error { return errors.New("made again") })
	if again || err != nil {
		t.Errorf("after it was revoked: got %v, %v", again, err)
	}
}
