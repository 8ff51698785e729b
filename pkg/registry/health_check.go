package registry

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
)

// HealthCheckStore stores when the providers of all workspaces are checked. The times are
// those of the clock of the database.
type HealthCheckStore interface {
	// ScheduleChecks stores when up to limit providers are due that have no schedule yet,
	// and returns how many it found.
	ScheduleChecks(ctx context.Context, limit int, due func(providerID string) time.Time) (int, error)
	// NextCheck returns the time, and when the next check is due; nil if there is none.
	NextCheck(ctx context.Context) (now time.Time, due *time.Time, err error)
	// ClaimChecks leases checks that are due. No two calls lease the same check before the
	// lease has ended. It takes a test from the budget of each provider of which a check
	// may test a model.
	ClaimChecks(ctx context.Context, c CheckClaim) ([]HealthCheck, error)
	// FinishCheck ends a lease, and stores when the provider is due again, and its last
	// check unless that is nil. It stores nothing, and returns false, if the lease does
	// not stand any more. The last check is stored only if the provider still has that
	// connection version.
	FinishCheck(ctx context.Context, c HealthCheck, due time.Time, last *LastCheck) (stood bool, err error)
}

// CheckClaim says which checks to lease.
type CheckClaim struct {
	Now         time.Time // checks are leased that are due now
	Lease       string    // the id of the lease
	Until       time.Time // the end of the lease
	Limit       int
	TestsPerDay int
}

// HealthCheck is a check that this process has leased.
type HealthCheck struct {
	Workspace, ProviderID string
	Lease                 string
	Testing               bool // it may test a model

	// What earlier checks found. It is about this connection version of the provider.
	Connection int64
	NeedsTest  bool      // a list of models does not prove the credentials
	Failures   int       // in a row
	FailedAt   time.Time // the first of them
}

// Bounds of the checks of a process.
const (
	checksAtOnce    = 16
	scheduledAtOnce = 1000
	leaseSlack      = 30 * time.Second // of a lease, beyond the time limit of tests
)

// HealthChecker checks providers in the background: their credentials by a list of models
// or, if that does not prove them, by a test of one enabled model. Any number of
// processes can do so on one database.
type HealthChecker struct {
	*Registry
	checks   HealthCheckStore
	schedule CheckSchedule
	report   func(error)
	slots    *semaphore.Weighted
	running  sync.WaitGroup
}

// NewHealthChecker returns a checker. It calls report, possibly from several goroutines,
// with errors other than those of upstreams.
func NewHealthChecker(r *Registry, s HealthCheckStore, schedule CheckSchedule, report func(error)) *HealthChecker {
	return &HealthChecker{Registry: r, checks: s, schedule: schedule, report: report, slots: semaphore.NewWeighted(checksAtOnce)}
}

// Schedule schedules the providers that are new, or that were there before checks were
// switched on. It returns how long the check that is due longest has been due.
func (h *HealthChecker) Schedule(ctx context.Context) (lag time.Duration, err error) {
	for {
		now, due, err := h.checks.NextCheck(ctx)
		if err != nil {
			return 0, err
		}
		if due != nil {
			lag = max(0, now.Sub(*due))
		}
		found, err := h.checks.ScheduleChecks(ctx, scheduledAtOnce, func(providerID string) time.Time {
			return dueAfter(providerID, now, h.schedule.Every)
		})
		if err != nil || found < scheduledAtOnce {
			return lag, err
		}
	}
}

// Start starts the checks that are due, a few at a time, and returns when none is left to
// start. They end early when ctx ends; see [HealthChecker.Wait].
func (h *HealthChecker) Start(ctx context.Context) error {
	for {
		if err := h.slots.Acquire(ctx, 1); err != nil { // the service stops
			return err
		}
		free := 1
		for free < checksAtOnce && h.slots.TryAcquire(1) {
			free++
		}
		leased, err := h.claim(ctx, free)
		h.slots.Release(int64(free - len(leased)))
		for _, c := range leased {
			h.running.Go(func() {
				defer h.slots.Release(1)
				if err := h.run(ctx, c); err != nil {
					h.report(fmt.Errorf("check of provider %s: %w", c.ProviderID, err))
				}
			})
		}
		if err != nil || len(leased) < free {
			return err
		}
	}
}

// Wait waits for the checks that run.
func (h *HealthChecker) Wait() { h.running.Wait() }

// lease is how long a check is leased.
func (h *HealthChecker) lease() time.Duration { return h.cfg.TestTimeout + leaseSlack }

// leasedCheck is a check that this process has leased.
type leasedCheck struct {
	HealthCheck
	claimed time.Time // by the clock of the database
	began   time.Time // when this process asked for it
}

