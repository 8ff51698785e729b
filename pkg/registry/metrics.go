package registry

import (
	"time"

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
