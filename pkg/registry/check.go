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

// CheckProvider checks whether a provider's upstream accepts its credentials. Without
// settings in the draft, it sets or clears the provider's error like
// [Registry.AvailableModels], and stores the last check; otherwise it stores only an event.
// A failure of the upstream is a result, not an error. It returns not_found,
// malformed_request, validation_failed, credentials_required and rate_limited.
func (r *Registry) CheckProvider(ctx context.Context, workspace, id string, draft Draft) (CheckResult, error) {
	c, err := r.connect(ctx, workspace, id, draft, audit.ProviderCheck, "Connection not checked")
	if err != nil {
		return CheckResult{}, err
	}
	return r.check(ctx, c)
}

// CheckType checks unsaved settings of a type. It stores only an event. It returns
// not_found for an unknown type, malformed_request, validation_failed and
// rate_limited.
func (r *Registry) CheckType(ctx context.Context, workspace, typeName string, draft Draft) (CheckResult, error) {
	c, err := r.connectType(workspace, typeName, draft, audit.ProviderCheck, "Connection not checked")
	if err != nil {
		return CheckResult{}, err
	}
	return r.check(ctx, c)
}

func lastCheck(failure *provider.Failure, by CheckMethod, at time.Time) *LastCheck {
	if failure != nil {
		return &LastCheck{Kind: string(failure.Kind), By: by, At: at}
	}
	return &LastCheck{Success: true, By: by, At: at}
}

// check counts as a test. See [Registry.callUpstream].
func (r *Registry) check(ctx context.Context, c connection) (CheckResult, error) {
	defer c.end()
	var result provider.CheckResult
	err := r.callUpstream(ctx, c.event.Workspace, c.client, OperationCheck, func(ctx context.Context) *provider.Failure {
		result = c.client.Check(ctx)
		return result.Failure
	})
	if err != nil {
		return CheckResult{}, r.recordAbandoned(ctx, c.event, err)
	}
	at := r.clock()
	outcome := Call{Success: result.Listed, Check: lastCheck(result.Failure, ByDiscovery, at)}
	return CheckResult{CheckResult: result, CheckedAt: at}, r.recordOutcome(ctx, c, outcome, result.Failure)
}
