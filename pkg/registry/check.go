package registry

import (
	"context"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/provider"
)

// CheckResult is the outcome of a check of a connection.
type CheckResult struct {
	provider.CheckResult
	CheckedAt time.Time
}

// LastCheck is the outcome of the last check of a connection.
type LastCheck struct {
	Success bool
	Kind    string // a provider.FailureKind; empty on success
	By      CheckMethod
	At      time.Time
}

// CheckMethod is how a connection is checked.
type CheckMethod string

// The methods.
const (
	ByDiscovery CheckMethod = "discovery"
	ByTest      CheckMethod = "test"
)

func lastCheck(failure *provider.Failure, by CheckMethod, at time.Time) *LastCheck {
	if failure != nil {
		return &LastCheck{Kind: string(failure.Kind), By: by, At: at}
	}
	return &LastCheck{Success: true, By: by, At: at}
}

// Check checks whether an upstream accepts the credentials. For a stored provider without
// settings in the draft, it sets or clears the provider's error like
// [Registry.AvailableModels], and stores the last check; otherwise it stores only an event.
// A failure of the upstream is a result, not an error. It returns not_found,
// malformed_request, validation_failed, credentials_required and rate_limited.
func (r *Registry) Check(ctx context.Context, workspace string, draft Draft) (result CheckResult, err error) {
	c, err := r.connect(ctx, workspace, draft, audit.ProviderCheck, "Connection not checked")
	if err != nil {
		return result, err
	}
	defer c.end()
	err = r.call(ctx, c, OperationCheck, func(ctx context.Context) (Call, *provider.Failure) {
		result.CheckResult = c.client.Check(ctx)
		result.CheckedAt = r.clock()
		return Call{Success: result.Listed, Check: lastCheck(result.Failure, ByDiscovery, result.CheckedAt)}, result.Failure
	})
	return result, err
}
