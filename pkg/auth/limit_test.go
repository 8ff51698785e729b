package auth_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
)

// passed counts how many of n calls are allowed.
func passed(n int, call func() error) (count int) {
	for range n {
		if call() == nil {
			count++
		}
	}
	return count
}

func wantPassed(t *testing.T, what string, call func() error, want int) {
	t.Helper()
	if got := passed(3*want+3, call); got != want {
		t.Errorf("%s: %d are allowed, want %d", what, got, want)
	}
}

// wantLimited fails the test unless err is rate_limited with that message and a time to
// wait.
func wantLimited(t *testing.T, what string, err error, message string) *fault.Error {
	t.Helper()
	got := fault.As(err)
	if got == nil {
		t.Fatalf("%s: got %v, want rate_limited", what, err)
	}
	want := &fault.Error{Kind: fault.RateLimited, Message: message, RetryAfter: got.RetryAfter}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
	if got.RetryAfter <= 0 {
		t.Errorf("%s: no time to wait", what)
	}
	return got
}

func revealOf(l *auth.Limiter, subject string) func() error {
	return func() error { return l.Reveal(auth.Principal{Workspace: "acme", Kind: "token", Subject: subject}) }
}

// testOf starts tests that do not end.
func testOf(l *auth.Limiter, workspace string) func() error {
	return func() error { _, err := l.Test(workspace); return err }
}

func signInOf(l *auth.Limiter, address string) func() error {
	return func() error { return l.SignIn(address) }
}

func TestABoundIsExact(t *testing.T) {
	c := newClock()
	l := auth.NewLimiter(auth.Limits{RevealsPerMinute: 10}, c.Now)
	ann := revealOf(l, "ann")
	wantPassed(t, "at once", ann, 10)
	f := wantLimited(t, "number 11", ann(), "Too many reveals. The limit is 10 per minute.")
	if f.RetryAfter > 6*time.Second {
		t.Errorf("number 11: retry after %v, want at most 6s", f.RetryAfter)
	}
	wantPassed(t, "another principal", revealOf(l, "bob"), 10)
	c.Advance(f.RetryAfter - time.Millisecond)
	wantFault(t, "before the wait is over", ann(), fault.RateLimited)
	c.Advance(time.Millisecond)
	wantPassed(t, "after the wait", ann, 1)
	c.Advance(time.Minute - time.Millisecond)
	wantPassed(t, "nearly a minute later", ann, 9)
	c.Advance(time.Hour)
	wantPassed(t, "an hour later", ann, 10)

	// Principals whose joined names are equal are still different.
	p, q := auth.Principal{Workspace: "a", Kind: "oidc", Subject: "b/token/c"}, auth.Principal{Workspace: "a/oidc/b", Kind: "token", Subject: "c"}
	wantPassed(t, "a principal with a slash", func() error { return l.Reveal(p) }, 10)
	wantPassed(t, "its neighbour", func() error { return l.Reveal(q) }, 10)
}

func TestABoundIsExactForManyAtOnce(t *testing.T) {
	l := auth.NewLimiter(auth.Limits{TestsPerMinute: 300, TestsInFlight: 64}, newClock().Now)
	var started, inFlight, most atomic.Int64
	var group sync.WaitGroup
	for range 128 {
		group.Go(func() {
			for range 50 {
				leave, err := l.Test("acme")
				if err != nil {
					continue
				}
				started.Add(1)
				if now := inFlight.Add(1); now > most.Load() {
					most.Store(now)
				}
				inFlight.Add(-1)
				leave()
			}
		})
	}
	group.Wait()
	if started.Load() != 300 || most.Load() > 64 {
		t.Errorf("%d tests began, want 300; at most %d at once", started.Load(), most.Load())
	}
}

func TestWithoutABoundNothingIsRefused(t *testing.T) {
	l := auth.NewLimiter(auth.Limits{}, newClock().Now)
	l.Share(3)
	for what, call := range map[string]func() error{
		"tests": testOf(l, "acme"), "reveals": revealOf(l, "ann"), "sign-ins": signInOf(l, "192.0.2.1"),
	} {
		if got := passed(1000, call); got != 1000 {
			t.Errorf("%s: %d of 1,000 are allowed", what, got)
		}
	}
}

func TestPlacesAreGivenBack(t *testing.T) {
	l := auth.NewLimiter(auth.Limits{TestsInFlight: 2, TestsPerMinute: 5}, newClock().Now)
	leave, err := l.Test("acme")
	if err != nil {
		t.Fatal(err)
	}
	wantPassed(t, "beside one", testOf(l, "acme"), 1)
	wantLimited(t, "beside two", testOf(l, "acme")(), "Too many tests are running in this workspace. The limit is 2.")
	wantPassed(t, "another workspace", testOf(l, "other"), 2)
	leave()
	wantPassed(t, "in the place that was given back", testOf(l, "acme"), 1)

	// A test that was refused because of concurrent ones does not count against the five per minute.
	l = auth.NewLimiter(auth.Limits{TestsInFlight: 1, TestsPerMinute: 5}, newClock().Now)
	for i := range 5 {
		leave, err := l.Test("acme")
		if err != nil {
			t.Fatalf("number %d of 5: %v", i+1, err)
		}
		passed(10, testOf(l, "acme"))
		leave()
	}
	wantLimited(t, "number 6", testOf(l, "acme")(), "Too many tests in this workspace. The limit is 5 per minute.")
}

