package registry

import (
	"context"
	"errors"
	"fmt"
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
	report   func(error)          // is told the errors of checks that run
	ahead    func() time.Duration // of the clock of the database; 0 except in tests
	slots    *semaphore.Weighted
	running  sync.WaitGroup
}

// NewHealthChecker returns a checker. It calls report, possibly from several goroutines,
// with errors other than those of upstreams.
func NewHealthChecker(r *Registry, s HealthCheckStore, schedule CheckSchedule, report func(error)) *HealthChecker {
	return &HealthChecker{
		Registry: r, checks: s, schedule: schedule, report: report, ahead: func() time.Duration { return 0 },
		slots: semaphore.NewWeighted(checksAtOnce),
	}
}

// Schedule schedules the providers that are new, or that were there before checks were
// switched on.
func (h *HealthChecker) Schedule(ctx context.Context) error {
	for {
		now, _, err := h.checks.NextCheck(ctx)
		if err != nil {
			return err
		}
		found, err := h.checks.ScheduleChecks(ctx, scheduledAtOnce, func(providerID string) time.Time {
			return dueAfter(providerID, now.Add(h.ahead()), h.schedule.Every)
		})
		if err != nil || found < scheduledAtOnce {
			return err
		}
	}
}

// Lag returns how long the check that is due longest has been due.
func (h *HealthChecker) Lag(ctx context.Context) (time.Duration, error) {
	now, due, err := h.checks.NextCheck(ctx)
	if err != nil || due == nil {
		return 0, err
	}
	return max(0, now.Add(h.ahead()).Sub(*due)), nil
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
		claimed, err := h.claim(ctx, free)
		h.slots.Release(int64(free - len(claimed)))
		for _, c := range claimed {
			h.running.Go(func() {
				defer h.slots.Release(1)
				if err := h.run(ctx, c); err != nil {
					h.report(fmt.Errorf("check of provider %s: %w", c.ProviderID, err))
				}
			})
		}
		if err != nil || len(claimed) < free {
			return err
		}
	}
}

// Wait waits for the checks that run.
func (h *HealthChecker) Wait() { h.running.Wait() }

// leased is a check with the time.
type leased struct {
	HealthCheck
	claimed time.Time // by the clock of the database
	began   time.Time // when this process asked for it
	until   time.Time // by the clock of this process
}

// now returns the time of the clock of the database.
func (c leased) now() time.Time { return c.claimed.Add(time.Since(c.began)) }

// claim leases up to limit checks that are due. Without a check that is due, it writes
// nothing.
func (h *HealthChecker) claim(ctx context.Context, limit int) ([]leased, error) {
	if err := h.store.HasSpace(); err != nil {
		return nil, nil //nolint:nilerr // it is reported already, and results could not be stored
	}
	began := time.Now()
	now, due, err := h.checks.NextCheck(ctx)
	now = now.Add(h.ahead())
	if err != nil || due == nil || due.After(now) {
		return nil, err
	}
	lease := h.testTimeout + leaseSlack
	checks, err := h.checks.ClaimChecks(ctx, CheckClaim{
		Now: now, Lease: uuid.NewString(), Until: now.Add(lease), Limit: limit, TestsPerDay: h.schedule.TestsPerDay,
	})
	claimed := make([]leased, len(checks))
	for i, c := range checks {
		claimed[i] = leased{HealthCheck: c, claimed: now, began: began, until: began.Add(lease)}
	}
	return claimed, err
}

// run makes one check. A check that was cut short, because the service stops, is due again
// at once. After an error of the database, it is due when its lease ends.
func (h *HealthChecker) run(ctx context.Context, c leased) error {
	ctx = audit.WithSource(ctx, audit.Source{Workspace: c.Workspace, Actor: audit.Actor{Subject: "health check", Kind: "service"}})
	ctx, cancel := context.WithDeadline(ctx, c.until)
	defer cancel()
	p, err := h.Provider(ctx, c.Workspace, c.ProviderID)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err == nil {
		err = h.checkProvider(ctx, c, p)
	}
	if ctx.Err() == nil {
		return err
	}
	last, end := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer end()
	_, err = h.checks.FinishCheck(last, c.HealthCheck, c.now(), nil)
	return err
}

func (h *HealthChecker) checkProvider(ctx context.Context, c leased, p Provider) error {
	if c.Connection != p.Connection {
		c.Connection, c.NeedsTest, c.Failures = p.Connection, false, 0
	}
	if !p.Enabled {
		return h.postpone(ctx, c)
	}
	client, end, err := h.clientOf(ctx, p)
	if err != nil {
		if ctx.Err() == nil {
			err = errors.Join(err, h.postpone(ctx, c))
		}
		return err
	}
	defer end()
	found, err := h.call(ctx, c.HealthCheck, p, client)
	if err != nil {
		return err
	}
	return h.record(ctx, c, p, found)
}

// postpone ends a check that found nothing.
func (h *HealthChecker) postpone(ctx context.Context, c leased) error {
	_, err := h.checks.FinishCheck(ctx, c.HealthCheck, h.schedule.next(c.HealthCheck, c.now()), nil)
	return err
}
