package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// world is a token service over a real store, with a clock that the test sets.
type world struct {
	*auth.Tokens
	store *store.Store
	now   time.Time
}

// recordFunc is an audit.Recorder.
type recordFunc func(ctx context.Context, e audit.Event) error

func (r recordFunc) Record(ctx context.Context, events ...audit.Event) error {
	return r(ctx, events[0])
}

func (r recordFunc) Seal(_ context.Context, e audit.Event) audit.Event { return e }

func newWorld(t *testing.T, s *store.Store) *world {
	t.Helper()
	w := &world{store: s, now: time.Date(2026, 11, 5, 10, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return w.now }
	w.Tokens = auth.NewTokens(s, audit.NewLog(s, make([]byte, 32), clock), clock)
	return w
}

func pointer[T any](value T) *T { return &value }

func withRole(name string, role auth.Role) auth.NewToken {
	return auth.NewToken{Name: name, Role: pointer(string(role))}
}

// create creates a token as the operator.
func (w *world) create(t *testing.T, workspace string, in auth.NewToken) (string, auth.Token) {
	t.Helper()
	value, token, err := w.Create(t.Context(), auth.Operator(workspace), in)
	if err != nil {
		t.Fatalf("create %q: %v", in.Name, err)
	}
	return value, token
}

func (w *world) events(t *testing.T, workspace string) []audit.Event {
	t.Helper()
	events, err := w.store.Events(t.Context(), workspace, audit.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func admin(workspace string) auth.Principal {
	return auth.Principal{Subject: "me", Kind: "token", Workspace: workspace, Role: auth.Admin, Scopes: auth.Scopes()}
}

func wantFault(t *testing.T, what string, err error, want fault.Kind) {
	t.Helper()
	if !fault.Is(err, want) {
		t.Errorf("%s: got %v, want %s", what, err, want)
	}
}

func TestATokenIsGoodForWhatItWasMadeFor(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	for _, test := range []struct {
		in     auth.NewToken
		role   auth.Role
		scopes []auth.Scope
	}{
		{withRole(" Viewer ", auth.Viewer), auth.Viewer, []auth.Scope{auth.ProvidersRead}},
		{withRole("Admin", auth.Admin), auth.Admin, auth.Scopes()},
		{auth.NewToken{Name: "CI", Scopes: []string{"models:test", "providers:read"}}, "", []auth.Scope{auth.ProvidersRead, auth.ModelsTest}},
	} {
		value, token := w.create(t, "acme", test.in)
		wantToken := auth.Token{ID: token.ID, Workspace: "acme", Name: strings.TrimSpace(test.in.Name), Role: test.role, Scopes: test.scopes,
			Hash: token.Hash, CreatedAt: w.now}
		if diff := cmp.Diff(wantToken, token); diff != "" {
			t.Errorf("%s: token (-want +got):\n%s", test.in.Name, diff)
		}
		p, err := w.Authenticate(t.Context(), value)
		if err != nil {
			t.Errorf("%s: %v", test.in.Name, err)
		}
		want := auth.Principal{Subject: token.ID, Name: token.Name, Kind: "token", Workspace: "acme", Role: test.role, Scopes: test.scopes}
		if diff := cmp.Diff(want, p); diff != "" {
			t.Errorf("%s: principal (-want +got):\n%s", test.in.Name, diff)
		}
	}
}

func TestAValueThatIsNotOursIsRefused(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	value, token := w.create(t, "acme", withRole("a", auth.Admin))
	if !strings.HasPrefix(value, "mp_") || len(value) != 52 {
		t.Errorf("the value %q is not mp_, 43 digits and a checksum of 6", value)
	}
	if bytes.Contains(token.Hash, []byte(value)) || len(token.Hash) != 32 {
		t.Errorf("the hash has %d bytes", len(token.Hash))
	}
	other, _ := newWorld(t, storetest.SQLite(t)).create(t, "acme", withRole("a", auth.Admin))
	for _, bearer := range []string{"", "mp_", value[:51], value + "0", "MP_" + value[3:], " " + value, other} {
		_, err := w.Authenticate(t.Context(), bearer)
		wantFault(t, fmt.Sprintf("%q", bearer), err, fault.Unauthenticated)
	}
	for i := range value {
		changed := []byte(value)
		changed[i] ^= 1
		_, err := w.Authenticate(t.Context(), string(changed))
		wantFault(t, fmt.Sprintf("character %d changed", i), err, fault.Unauthenticated)
	}
}

func TestAnExpiredTokenIsRefused(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	in := withRole("short", auth.Viewer)
	in.ExpiresAt = pointer(w.now.Add(time.Hour))
	value, _ := w.create(t, "acme", in)
	w.now = w.now.Add(time.Hour - time.Millisecond)
	if _, err := w.Authenticate(t.Context(), value); err != nil {
		t.Errorf("before it expires: %v", err)
	}
	w.now = w.now.Add(time.Millisecond)
	_, err := w.Authenticate(t.Context(), value)
	wantFault(t, "when it expires", err, fault.Unauthenticated)
}

func TestWhatATokenCanNotBe(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	past, now := w.now.Add(-time.Hour), w.now
	for what, test := range map[string]struct {
		in   auth.NewToken
		want []string // field and code
	}{
		"nothing":             {auth.NewToken{}, []string{"name required", "role required"}},
		"blank name":          {withRole(" \t", auth.Viewer), []string{"name required"}},
		"long name":           {withRole(strings.Repeat("n", 101), auth.Viewer), []string{"name too_long"}},
		"control character":   {withRole("a\nb", auth.Viewer), []string{"name invalid"}},
		"unknown role":        {withRole("a", "owner"), []string{"role invalid"}},
		"empty role":          {withRole("a", ""), []string{"role invalid"}},
		"both":                {auth.NewToken{Name: "a", Role: pointer("viewer"), Scopes: []string{"audit:read"}}, []string{"scopes invalid"}},
		"no scopes":           {auth.NewToken{Name: "a", Scopes: []string{}}, []string{"scopes required"}},
		"odd scopes":          {auth.NewToken{Name: "a", Scopes: []string{"audit:read", "x"}}, []string{"scopes[1] invalid"}},
		"expired":             {auth.NewToken{Name: "a", Role: pointer("viewer"), ExpiresAt: &past}, []string{"expires_at invalid"}},
		"expiring now":        {auth.NewToken{Name: "a", Role: pointer("viewer"), ExpiresAt: &now}, []string{"expires_at invalid"}},
		"what was found read": {auth.NewToken{Name: "", Role: pointer("viewer"), Problems: fault.Problems{Invalid: fault.Fields{{Name: "x", Code: fault.Unknown}}}}, []string{"x unknown", "name required"}},
	} {
		_, _, err := w.Create(t.Context(), admin("acme"), test.in)
		var got []string
		if f := fault.As(err); f != nil && f.Kind == fault.ValidationFailed {
			for _, field := range f.Fields {
				got = append(got, field.Name+" "+string(field.Code))
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", what, err, diff)
		}
	}
	for _, workspace := range []string{"", "a\nb", strings.Repeat("w", 129)} {
		_, _, err := w.Create(t.Context(), auth.Operator(workspace), withRole("a", auth.Viewer))
		wantFault(t, fmt.Sprintf("workspace %q", workspace), err, fault.ValidationFailed)
	}
	if held, err := w.store.HasTokens(t.Context()); err != nil || held {
		t.Errorf("a refused token was stored: %v, %v", held, err)
	}
}

func TestATokenHasNoMoreScopesThanItsMaker(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	clerk := auth.Principal{Subject: "clerk", Kind: "oidc", Workspace: "acme", Scopes: []auth.Scope{auth.TokensWrite, auth.ProvidersRead}}
	for _, in := range []auth.NewToken{
		withRole("a", auth.Editor), withRole("a", auth.Admin),
		{Name: "a", Scopes: []string{"providers:read", "credentials:reveal"}},
	} {
		_, _, err := w.Create(t.Context(), clerk, in)
		wantFault(t, "more", err, fault.Forbidden)
	}
	for _, in := range []auth.NewToken{withRole("a", auth.Viewer), {Name: "a", Scopes: []string{"tokens:write"}}} {
		if _, _, err := w.Create(t.Context(), clerk, in); err != nil {
			t.Errorf("no more: %v", err)
		}
	}
	anyone, err := auth.Anyone{}.Authenticate(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Create(t.Context(), anyone, withRole("a", auth.Admin)); err != nil {
		t.Errorf("with authentication off: %v", err)
	}
}

func TestListOfTokens(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	var want []string // newest first
	for i := range 5 {
		w.now = w.now.Add(time.Millisecond)
		_, token := w.create(t, "acme", withRole(fmt.Sprint(i), auth.Viewer))
		want = append([]string{token.ID}, want...)
		w.create(t, "other", withRole("foreign", auth.Viewer))
	}
	if err := w.Revoke(t.Context(), admin("acme"), want[2]); err != nil {
		t.Fatal(err)
	}
	want = slices.Delete(want, 2, 3)
	var got []string
	for q := (auth.TokenQuery{Limit: 2}); ; {
		tokens, err := w.List(t.Context(), "acme", q)
		if err != nil {
			t.Fatal(err)
		}
		for _, token := range tokens {
			got = append(got, token.ID)
			q.Before = &auth.TokenPosition{CreatedAt: token.CreatedAt, ID: token.ID}
		}
		if len(tokens) < q.Limit {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tokens (-want +got):\n%s", diff)
	}
}

func TestTokenEvents(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	in := auth.NewToken{Name: "CI", Scopes: []string{"models:test"}, ExpiresAt: pointer(w.now.Add(time.Hour))}
	value, token, err := w.Create(t.Context(), admin("acme"), in)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Revoke(t.Context(), auth.Operator("acme"), token.ID); err != nil {
		t.Fatal(err)
	}
	events := w.events(t, "acme")
	slices.Reverse(events)
	for i, e := range events {
		if text := fmt.Sprintf("%+v", e); strings.Contains(text, value) || strings.Contains(text, value[3:20]) {
			t.Errorf("the event holds the token: %s", text)
		}
		events[i].ID, events[i].Seal, events[i].LinkMAC = "", nil, nil
	}
	target := audit.Target{Type: "token", ID: token.ID, Name: "CI"}
	want := []audit.Event{
		{At: w.now, Workspace: "acme", Actor: audit.Actor{Subject: "me", Kind: "token"}, Action: audit.TokenCreate,
			Target: target, Outcome: audit.Success, Count: 1, Changes: []audit.Change{
				{Field: "expires_at", New: `"2026-11-05T11:00:00Z"`}, {Field: "name", New: `"CI"`}, {Field: "scopes", New: `["models:test"]`}}},
		{At: w.now, Workspace: "acme", Actor: audit.Actor{Subject: "operator", Kind: "operator"}, Action: audit.TokenRevoke,
			Target: target, Outcome: audit.Success, Count: 1, Changes: []audit.Change{
				{Field: "expires_at", Old: `"2026-11-05T11:00:00Z"`}, {Field: "name", Old: `"CI"`}, {Field: "scopes", Old: `["models:test"]`}}},
	}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestWithoutAnEventNothingHappens(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	value, token := w.create(t, "acme", withRole("a", auth.Viewer))
	full := errors.New("no space left")
	deaf := auth.NewTokens(w.store, recordFunc(func(context.Context, audit.Event) error { return full }), time.Now)

	if _, _, err := deaf.Create(t.Context(), admin("acme"), withRole("b", auth.Viewer)); !errors.Is(err, full) {
		t.Errorf("create: got %v", err)
	}
	if err := deaf.Revoke(t.Context(), admin("acme"), token.ID); !errors.Is(err, full) {
		t.Errorf("revoke: got %v", err)
	}
	if tokens, err := w.List(t.Context(), "acme", auth.TokenQuery{}); err != nil || len(tokens) != 1 {
		t.Errorf("got %d tokens, %v; want the one", len(tokens), err)
	}
	if _, err := w.Authenticate(t.Context(), value); err != nil {
		t.Errorf("the token was revoked: %v", err)
	}
}

// nobodys is a store without tokens.
type nobodys struct{ auth.Store }

// TokenByHash finds none.
func (nobodys) TokenByHash(context.Context, []byte) (auth.Token, error) {
	return auth.Token{}, fault.New(fault.NotFound, "There is no such token.")
}

// FuzzToken authenticates with any text where no token exists.
func FuzzToken(f *testing.F) {
	for _, seed := range []string{"", "mp_", "mp_" + strings.Repeat("0", 49), "mp_" + strings.Repeat("z", 49), "mp_" + strings.Repeat("é", 25), "a.b.c"} {
		f.Add(seed)
	}
	tokens := auth.NewTokens(nobodys{}, nil, time.Now)
	f.Fuzz(func(t *testing.T, bearer string) {
		if p, err := tokens.Authenticate(t.Context(), bearer); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("got %+v, %v", p, err)
		}
	})
}
