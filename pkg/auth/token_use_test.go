package auth_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// noted is a store that records stored uses of tokens, and can fail.
type noted struct {
	*store.Store
	mu      sync.Mutex
	batches [][]auth.TokenUse
	err     error
}

// TouchTokens notes uses.
func (s *noted) TouchTokens(ctx context.Context, uses []auth.TokenUse) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.batches = append(s.batches, uses)
	return s.Store.TouchTokens(ctx, uses)
}

func newNoted(t *testing.T) (*world, *noted) {
	t.Helper()
	w := newWorld(t, storetest.SQLite(t))
	s := &noted{Store: w.store}
	w.Tokens = auth.NewTokens(s, recordFunc(func(context.Context, audit.Event) error { return nil }), func() time.Time { return w.now })
	return w, s
}

func (w *world) lastUse(t *testing.T, token auth.Token) *time.Time {
	t.Helper()
	got, err := w.store.TokenByHash(t.Context(), token.Hash)
	if err != nil {
		t.Fatal(err)
	}
	return got.LastUsedAt
}

func TestLastUse(t *testing.T) {
	w, s := newNoted(t)
	start := w.now
	value, token := w.create(t, "acme", withRole("a", auth.Viewer))
	used := func(after time.Duration, want time.Duration) {
		t.Helper()
		w.now = start.Add(after)
		for range 3 {
			if _, err := w.Authenticate(t.Context(), value); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := w.lastUse(t, token); got == nil || !got.Equal(start.Add(want)) {
			t.Errorf("used after %v: the last use is %v, want %v", after, got, start.Add(want))
		}
	}
	used(0, 0)
	used(59*time.Second, 0)
	used(time.Minute, time.Minute)

	// Another process has stored a later use.
	if err := w.store.TouchTokens(t.Context(), []auth.TokenUse{{Workspace: "acme", ID: token.ID, At: start.Add(110 * time.Second)}}); err != nil {
		t.Fatal(err)
	}
	used(2*time.Minute, 110*time.Second)
	used(3*time.Minute, 3*time.Minute)
	if len(s.batches) != 3 {
		t.Errorf("%d statements noted 3 uses", len(s.batches))
	}
}

func TestUsesAreNotedInBatches(t *testing.T) {
	w, s := newNoted(t)
	const tokens = 501 // one more than a batch holds
	var all []auth.Token
	for range tokens {
		value, token := w.create(t, "acme", withRole("a", auth.Viewer))
		if _, err := w.Authenticate(t.Context(), value); err != nil {
			t.Fatal(err)
		}
		all = append(all, token)
	}
	if len(s.batches) != 0 {
		t.Error("a sign-in noted its use itself")
	}
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, token := range all {
		if w.lastUse(t, token) == nil {
			t.Fatal("a use was not noted")
		}
	}
	if len(s.batches) != 2 {
		t.Errorf("%d uses took %d statements, want 2", tokens, len(s.batches))
	}
	if err := w.Flush(t.Context()); err != nil || len(s.batches) != 2 {
		t.Errorf("with nothing to note: %d statements, %v", len(s.batches), err)
	}
}

func TestAUseThatCanNotBeNotedIsTriedAgain(t *testing.T) {
	w, s := newNoted(t)
	value, token := w.create(t, "acme", withRole("a", auth.Viewer))
	away := errors.New("the database is away")
	s.err = away
	if _, err := w.Authenticate(t.Context(), value); err != nil {
		t.Fatal("a request depends on noting its use:", err)
	}
	for range 2 {
		if err := w.Flush(t.Context()); !errors.Is(err, away) {
			t.Errorf("flush: got %v", err)
		}
	}
	// A later use replaces the one that waits.
	w.now = w.now.Add(time.Minute)
	if _, err := w.Authenticate(t.Context(), value); err != nil {
		t.Fatal(err)
	}
	s.err = nil
	if err := w.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&w.now, w.lastUse(t, token)); diff != "" {
		t.Errorf("the last use (-want +got):\n%s", diff)
	}
	want := [][]auth.TokenUse{{{Workspace: "acme", ID: token.ID, At: w.now}}}
	if diff := cmp.Diff(want, s.batches); diff != "" {
		t.Errorf("the statements (-want +got):\n%s", diff)
	}
}
