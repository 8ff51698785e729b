package registry

import (
	"context"
	"time"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
)

// Observer is told about events that metrics count.
type Observer interface {
	// UpstreamCalled is called after each call to an upstream.
	UpstreamCalled(c UpstreamCall)
	// StatusChanged is called after the status of a provider has changed. Creating
	// and deleting a provider does not change it.
	StatusChanged(to Status)
	// HealthChecked is called after a check in the background, with what decided.
	HealthChecked(by CheckMethod, outcome CheckOutcome)
}

// UpstreamCall is a call to an upstream that has ended.
type UpstreamCall struct {
	Type      string // of the provider
	Operation Operation
	Failure   *provider.Failure // nil on success
	Abandoned bool              // the caller went away
	Duration  time.Duration
}

// Operation is what an upstream is called for.
type Operation string

// The operations.
const (
	OperationTest      Operation = "test"
	OperationVerify    Operation = "verify"
	OperationCheck     Operation = "check"
	OperationDiscovery Operation = "discovery"

	OperationHealthCheck Operation = "health_check" // in the background
)

// unobserved is the Observer of a registry without one.
type unobserved struct{}

// UpstreamCalled implements [Observer].
func (unobserved) UpstreamCalled(UpstreamCall) {}

// StatusChanged implements [Observer].
func (unobserved) StatusChanged(Status) {}

// HealthChecked implements [Observer].
func (unobserved) HealthChecked(CheckMethod, CheckOutcome) {}

// ClientStats are counts of the cached clients.
type ClientStats struct {
	Kept      int
	Hits      uint64
	Misses    uint64
	Evictions uint64 // because the cache was full
}

// ClientStats returns the counts of the cached clients.
func (r *Registry) ClientStats() ClientStats {
	return ClientStats{Kept: r.clients.Len(), Hits: r.hits.Load(), Misses: r.misses.Load(), Evictions: r.evictions.Load()}
}

// changesStatus reports whether a call changes the status that the provider had
// before the call.
func (c Call) changesStatus(p Provider) bool {
	return (c.Success || c.Failure != nil) && p.Status() != statusOf(p.Enabled, c.Failure != nil)
}

// recordChange records a call that changes the status of its provider, or has checks.
// Concurrent calls may have the same result, so it locks the provider to find out which
// of them changed the status.
func (r *Registry) recordChange(ctx context.Context, c Call) error {
	changed := false
	err := r.store.InTx(ctx, func(ctx context.Context) error {
		now, err := r.store.LockProvider(ctx, c.Workspace, c.ProviderID)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		current := err == nil && now.Connection == c.Connection
		changed = current && c.changesStatus(now)
		if current {
			if err := r.storeChecks(ctx, now, c); err != nil {
				return err
			}
		}
		return r.store.RecordCall(ctx, c)
	})
	if err == nil && changed {
		r.observer.StatusChanged(statusOf(true, c.Failure != nil))
	}
	return err
}
