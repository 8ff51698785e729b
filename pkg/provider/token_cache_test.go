package provider

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// tokenSource issues the tokens 1, 2, … of a life, or refuses.
type tokenSource struct {
	*tokenCache[int]
	life   time.Duration
	refuse error
	asked  int
}

func newTokenSource(life time.Duration) *tokenSource {
	s := &tokenSource{life: life}
	s.tokenCache = newTokenCache(func(context.Context) (int, time.Time, error) {
		s.asked++
		if s.refuse != nil {
			return 0, time.Time{}, s.refuse
		}
		return s.asked, time.Now().Add(s.life), nil
	})
	return s
}

func (s *tokenSource) want(t *testing.T, token, asked int, after string) {
	t.Helper()
	got, err := s.get(t.Context())
	if err != nil || got != token || s.asked != asked {
		t.Errorf("%s: token %d (%v) after %d requests, want %d after %d", after, got, err, s.asked, token, asked)
	}
}

func TestTokenIsRenewedBeforeItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTokenSource(time.Hour)
		s.want(t, 1, 1, "at first")
		time.Sleep(57 * time.Minute)
		s.want(t, 1, 1, "three minutes before its end")
		time.Sleep(90 * time.Second)
		s.want(t, 2, 2, "90 seconds before its end")
	})
}

func TestTokenIsUsedAlthoughItsRenewalFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTokenSource(time.Hour)
		s.want(t, 1, 1, "at first")
		s.refuse = errors.New("not now")
		time.Sleep(59 * time.Minute)
		s.want(t, 1, 2, "after a failed renewal")
		s.want(t, 1, 2, "directly after it")
		time.Sleep(renewPause)
		s.want(t, 1, 3, "after a pause")
		time.Sleep(30 * time.Second)
		if token, err := s.get(t.Context()); !errors.Is(err, s.refuse) {
			t.Errorf("got %d, %v after its end", token, err)
		}
		s.refuse = nil
		s.want(t, 5, 5, "once tokens are issued again")
	})
}

// TestRenewalHoldsNobodyUp has a token service that does not answer.
func TestRenewalHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTokenSource(time.Hour)
		s.want(t, 1, 1, "at first")
		time.Sleep(59 * time.Minute)
		s.fetch = func(ctx context.Context) (int, time.Time, error) {
			<-ctx.Done()
			return 0, time.Time{}, ctx.Err()
		}
		began := time.Now()
		go func() { s.want(t, 1, 1, "when it was not renewed in time") }()
		synctest.Wait()
		s.want(t, 1, 1, "while another one renews it")
		if waited := time.Since(began); waited > 0 {
			t.Errorf("waited %v for the renewal of another one", waited)
		}
		time.Sleep(renewTimeout)
		synctest.Wait()
	})
}
