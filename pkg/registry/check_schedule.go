package registry

import (
	"hash/fnv"
	"time"
)

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