// now returns the time of the clock of the database.
func (c leasedCheck) now() time.Time { return c.claimed.Add(time.Since(c.began)) }

// claim leases up to limit checks that are due. Without a check that is due, it writes
// nothing.
func (h *HealthChecker) claim(ctx context.Context, limit int) (leased []leasedCheck, err error) {
	if err := h.store.HasSpace(); err != nil {
		return nil, nil //nolint:nilerr // it is reported already, and results could not be stored
	}
	began := time.Now()
	now, due, err := h.checks.NextCheck(ctx)
	if err != nil || due == nil || due.After(now) {
		return nil, err
	}
	checks, err := h.checks.ClaimChecks(ctx, CheckClaim{
		Now: now, Lease: uuid.NewString(), Until: now.Add(h.lease()), Limit: limit, TestsPerDay: h.schedule.TestsPerDay,
	})
	for _, c := range checks {
		leased = append(leased, leasedCheck{HealthCheck: c, claimed: now, began: began})
	}
	return leased, err
}

// run makes one check. A check that was cut short, because the service stops, is due again
// at once. After an error of the database, it is due when its lease ends.
func (h *HealthChecker) run(ctx context.Context, c leasedCheck) error {
	ctx = audit.WithSource(ctx, audit.Source{Workspace: c.Workspace, Actor: audit.Actor{Subject: "health check", Kind: "service"}})
	ctx, cancel := context.WithDeadline(ctx, c.began.Add(h.lease()))
	defer cancel()
	err := h.checkProvider(ctx, c)
	if ctx.Err() == nil {
		return err
	}
	last, end := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer end()
	return h.postpone(last, c.HealthCheck, c.now())
}

func (h *HealthChecker) checkProvider(ctx context.Context, c leasedCheck) error {
	p, err := h.Provider(ctx, c.Workspace, c.ProviderID)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil
	case err != nil:
		return err
	}
	if c.Connection != p.Connection {
		c.Connection, c.NeedsTest, c.Failures = p.Connection, false, 0
	}
	if !p.Enabled {
		return h.postpone(ctx, c.HealthCheck, h.schedule.next(c.HealthCheck, c.now()))
	}
	client, end, err := h.clientOf(ctx, p)
	if err != nil {
		if ctx.Err() == nil {
			err = errors.Join(err, h.postpone(ctx, c.HealthCheck, h.schedule.next(c.HealthCheck, c.now())))
		}
		return err
	}
	defer end()
	found, err := h.findOut(ctx, c.HealthCheck, p, client)
	if err != nil {
		return err
	}
	return h.record(ctx, c, p, found)
}

// postpone ends a check that found nothing.
func (h *HealthChecker) postpone(ctx context.Context, c HealthCheck, due time.Time) error {
	_, err := h.checks.FinishCheck(ctx, c, due, nil)
	return err
}

// CheckSchedule says how often providers are checked in the background.
type CheckSchedule struct {
	Every       time.Duration // 0: never
	TestsPerDay int           // of the models of a provider, on a day in UTC
}

const (
	// longestBackoff is how seldom a failing provider is checked, unless the schedule
	// checks all of them less often.
	longestBackoff = time.Hour
	// Two failures in a row mark a provider if they are at least failuresApart apart.
	failuresToMark = 2
	failuresApart  = time.Minute
)

// interval is the time between two checks of a provider that works.
func (s CheckSchedule) interval(needsTest bool) time.Duration {
	if !needsTest || s.TestsPerDay == 0 {
		return s.Every
	}
	return max(s.Every, 24*time.Hour/time.Duration(s.TestsPerDay))
}

// next returns when a provider is checked again. With each failure in a row, the time
// between checks doubles.
func (s CheckSchedule) next(c HealthCheck, now time.Time) time.Time {
	interval := s.interval(c.NeedsTest)
	pause := interval
	for n := 1; n < c.Failures && 2*pause <= longestBackoff; n++ {
		pause *= 2
	}
	due := dueAfter(c.ProviderID, now.Add(pause-interval/2), interval)
	if second := c.FailedAt.Add(failuresApart); c.Failures == 1 && due.Before(second) {
		return second // a failure then marks the provider
	}
	return due
}

// dueAfter returns the first time after t at which a provider is checked. The times of one
// provider are an interval apart, and those of different providers are spread over it,
// also after the service was away and found all of them due.
func dueAfter(providerID string, t time.Time, interval time.Duration) time.Time {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(providerID))                    // never fails: see its documentation
	offset := time.Duration(hash.Sum64() % uint64(interval)) //nolint:gosec // an interval is positive
	due := t.Truncate(interval).Add(offset)
	if !due.After(t) {
		due = due.Add(interval)
	}
	return due
}
