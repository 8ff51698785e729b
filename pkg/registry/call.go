package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/tracing"
)

// Call is the result of a call to the upstream of a stored provider.
type Call struct {
	Workspace  string
	ProviderID string
	Connection int64 // the provider's connection version when the call began

	// Success clears the provider's error and Failure sets it, if the provider still
	// has that connection version. The error keeps its Since while its kind stays the
	// same.
	Success bool
	Failure *ProviderError

	// Test, unless nil, becomes the last test of the model ModelID, if its model id is
	// still UpstreamModelID and no test with a later connection version was recorded.
	Test            *LastTest
	ModelID         string
	UpstreamModelID string

	// Checks, by stage, are stored by [Registry.storeChecks].
	Checks map[Stage]StageCheck

	Check *LastCheck // unless nil, becomes the last check, under the same condition

	Event audit.Event // none, if it has no id
}

// changesStatus reports whether a call changes the status that the provider had
// before the call.
func (c Call) changesStatus(p Provider) bool {
	return (c.Success || c.Failure != nil) && p.Status() != statusOf(p.Enabled, c.Failure != nil)
}

// StatusChange returns the change of a call that changes the status of its provider. The
// store knows the versions and the number of references.
func (c Call) StatusChange() Change {
	p := Provider{Workspace: c.Workspace, ID: c.ProviderID, Enabled: true, Error: c.Failure}
	return p.change(StatusChanged, c.Event.At)
}

// call makes one call for a user, and records its event and, of stored settings, its
// outcome. It returns the errors of [Registry.callUpstream].
func (r *Registry) call(ctx context.Context, c connection, operation Operation, call func(ctx context.Context) (Call, *provider.Failure)) error {
	var outcome Call
	var failure *provider.Failure
	err := r.callUpstream(ctx, c.event.Workspace, c.client, operation, func(ctx context.Context) *provider.Failure {
		outcome, failure = call(ctx)
		return failure
	})
	switch {
	case err != nil:
		return r.recordAbandoned(ctx, c.event, err)
	case !c.stored:
		return r.recordEvent(ctx, failed(c.event, failure))
	}
	return r.recordCall(ctx, c.provider, outcome, c.event, failure)
}

// callUpstream makes a call for a user. It returns rate_limited if the workspace has too
// many calls, unavailable if the database has no space for the result, and an error if
// the client went away.
func (r *Registry) callUpstream(ctx context.Context, workspace string, client provider.Client, operation Operation, call func(ctx context.Context) *provider.Failure) error {
	if err := r.store.HasSpace(); err != nil {
		return err
	}
	leave, err := r.cfg.Limiter.Test(workspace)
	if err != nil {
		return err
	}
	defer leave()
	return r.callBounded(ctx, client, operation, call)
}

// callBounded makes a call within the time limit of tests. It returns an error if ctx
// ended.
func (r *Registry) callBounded(ctx context.Context, client provider.Client, operation Operation, call func(ctx context.Context) *provider.Failure) error {
	bounded, cancel := context.WithTimeout(ctx, r.cfg.TestTimeout)
	defer cancel()
	bounded, span := tracing.Start(bounded, "upstream "+string(operation))
	span.Text("modelproviders.provider_type", client.Type())
	began := time.Now()
	failure := call(bounded)
	if failure != nil {
		span.Fail(string(failure.Kind))
	}
	span.End(ctx.Err())
	r.cfg.Observer.UpstreamCalled(UpstreamCall{
		Type: client.Type(), Operation: operation, Failure: failure, Abandoned: ctx.Err() != nil, Duration: time.Since(began),
	})
	return ctx.Err()
}

// recordCall stores the result of a call with the stored settings of a provider, and its
// event. Only failures for which the provider is the reason become its error.
func (r *Registry) recordCall(ctx context.Context, p Provider, c Call, e audit.Event, failure *provider.Failure) error {
	c.Workspace, c.ProviderID, c.Connection = p.Workspace, p.ID, p.Connection
	if failure != nil && failure.OfProvider() {
		c.Failure = newProviderError(failure, c.UpstreamModelID, r.clock())
	}
	ctx, cancel := lasting(ctx)
	defer cancel()
	e = failed(e, failure)
	c.Event = r.cfg.Audit.Seal(ctx, e)
	if !c.changesStatus(p) && len(c.Checks) == 0 {
		return unrecorded(e, r.store.RecordCall(ctx, c))
	}
	return unrecorded(e, r.recordLocked(ctx, c, func(ctx context.Context, now Provider, c *Call) (bool, error) {
		return true, r.storeChecks(ctx, now, *c)
	}))
}

