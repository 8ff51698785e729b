package apitest

import (
	"sync"
	"time"
)

// Clock is the clock of a service under test: the system's, until a test stops
// it.
type Clock struct {
	mu      sync.Mutex
	stopped time.Time // zero: it runs
}

// Now is the time that the service is told.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped.IsZero() {
		return time.Now()
	}
	return c.stopped
}

// Stop makes the clock stand still, so that what depends on the passing of time
// does not depend on how fast a test runs.
func (c *Clock) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = time.Now()
}

// Advance moves a stopped clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = c.stopped.Add(d)
}
