package storetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"modelproviders/pkg/store"
)

const second = time.Second

func testRate(t *testing.T, s *store.Store) {
	take := func(bucket string, burst int, at time.Time) time.Duration {
		t.Helper()
		wait, err := s.TakeRate(t.Context(), bucket, second, burst, at)
		noError(t, "take", err)
		return wait
	}
	taken := func(what, bucket string, burst int, at time.Time) {
		t.Helper()
		if wait := take(bucket, burst, at); wait != 0 {
			t.Errorf("%s: got a wait of %v, want none", what, wait)
		}
	}
	refused := func(what, bucket string, burst int, at time.Time, want time.Duration) {
		t.Helper()
		if wait := take(bucket, burst, at); wait != want {
			t.Errorf("%s: got a wait of %v, want %v", what, wait, want)
		}
	}

	for range 3 {
		taken("a full bucket", "a", 3, start)
	}
	refused("an empty bucket", "a", 3, start, second)
	refused("nothing was taken by a refusal", "a", 3, start.Add(second/4), second*3/4)
	taken("another bucket", "b", 3, start)
	taken("after one interval", "a", 3, start.Add(second))
	refused("one came back, not more", "a", 3, start.Add(second), second)
	taken("a text that is no UTF-8", "\x00\xff", 1, start)
	refused("and again", "\x00\xff", 1, start, second)

	later := start.Add(time.Hour)
	for range 3 {
		taken("a bucket fills up to its burst", "a", 3, later)
	}
	refused("and no further", "a", 3, later, second)
	refused("a bound that was lowered", "a", 1, later, 3*second)

	// A clock that is behind, on another replica, takes from the same bucket.
	refused("a clock that is behind", "a", 3, later.Add(-second), 2*second)

	noError(t, "drop", s.DropLimits(t.Context(), later.Add(second)))
	refused("a bucket that is not full is kept", "a", 3, later, second)
	noError(t, "drop", s.DropLimits(t.Context(), later.Add(time.Minute)))
	taken("a bucket that was forgotten", "a", 1, later)

	err := s.InTx(t.Context(), func(ctx context.Context) error {
		_, err := s.TakeRate(ctx, "a", second, 3, later)
		return err
	})
	if err == nil {
		t.Error("TakeRate in a transaction worked, and would be undone with it")
	}
}

func testSlots(t *testing.T, s *store.Store) {
	end := start.Add(time.Minute)
	take := func(what, bucket, id string, limit int, now time.Time, want bool) {
		t.Helper()
		got, err := s.TakeSlot(t.Context(), bucket, id, limit, now, end)
		if err != nil || got != want {
			t.Errorf("%s: got %v, %v; want %v", what, got, err, want)
		}
	}
	take("the first", "a", "1", 2, start, true)
	take("the second", "a", "2", 2, start, true)
	take("the third of two", "a", "3", 2, start, false)
	take("another bucket", "b", "4", 2, start, true)
	noError(t, "return", s.ReturnSlot(t.Context(), "1"))
	noError(t, "return again", s.ReturnSlot(t.Context(), "1"))
	take("one that was returned", "a", "5", 2, start, true)
	take("no more than that", "a", "6", 2, end.Add(-1*time.Millisecond), false)
	take("lost ones count no more", "a", "7", 1, end, true)
	noError(t, "drop", s.DropLimits(t.Context(), end))

	err := s.InTx(t.Context(), func(ctx context.Context) error {
		_, err := s.TakeSlot(ctx, "c", "8", 1, start, end)
		return err
	})
	if err == nil {
		t.Error("TakeSlot in a transaction worked, and would be undone with it")
	}
}

// limitsTogether checks that what is taken from several stores on one database
// at once is counted together.
func limitsTogether(t *testing.T, stores ...*store.Store) {
	const callers, limit, rounds = 16, 5, 10
	for range rounds {
		bucket := "together " + newID()
		var taken, slots atomic.Int64
		together(callers, func(i int) {
			s := stores[i%len(stores)]
			got, err := s.TakeSlot(t.Context(), bucket, fmt.Sprint(bucket, i), limit, start, start.Add(time.Minute))
			if err != nil {
				t.Error("take a slot:", err)
			}
			if got {
				slots.Add(1)
			}
			wait, err := s.TakeRate(t.Context(), bucket, time.Hour, limit, start)
			if err != nil {
				t.Error("take:", err)
			}
			if wait == 0 {
				taken.Add(1)
			}
		})
		if taken.Load() != limit || slots.Load() != limit {
			t.Errorf("%d were taken and %d slots, want %d of each", taken.Load(), slots.Load(), limit)
		}
	}
}
