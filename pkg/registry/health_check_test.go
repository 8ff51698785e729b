package registry_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/registry"
)

// checked is a service whose providers are checked, with a clock that the test moves.
type checked struct {
	*kit
	*observed
	schedule registry.CheckSchedule
	checker  *registry.HealthChecker
	ahead    time.Duration
}

func newChecked(t *testing.T, schedule registry.CheckSchedule, change ...func(*registry.Config)) *checked {
	t.Helper()
	c := &checked{observed: &observed{}, schedule: schedule}
	c.kit = newKit(t, append(change, func(config *registry.Config) { config.Observer = c.observed })...)
	c.checker = c.newChecker(t, c.Registry)
	return c
}

// newChecker is what another process has.
func (c *checked) newChecker(t *testing.T, r *registry.Registry) *registry.HealthChecker {
	return registry.NewHealthChecker(r, aheadStore{c.store, c}, c.schedule, func(err error) { t.Error(err) })
}

// aheadStore is a store with a clock that is ahead.
type aheadStore struct {
	registry.HealthCheckStore
	checked *checked
}

func (s aheadStore) NextCheck(ctx context.Context) (now time.Time, due *time.Time, err error) {
	now, due, err = s.HealthCheckStore.NextCheck(ctx)
	return now.Add(s.checked.ahead), due, err
}