// recordLocked records a call in a transaction that has locked its provider: concurrent
// calls may have the same result, and so it is known which of them changed the status.
// Before that, it calls prepare, which may change the call, and reports whether to record
// it. now is the zero value if there is no provider with the connection of the call any
// more.
func (r *Registry) recordLocked(ctx context.Context, c Call, prepare func(ctx context.Context, now Provider, c *Call) (bool, error)) error {
	changed := false
	err := r.store.InTx(ctx, func(ctx context.Context) error {
		now, err := r.store.LockProvider(ctx, c.Workspace, c.ProviderID)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if now.Connection != c.Connection {
			now = Provider{}
		}
		call := c
		wanted, err := prepare(ctx, now, &call)
		changed = wanted && c.changesStatus(now)
		if err != nil || !wanted {
			return err
		}
		return r.store.RecordCall(ctx, call)
	})
	if err == nil && changed {
		r.cfg.Observer.StatusChanged(statusOf(true, c.Failure != nil))
	}
	return err
}

// storeChecks stores the checks of a call for its model in the locked provider p, if it
// has the same model id as in the call. It leaves out stages that the model no longer
// serves.
func (r *Registry) storeChecks(ctx context.Context, p Provider, c Call) error {
	i := slices.IndexFunc(p.Models, func(m Model) bool { return m.ID == c.ModelID && m.ModelID == c.UpstreamModelID })
	if i < 0 || len(c.Checks) == 0 {
		return nil
	}
	m := p.Models[i]
	checks, changed := map[Stage]StageCheck{}, false
	maps.Copy(checks, m.StageChecks)
	for stage, check := range checksOf(c.Checks, m.Stages) {
		changed = changed || checks[stage].Status != check.Status
		checks[stage] = check
	}
	m.StageChecks = checks
	var changes []Change
	if changed {
		changes = append(changes, m.change(p, Verified, c.Event.At))
	}
	return r.store.SetStageChecks(ctx, p, m, changes...)
}

// recordEvent stores the event of a call of which nothing else is stored.
func (r *Registry) recordEvent(ctx context.Context, e audit.Event) error {
	ctx, cancel := lasting(ctx)
	defer cancel()
	return unrecorded(e, r.cfg.Audit.Record(ctx, e))
}

// unrecorded adds to the error of recording a call that the call was made, and for the
// log what could not be recorded.
func unrecorded(e audit.Event, err error) error {
	f := fault.As(err)
	if f == nil {
		return err
	}
	told := *f
	told.Message = "The provider was called, but the result could not be stored. " + f.Message
	told.Err = fmt.Errorf("%s of %s %s, outcome %s, is not recorded: %w", e.Action, e.Target.Type, e.Target.ID, e.Outcome, err)
	return &told
}

// recordWithin is how long the result of a call may take to be stored after the
// service has ended the call because it stops.
const recordWithin = 3 * time.Second

// lasting returns the context in which the result of a call is stored. It does not end
// when the caller goes away, but when the service stops.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if fault.Is(context.Cause(ctx), fault.Unavailable) {
			time.AfterFunc(recordWithin, cancel)
		}
	})
	return out, func() {
		stop()
		cancel()
	}
}

// recordAbandoned records a call that was canceled because the client went away, or
// because of the fault that is the cause of ctx. It returns gone, joined with an error
// of recording. A call that was refused before it began is not recorded.
func (r *Registry) recordAbandoned(ctx context.Context, e audit.Event, gone error) error {
	if fault.As(gone) != nil {
		return gone
	}
	return errors.Join(gone, r.recordEvent(ctx, abandoned(ctx, e)))
}

// abandoned returns the event of a call that ended with its context.
func abandoned(ctx context.Context, e audit.Event) audit.Event {
	e.Outcome, e.Reason = audit.Failure, "the caller went away"
	if cause := fault.As(context.Cause(ctx)); cause != nil {
		e.Reason = string(cause.Kind)
	}
	return e
}
