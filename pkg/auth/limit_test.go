package auth_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/store/storetest"
)

func TestTakeIsBoundedByTheMinute(t *testing.T) {
	c := newClock()
	l := auth.NewLimiter(storetest.SQLite(t), c.Now)
	take := func(bucket string, perMinute int) error { return l.Take(t.Context(), bucket, perMinute, "reveals") }

	for i := range 10 {
		if err := take("ann", 10); err != nil {
			t.Fatalf("number %d of 10: %v", i+1, err)
		}
	}
	f := fault.As(take("ann", 10))
	if f == nil || f.Kind != fault.RateLimited || f.RetryAfter <= 0 || f.RetryAfter > 6*time.Second || !strings.Contains(f.Message, "reveals: at most 10") {
		t.Errorf("number 11: got %+v", f)
	}
	if err := take("bob", 10); err != nil {
		t.Errorf("another bucket: %v", err)
	}
	c.Advance(f.RetryAfter)
	if err := take("ann", 10); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	wantFault(t, "again at once", take("ann", 10), fault.RateLimited)
	for range 100 {
		if err := take("ann", 0); err != nil {
			t.Fatalf("without a bound: %v", err)
		}
	}
}

func TestPlacesAreGivenBack(t *testing.T) {
	c := newClock()
	l := auth.NewLimiter(storetest.SQLite(t), c.Now)
	enter := func(ctx context.Context, limit int) (func() error, error) {
		return l.Enter(ctx, "tests", limit, time.Minute, "tests")
	}
	ctx, cancel := context.WithCancel(t.Context())
	leave, err := enter(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = enter(t.Context(), 1)
	if f := fault.As(err); f == nil || f.Kind != fault.RateLimited || f.RetryAfter <= 0 || !strings.Contains(f.Message, "tests at once: at most 1") {
		t.Errorf("beside another: got %v", err)
	}
	cancel() // the caller went away
	if err := leave(); err != nil {
		t.Fatal("leave:", err)
	}
	if _, err := enter(t.Context(), 1); err != nil {
		t.Errorf("after it was given back: %v", err)
	}
	c.Advance(time.Minute)
	if _, err := enter(t.Context(), 1); err != nil {
		t.Errorf("after a lease ended: %v", err)
	}
	for range 5 {
		if leave, err = enter(t.Context(), 0); err != nil || leave() != nil {
			t.Fatalf("without a bound: %v", err)
		}
	}
}
