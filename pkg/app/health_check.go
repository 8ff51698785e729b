package app

import (
	"context"
	"time"

	"modelproviders/pkg/registry"
)

const (
	checkEvery    = time.Second     // how often a process looks for checks that are due
	scheduleEvery = 2 * time.Second // how often it looks for new providers

	// The names of the jobs.
	checkProviders = "check_providers"
	scheduleChecks = "schedule_checks"

	couldNotCheck = "could not check a provider"
)

// schedule schedules the checks of new providers, and measures how late checks are.
func (m *metrics) schedule(ctx context.Context, checker *registry.HealthChecker) error {
	lag, err := checker.Schedule(ctx)
	if err == nil {
		m.checkLag.Set(lag.Seconds())
	}
	return err
}