func TestProcessesShareABound(t *testing.T) {
	limits := auth.Limits{TestsPerMinute: 300, TestsInFlight: 64, RevealsPerMinute: 10, SignInsPerMinute: 60}
	for processes, want := range map[int]struct{ inFlight, reveals, signIns int }{
		1: {64, 10, 60}, 2: {32, 5, 30}, 3: {21, 3, 20}, 11: {5, 1, 5}, 100: {1, 1, 1},
	} {
		l := auth.NewLimiter(limits, newClock().Now)
		l.Share(processes)
		what := fmt.Sprintf("one of %d", processes)
		wantPassed(t, what, testOf(l, "acme"), want.inFlight)
		wantPassed(t, what, revealOf(l, "ann"), want.reveals)
		wantPassed(t, what, signInOf(l, "192.0.2.1"), want.signIns)
		wantLimited(t, what, revealOf(l, "ann")(), "Too many reveals. The limit is 10 per minute.") // as configured
	}
}

func TestAChangedShareIsThatOfKnownCallersToo(t *testing.T) {
	c := newClock()
	l := auth.NewLimiter(auth.Limits{TestsPerMinute: 60, TestsInFlight: 4}, c.Now)
	var leaves []func()
	for range 3 {
		leave, err := l.Test("acme")
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leave)
	}
	l.Share(2) // 2 at once, 30 a minute
	wantFault(t, "beside three of what are two now", testOf(l, "acme")(), fault.RateLimited)
	leaves[0]()
	wantFault(t, "beside two", testOf(l, "acme")(), fault.RateLimited)
	leaves[1]()
	leave, err := l.Test("acme")
	if err != nil {
		t.Fatal("beside one:", err)
	}
	leave()
	leaves[2]()

	alone := func() error { // one after another
		leave, err := l.Test("acme")
		if err == nil {
			leave()
		}
		return err
	}
	wantPassed(t, "what is left is bounded by the share", alone, 29)
	c.Advance(4 * time.Second)
	wantPassed(t, "it fills at the rate of the share", alone, 2)
	l.Share(1)
	wantFault(t, "a larger share is filled in time", alone(), fault.RateLimited)
	c.Advance(4 * time.Second)
	wantPassed(t, "it fills at the rate of the bound", alone, 4)
	c.Advance(time.Minute)
	wantPassed(t, "and up to the bound", alone, 60)

	c.Advance(time.Minute)
	l.Share(2)
	l.Share(1)
	wantPassed(t, "what was full stays full", alone, 60)
}

func TestABucketThatIsNotFullIsNotForgotten(t *testing.T) {
	c := newClock()
	l := auth.NewLimiter(auth.Limits{RevealsPerMinute: 10}, c.Now)
	wantPassed(t, "at once", revealOf(l, "ann"), 10)
	for i := range 59 { // each may remove full buckets
		c.Advance(time.Second)
		wantPassed(t, "another", revealOf(l, fmt.Sprint("other ", i)), 10)
	}
	wantPassed(t, "59 seconds later", revealOf(l, "ann"), 9)
}

// TestTooManyCallersShareABucket: any number of callers takes bounded memory, and none
// can evade a limit.
func TestTooManyCallersShareABucket(t *testing.T) {
	const known = 100_000
	c := newClock()
	l := auth.NewLimiter(auth.Limits{SignInsPerMinute: 3}, c.Now)
	address := func(i int) string { return fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255) }
	for i := range known {
		if err := l.SignIn(address(i)); err != nil {
			t.Fatalf("address %d: %v", i, err)
		}
	}
	late := 0
	for i := range 10 {
		late += passed(3, signInOf(l, address(known+i)))
	}
	if late != 3 {
		t.Errorf("%d sign-ins of later addresses are allowed in total, want 3", late)
	}
	wantPassed(t, "one that was there before", signInOf(l, address(7)), 2)

	c.Advance(21 * time.Second) // a token is added every 20 seconds: all buckets but one are full
	wantPassed(t, "a new address when others have become full", signInOf(l, address(known)), 3)
	wantPassed(t, "and another", signInOf(l, address(known+1)), 3)
	wantPassed(t, "the one that was there before", signInOf(l, address(7)), 1)
}

func TestAddressesThatAreOneClient(t *testing.T) {
	for _, test := range []struct {
		first, second string
		one           bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"::ffff:192.0.2.1", "::ffff:192.0.2.2", false},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true},
		{"2001:db8:1:2::1", "2001:DB8:1:2:0::9", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
		{"", "unknown", false},
	} {
		l := auth.NewLimiter(auth.Limits{SignInsPerMinute: 1}, newClock().Now)
		if err := l.SignIn(test.first); err != nil {
			t.Fatal(err)
		}
		if one := l.SignIn(test.second) != nil; one != test.one {
			t.Errorf("%q and %q count as one: %t, want %t", test.first, test.second, one, test.one)
		}
	}
}

// BenchmarkReveal measures a limit with many known callers.
func BenchmarkReveal(b *testing.B) {
	l := auth.NewLimiter(auth.Limits{RevealsPerMinute: 1 << 30}, time.Now)
	subjects := make([]string, 10_000)
	for i := range subjects {
		subjects[i] = fmt.Sprint("subject ", i)
	}
	for i := 0; b.Loop(); i++ {
		if err := revealOf(l, subjects[i%len(subjects)])(); err != nil {
			b.Fatal(err)
		}
	}
}