// now is the time of the service.
func (c *checked) now(t *testing.T) time.Time {
	t.Helper()
	now, _, err := c.store.NextCheck(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return now.Add(c.ahead)
}

// run schedules new providers, and makes the checks that are due until a time, each at
// its time.
func (c *checked) run(t *testing.T, until time.Time) {
	t.Helper()
	if _, err := c.checker.Schedule(t.Context()); err != nil {
		t.Fatal(err)
	}
	for {
		now, due, err := c.store.NextCheck(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if due == nil || due.After(until) {
			c.ahead = max(c.ahead, until.Sub(now))
			return
		}
		c.ahead = max(c.ahead, due.Sub(now))
		c.check(t)
	}
}

// check makes the checks that are due.
func (c *checked) check(t *testing.T) {
	t.Helper()
	if err := c.checker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.checker.Wait()
}

// pass makes checks for a while.
func (c *checked) pass(t *testing.T, d time.Duration) {
	t.Helper()
	c.run(t, c.now(t).Add(d))
}

// lists and tests count the requests of an upstream.
func lists(s *providertest.Server) int { return requests(s, http.MethodGet) }
func tests(s *providertest.Server) int { return requests(s, http.MethodPost) }

func requests(s *providertest.Server, method string) (n int) {
	for _, r := range s.Requests() {
		if r.Method == method {
			n++
		}
	}
	return n
}

// withoutList is a fake whose service has no list of models.
func withoutList(fake providertest.Fake) providertest.Fake {
	answer := fake.Answer
	fake.Answer = func(r *providertest.Request, mode providertest.Mode) (providertest.Answer, bool) {
		if r.Method == http.MethodGet {
			mode = providertest.NoModelList
		}
		return answer(r, mode)
	}
	return fake
}

var everyQuarter = registry.CheckSchedule{Every: 15 * time.Minute, TestsPerDay: 24}

func TestTwoFailuresMarkAndOneSuccessClears(t *testing.T) {
	t.Parallel()
	c := newChecked(t, everyQuarter)
	p := c.create(t, "one")
	c.pass(t, 15*time.Minute)
	if last := c.read(t, p.ID).LastCheck; last == nil || !last.Success || last.By != registry.ByDiscovery || last.At.IsZero() {
		t.Fatalf("the last check is %+v", last)
	}
	c.upstream.Use(providertest.Authentication)
	c.pass(t, 15*time.Minute)
	now := c.read(t, p.ID)
	if now.Status() != registry.Active || now.LastCheck.Success || now.LastCheck.Kind != string(provider.Authentication) {
		t.Errorf("after one failure it is %s, %+v", now.Status(), now.LastCheck)
	}
	c.pass(t, 15*time.Minute)
	now = c.read(t, p.ID)
	wantStatus(t, now, registry.Error, provider.Authentication)
	if now.Version != p.Version || !now.UpdatedAt.Equal(p.UpdatedAt) {
		t.Error("a check changed the version")
	}
	before := lists(c.upstream)
	c.pass(t, 2*time.Hour)
	if n := lists(c.upstream) - before; n < 2 || n > 4 {
		t.Errorf("%d checks of a failing provider in 2 hours", n)
	}
	c.upstream.Use(providertest.RateLimited)
	c.pass(t, 2*time.Hour)
	wantStatus(t, c.read(t, p.ID), registry.Error, provider.Authentication)
	c.upstream.Use(providertest.Success)
	c.pass(t, time.Hour)
	wantStatus(t, c.read(t, p.ID), registry.Active, "")
	c.want(t, "in the end", registry.Error, registry.Active)
	if last := c.read(t, p.ID).Models[0].LastTest; last != nil {
		t.Errorf("a check left the test %+v", last)
	}
}

// The second failure marks a provider that is checked every minute, although the first
// check took longer.
func TestTwoFailuresOfASlowProvider(t *testing.T) {
	t.Parallel()
	c := newChecked(t, registry.CheckSchedule{Every: time.Minute})
	p := c.create(t, "one")
	c.pass(t, time.Minute)
	c.upstream.Use(providertest.Authentication)
	now, due, err := c.store.NextCheck(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.ahead = due.Sub(now)
	g := c.holdUp()
	if err := c.checker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-g.arrived
	time.Sleep(100 * time.Millisecond)
	close(g.open)
	c.checker.Wait()
	c.gate.Store(nil)
	wantStatus(t, c.read(t, p.ID), registry.Active, "")
	c.pass(t, 80*time.Second)
	wantStatus(t, c.read(t, p.ID), registry.Error, provider.Authentication)
}

// Failures that are not the provider's do not mark it, however many there are, and the
// error of a test of a user is cleared by a check.
func TestChecksThatSayNothing(t *testing.T) {
	t.Parallel()
	c := newChecked(t, everyQuarter)
	p := c.create(t, "one")
	for _, mode := range []providertest.Mode{providertest.RateLimited, providertest.Overloaded, providertest.Truncated, providertest.EmptyError} {
		c.upstream.Use(mode)
		c.pass(t, time.Hour)
		if now := c.read(t, p.ID); now.Status() != registry.Active || now.LastCheck.Success {
			t.Errorf("%s: it is %s, the last check is %+v", mode, now.Status(), now.LastCheck)
		}
	}
	c.upstream.Use(providertest.Authentication)
	c.test(t, p)
	wantStatus(t, c.read(t, p.ID), registry.Error, provider.Authentication)
	c.upstream.Use(providertest.Success)
	c.pass(t, 15*time.Minute)
	wantStatus(t, c.read(t, p.ID), registry.Active, "")
}

// What was found is forgotten when the connection changes.
func TestChecksOfANewConnection(t *testing.T) {
	t.Parallel()
	c := newChecked(t, everyQuarter)
	p := c.create(t, "one")
	c.upstream.Use(providertest.Authentication)
	c.pass(t, 15*time.Minute)
	c.update(t, p.ID, newKey(t, "sk-another-key"))
	if last := c.read(t, p.ID).LastCheck; last != nil {
		t.Errorf("the last check of another connection is %+v", last)
	}
	c.pass(t, 15*time.Minute)
	wantStatus(t, c.read(t, p.ID), registry.Active, "")
	c.pass(t, 15*time.Minute)
	wantStatus(t, c.read(t, p.ID), registry.Error, provider.Authentication)

	g := c.holdUp()
	c.ahead += time.Hour
	if err := c.checker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-g.arrived
	c.update(t, p.ID, newKey(t, "sk-the-third-key"))
	close(g.open)
	c.checker.Wait()
	if now := c.read(t, p.ID); now.Status() != registry.Active || now.LastCheck != nil {
		t.Errorf("a result of the old key was stored: %s, %+v", now.Status(), now.LastCheck)
	}
	if last := c.checks[len(c.checks)-1]; last != "discovery dropped" {
		t.Errorf("it is counted as %q", last)
	}
}

func TestNothingIsCheckedThatIsSwitchedOff(t *testing.T) {
	t.Parallel()
	c := newChecked(t, everyQuarter)
	c.upstream = providertest.Start(t, withoutList(providertest.Custom()))
	p := c.create(t, "one")
	c.update(t, p.ID, registry.ProviderEdit{Status: pointer("inactive")})
	c.pass(t, 6*time.Hour)
	if n := len(c.upstream.Requests()); n != 0 {
		t.Errorf("%d requests to an inactive provider", n)
	}
	c.update(t, p.ID, registry.ProviderEdit{Status: pointer("active")})
	edit := registry.ModelEdit{ModelInput: registry.ModelInput{Enabled: pointer(false)}}
	if _, err := c.UpdateModel(t.Context(), workspace, p.ID, p.Models[0].ID, edit); err != nil {
		t.Fatal(err)
	}
	c.pass(t, 6*time.Hour)
	if lists(c.upstream) == 0 || tests(c.upstream) != 0 {
		t.Errorf("%d lists and %d tests without an enabled model", lists(c.upstream), tests(c.upstream))
	}
	edit.Enabled = pointer(true)
	if _, err := c.UpdateModel(t.Context(), workspace, p.ID, p.Models[0].ID, edit); err != nil {
		t.Fatal(err)
	}
	c.pass(t, 6*time.Hour)
	if n := tests(c.upstream); n < 5 || n > 7 {
		t.Errorf("%d tests in 6 hours", n)
	}
	if last := c.read(t, p.ID).LastCheck; !last.Success || last.By != registry.ByTest {
		t.Errorf("the last check is %+v", last)
	}
	body := string(c.upstream.Requests()[len(c.upstream.Requests())-1].Body)
	if !strings.Contains(body, `"max_tokens":256`) || len(body) > 300 {
		t.Errorf("the smallest test is %s", body)
	}
}

// A list that anybody may read clears only what it refutes.
func TestUnprovenLists(t *testing.T) {
	t.Parallel()
	c := newChecked(t, registry.CheckSchedule{Every: 15 * time.Minute})
	fake := providertest.Custom()
	fake.Authentic = func(r *providertest.Request) bool { return r.Method == http.MethodGet }
	c.upstream = providertest.Start(t, fake)
	p := c.create(t, "one")
	c.test(t, p)
	c.pass(t, time.Hour)
	wantStatus(t, c.read(t, p.ID), registry.Error, provider.Authentication)
	if n := tests(c.upstream); n != 1 {
		t.Errorf("%d tests, although the budget is 0", n-1)
	}
	c.update(t, p.ID, newKey(t, "sk-another-key"))
	c.upstream.Use(providertest.HTML)
	c.pass(t, time.Hour)
	wantStatus(t, c.read(t, p.ID), registry.Error, provider.Misconfigured)
	c.upstream.Use(providertest.Success)
	c.pass(t, time.Hour)
	wantStatus(t, c.read(t, p.ID), registry.Active, "")
}

// A check that a stop cuts short is due again at once, and says nothing about the provider.
// One whose process was killed is due when its lease ends.
func TestChecksThatAreCutShort(t *testing.T) {
	t.Parallel()
	c := newChecked(t, everyQuarter)
	p := c.create(t, "one")
	if _, err := c.checker.Schedule(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.ahead = time.Hour
	g := c.holdUp()
	ctx, stop := context.WithCancel(t.Context())
	if err := c.checker.Start(ctx); err != nil {
		t.Fatal(err)
	}
	<-g.arrived
	stop()
	c.checker.Wait()
	if now := c.read(t, p.ID); now.LastCheck != nil || len(c.checks) != 0 {
		t.Errorf("a check that was cut short left %+v, %v", now.LastCheck, c.checks)
	}
	c.gate.Store(nil)
	c.check(t)
	if last := c.read(t, p.ID).LastCheck; last == nil || !last.Success {
		t.Errorf("the next check left %+v", last)
	}

	c.ahead += time.Hour
	now := c.now(t)
	claim := registry.CheckClaim{Now: now, Lease: "0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10", Until: now.Add(90 * time.Second), Limit: 10}
	if claimed, err := c.store.ClaimChecks(t.Context(), claim); err != nil || len(claimed) != 1 {
		t.Fatal(claimed, err) // and the process is killed
	}
	before := lists(c.upstream)
	c.ahead += 80 * time.Second
	c.check(t)
	if n := lists(c.upstream) - before; n != 0 {
		t.Errorf("%d requests while the lease stands", n)
	}
	c.ahead += 11 * time.Second
	c.check(t)
	if n := lists(c.upstream) - before; n != 2 { // with the key and without it: whether it is needed
		t.Errorf("%d requests after the lease has ended", n)
	}
}

// Of several processes one at a time checks a provider, and none calls more upstreams at
// once than it may.
func TestOneProcessAtATimeChecksAProvider(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	busy, most, calls := map[string]bool{}, 0, map[string]int{}
	c := newChecked(t, registry.CheckSchedule{Every: time.Minute, TestsPerDay: 24}, func(config *registry.Config) {
		inner := config.Transport
		config.Transport = func(trusted ...string) http.RoundTripper {
			next := inner(trusted...)
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				provider := r.Header.Get("X-Provider")
				mu.Lock()
				if busy[provider] {
					t.Errorf("%s is checked twice at once", provider)
				}
				busy[provider] = true
				most, calls[provider] = max(most, len(busy)), calls[provider]+1
				mu.Unlock()
				time.Sleep(2 * time.Millisecond)
				response, err := next.RoundTrip(r)
				mu.Lock()
				delete(busy, provider)
				mu.Unlock()
				return response, err
			})
		}
	})
	const providers, processes = 60, 3
	for i := range providers {
		in := c.newProvider(t, fmt.Sprint("provider ", i))
		in.Settings.Credentials["headers"] = []byte(fmt.Sprintf(`{"X-Provider":"%d"}`, i))
		if _, err := c.CreateProvider(t.Context(), workspace, in); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.checker.Schedule(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkers := []*registry.HealthChecker{c.checker}
	for range processes - 1 {
		checkers = append(checkers, c.newChecker(t, c.Registry))
	}
	const rounds = 3
	for range rounds {
		c.ahead += 2 * time.Minute
		var running sync.WaitGroup
		for _, h := range checkers {
			running.Go(func() {
				for range 3 {
					if err := h.Start(t.Context()); err != nil {
						t.Error(err)
					}
				}
				h.Wait()
			})
		}
		running.Wait()
	}
	if most > 16*processes || most < 2 {
		t.Errorf("%d calls at once", most)
	}
	for provider, n := range calls { // each list is read with the key and without it
		if n != 2*rounds {
			t.Errorf("provider %s was called %d times", provider, n)
		}
	}
	if len(calls) != providers {
		t.Errorf("%d of %d providers were called", len(calls), providers)
	}
}

func TestChecksAreSpread(t *testing.T) {
	interval := time.Hour
	at := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	perMinute := make([]int, 60)
	for i := range 6000 {
		id := fmt.Sprintf("0199d1a4-7c1e-7d3a-9a53-%012d", i)
		due := registry.DueAfter(id, at, interval)
		if !due.After(at) || due.After(at.Add(interval)) {
			t.Fatalf("due at %v", due)
		}
		if next := registry.DueAfter(id, due, interval); next.Sub(due) != interval {
			t.Fatalf("due %v after that", next.Sub(due))
		}
		perMinute[int(due.Sub(at).Minutes())%60]++
	}
	if slices.Min(perMinute) < 50 || slices.Max(perMinute) > 150 {
		t.Errorf("so many are due in each minute: %v", perMinute)
	}
}
