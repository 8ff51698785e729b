package registry

import (
	"context"
	"slices"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/provider"
)

// finding is what a check found.
type finding struct {
	failure  *provider.Failure
	by       CheckMethod
	modelID  string // the upstream's id of the model that was tested
	clears   bool   // it shows that an error of the provider is over
	unproven bool   // it is no failure, but does not prove the credentials
}

// The smallest test of a model. Reasoning models use some tokens before they answer.
var smallestTest = provider.Prompt{Text: "Reply with OK.", MaxOutputTokens: 256}

// findOut calls the upstream. If the list of models shows what is to be known, no model is
// tested, even if it may be.
func (h *HealthChecker) findOut(ctx context.Context, c HealthCheck, p Provider, client provider.Client) (f finding, err error) {
	err = h.callBounded(ctx, client, OperationHealthCheck, func(ctx context.Context) *provider.Failure {
		list := client.Check(ctx)
		f = finding{failure: list.Failure, by: ByDiscovery}
		model, any := modelToCheck(p.Models)
		switch proven := list.Proven || list.Listed && len(p.Credentials) == 0; {
		case list.Failure != nil:
		case proven:
			f.clears = true
		case c.Testing && any:
			prompt := smallestTest
			prompt.ModelID = model.ModelID
			result := client.Generate(ctx, prompt, nil)
			f = finding{failure: result.Failure, by: ByTest, modelID: model.ModelID, clears: result.Failure == nil}
		default:
			f.unproven, f.clears = true, list.Listed && p.Error.ofAddress()
		}
		return f.failure
	})
	return f, err
}

// modelToCheck returns the enabled model to test: one whose last test succeeded, or else
// one that was not tested, or else any.
func modelToCheck(models []Model) (best Model, found bool) {
	rank := func(m Model) int {
		switch {
		case m.LastTest == nil:
			return 1
		case m.LastTest.Success:
			return 2
		}
		return 0
	}
	for _, m := range models {
		if m.Enabled && (!found || rank(m) > rank(best)) {
			best, found = m, true
		}
	}
	return best, found
}

// ofAddress reports whether a list of models shows that the error is over, although the
// credentials may not have been needed for it.
func (e *ProviderError) ofAddress() bool {
	kinds := []provider.FailureKind{provider.Unreachable, provider.Blocked, provider.Misconfigured}
	return e != nil && slices.Contains(kinds, provider.FailureKind(e.Kind))
}

// record ends a lease, and stores what the check found and when the next one is due. An
// event is recorded only if the status of the provider changes.
func (h *HealthChecker) record(ctx context.Context, c leasedCheck, p Provider, f finding) error {
	if _, any := modelToCheck(p.Models); any && f.unproven && !c.NeedsTest && h.schedule.TestsPerDay > 0 {
		c.Failures, c.NeedsTest = 0, true
		return h.postpone(ctx, c.HealthCheck, c.now()) // the test takes from the budget, with the next lease
	}
	if f.failure == nil {
		c.Failures, c.NeedsTest = 0, f.unproven || f.by == ByTest
	}
	outcome := Call{Workspace: p.Workspace, ProviderID: p.ID, Connection: p.Connection, Success: f.clears, Check: lastCheck(f.failure, f.by, h.clock())}
	if f.failure != nil && f.failure.OfProvider() {
		if c.Failures++; c.Failures == 1 {
			c.FailedAt = c.now()
		}
		if c.Failures >= failuresToMark && c.now().Sub(c.FailedAt) >= failuresApart {
			outcome.Failure = newProviderError(f.failure, f.modelID, h.clock())
		}
	}
	due := h.schedule.next(c.HealthCheck, c.now())
	var stored bool
	var err error
	if outcome.Failure == nil && !outcome.changesStatus(p) {
		stored, err = h.checks.FinishCheck(ctx, c.HealthCheck, due, outcome.Check)
	} else {
		err = h.recordLocked(ctx, outcome, func(ctx context.Context, now Provider, call *Call) (bool, error) {
			stands, err := h.checks.FinishCheck(ctx, c.HealthCheck, due, nil)
			if stored = stands && now.ID != ""; stored && call.changesStatus(now) {
				call.Event = h.cfg.Audit.Seal(ctx, failed(p.event(audit.ProviderCheck), f.failure))
			}
			return stored, err
		})
	}
	if err == nil {
		h.cfg.Observer.HealthChecked(f.by, f.outcome(stored))
	}
	return err
}

// CheckOutcome is the outcome of a check in the background.
type CheckOutcome string

// The outcomes.
const (
	CheckSucceeded    CheckOutcome = "success"
	CheckFailed       CheckOutcome = "failure"      // of the provider
	CheckInconclusive CheckOutcome = "inconclusive" // such as a rate limit
	CheckDropped      CheckOutcome = "dropped"      // the lease had ended, or the connection was changed meanwhile
)

// CheckOutcomes returns every outcome.
func CheckOutcomes() []CheckOutcome {
	return []CheckOutcome{CheckSucceeded, CheckFailed, CheckInconclusive, CheckDropped}
}

func (f finding) outcome(stored bool) CheckOutcome {
	switch {
	case !stored:
		return CheckDropped
	case f.failure == nil && !f.unproven:
		return CheckSucceeded
	case f.failure != nil && f.failure.OfProvider():
		return CheckFailed
	}
	return CheckInconclusive
}
