package auth_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// watched is a store that counts reads of tokens and can delay them.
type watched struct {
	*store.Store
	reads int
	// after, if not nil, is called after a token was read and before it is returned.
	after func(auth.Token, error) error
}

// TokenByHash reads a token.
func (s *watched) TokenByHash(ctx context.Context, hash []byte) (auth.Token, error) {
	s.reads++
	token, err := s.Store.TokenByHash(ctx, hash)
	if s.after != nil {
		err = s.after(token, err)
	}
	return token, err
}

// newWatched returns a world over a watched store.
func newWatched(t *testing.T) (*world, *watched) {
	t.Helper()
	w := newWorld(t, storetest.SQLite(t))
	s := &watched{Store: w.store}
	clock := func() time.Time { return w.now }
	w.Tokens = auth.NewTokens(s, audit.NewLog(w.store, make([]byte, 32), clock), clock)
	return w, s
}

// reads checks how often a sign-in reads the store.
func (w *world) reads(t *testing.T, what string, s *watched, value string, want int) {
	t.Helper()
	before := s.reads
	if _, err := w.Authenticate(t.Context(), value); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if got := s.reads - before; got != want {
		t.Errorf("%s: the store is read %d times, want %d", what, got, want)
	}
}

func TestAValidTokenIsKeptForASecond(t *testing.T) {
	w, s := newWatched(t)
	value, _ := w.create(t, "acme", withRole("a", auth.Viewer))
	other, _ := w.create(t, "acme", withRole("b", auth.Viewer))
	w.reads(t, "the first time", s, value, 1)
	w.reads(t, "again", s, value, 0)
	w.reads(t, "another token", s, other, 1)
	w.now = w.now.Add(time.Second - time.Millisecond)
	w.reads(t, "within the second", s, value, 0)
	w.now = w.now.Add(time.Millisecond)
	w.reads(t, "after a second, however often it was used in it", s, value, 1)

	// The second starts when the read starts, not when it returns.
	s.after = func(_ auth.Token, err error) error { w.now = w.now.Add(600 * time.Millisecond); return err }
	w.now = w.now.Add(time.Second)
	w.reads(t, "a slow read", s, value, 1)
	w.reads(t, "600 ms after it began", s, value, 0)
	w.now = w.now.Add(400 * time.Millisecond)
	w.reads(t, "a second after it began", s, value, 1)

	w.now = w.now.Add(-time.Minute)
	w.reads(t, "when the clock was set back", s, value, 1)
}

func TestATokenThatIsNotValidIsNotKept(t *testing.T) {
	w, s := newWatched(t)
	revoked, token := w.create(t, "acme", withRole("a", auth.Viewer))
	in := withRole("short", auth.Viewer)
	in.ExpiresAt = pointer(w.now.Add(time.Hour))
	expired, _ := w.create(t, "acme", in)
	unknown, _ := newWorld(t, storetest.SQLite(t)).create(t, "acme", withRole("a", auth.Viewer))
	w.now = w.now.Add(time.Hour)
	if err := w.store.RevokeToken(t.Context(), "acme", token.ID, w.now); err != nil { // by another process
		t.Fatal(err)
	}
	for what, value := range map[string]string{"revoked": revoked, "expired": expired, "unknown": unknown} {
		before := s.reads
		for range 3 {
			_, err := w.Authenticate(t.Context(), value)
			wantFault(t, what, err, fault.Unauthenticated)
		}
		if got := s.reads - before; got != 3 {
			t.Errorf("%s: the store is read %d times in 3 sign-ins", what, got)
		}
	}
}

func TestATokenThatIsKeptExpires(t *testing.T) {
	w, s := newWatched(t)
	in := withRole("short", auth.Viewer)
	in.ExpiresAt = pointer(w.now.Add(300 * time.Millisecond))
	value, _ := w.create(t, "acme", in)
	w.reads(t, "the first time", s, value, 1)
	w.now = w.now.Add(299 * time.Millisecond)
	w.reads(t, "just before it expires", s, value, 0)
	w.now = w.now.Add(time.Millisecond)
	_, err := w.Authenticate(t.Context(), value)
	wantFault(t, "when it expires", err, fault.Unauthenticated)
}

func TestWhileTheDatabaseIsAwayATokenIsGoodForASecond(t *testing.T) {
	w, s := newWatched(t)
	value, _ := w.create(t, "acme", withRole("a", auth.Viewer))
	w.reads(t, "the first time", s, value, 1)
	s.after = func(auth.Token, error) error { return fault.New(fault.Unavailable, "The database is away.") }
	w.reads(t, "within the second", s, value, 0)
	w.now = w.now.Add(time.Second)
	_, err := w.Authenticate(t.Context(), value)
	wantFault(t, "after it", err, fault.Unavailable)
}

// TestARevocationBesideARead: the result of a read that began before a revocation is
// not cached.
func TestARevocationBesideARead(t *testing.T) {
	w, s := newWatched(t)
	value, token := w.create(t, "acme", withRole("a", auth.Viewer))
	arrived, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s.after = func(_ auth.Token, err error) error {
		once.Do(func() { close(arrived); <-goOn })
		return err
	}
	signedIn := make(chan error)
	go func() {
		_, err := w.Authenticate(t.Context(), value)
		signedIn <- err
	}()
	<-arrived // the token was read, and was valid
	if err := w.Revoke(t.Context(), admin("acme"), token.ID); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	if err := <-signedIn; err != nil {
		t.Error("the sign-in that began before the revocation:", err)
	}
	_, err := w.Authenticate(t.Context(), value)
	wantFault(t, "at once after the revocation", err, fault.Unauthenticated)
}

// lost is a store whose commits succeed but report an error.
type lost struct{ *store.Store }

// InTx commits and returns unavailable.
func (s lost) InTx(ctx context.Context, fn func(context.Context) error) error {
	return errors.Join(s.Store.InTx(ctx, fn), fault.New(fault.Unavailable, "The connection was lost."))
}

func TestARevocationWhoseAnswerIsLost(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t))
	value, token := w.create(t, "acme", withRole("a", auth.Viewer))
	clock := func() time.Time { return w.now }
	tokens := auth.NewTokens(lost{w.store}, audit.NewLog(w.store, make([]byte, 32), clock), clock)
	if _, err := tokens.Authenticate(t.Context(), value); err != nil {
		t.Fatal(err)
	}
	wantFault(t, "revoke", tokens.Revoke(t.Context(), admin("acme"), token.ID), fault.Unavailable)
	_, err := tokens.Authenticate(t.Context(), value)
	wantFault(t, "sign in", err, fault.Unauthenticated)
}
