package registry

import (
	"context"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/tracing"
)

// TestResult is the outcome of a test.
type TestResult struct {
	provider.Result
	ProviderID string // empty for the settings of a type
	ModelID    string // of the stored model; empty for drafts
	TestedAt   time.Time
}

// Draft is a test with unsaved settings, or a discovery. For a stored provider, the
// settings are applied to the stored ones.
type Draft struct {
	Settings provider.Request
	Prompt   provider.Prompt
	Problems fault.Problems // see NewProvider
}

// TestModel sends the prompt of a draft to a model and stores the result: the last
// test of the model, and the error of its provider if that is the reason, or no error
// on success. Nothing is stored if the connection changed during the call. A failure
// of the upstream is a result, not an error. It returns not_found,
// validation_failed and rate_limited.
func (r *Registry) TestModel(ctx context.Context, workspace, id string, draft Draft, onDelta func(string)) (TestResult, error) {
	m, p, err := r.store.ModelAndProvider(ctx, workspace, id)
	if err == nil {
		err = draft.Problems.Err("Model not tested")
	}
	if err != nil {
		return TestResult{}, err
	}
	client, end, err := r.clientOf(ctx, p)
	if err != nil {
		return TestResult{}, err
	}
	defer end()
	return r.testModel(ctx, p, m, client, draft.Prompt, onDelta)
}

// testModel sends a prompt to a model and stores the result.
func (r *Registry) testModel(ctx context.Context, p Provider, m Model, client provider.Client, prompt provider.Prompt, onDelta func(string)) (TestResult, error) {
	event := m.event(p.Workspace, audit.ModelTest)
	prompt.ModelID = m.ModelID
	result, err := r.generate(ctx, event, client, prompt, onDelta)
	if err != nil {
		return TestResult{}, r.recordAbandoned(ctx, event, err)
	}
	result.ModelID = m.ID
	last := LastTest{Success: result.Failure == nil, Latency: result.Latency, At: result.TestedAt}
	if result.Failure != nil {
		last.Kind = string(result.Failure.Kind)
	}
	return result, r.recordCall(ctx, p, Call{
		Success: last.Success, Test: &last, ModelID: m.ID, UpstreamModelID: m.ModelID,
	}, event, result.Failure)
}

// TestType tests unsaved settings of a type. It stores only an event. It returns
// not_found for an unknown type, malformed_request, validation_failed and
// rate_limited.
func (r *Registry) TestType(ctx context.Context, workspace, typeName string, draft Draft, onDelta func(string)) (TestResult, error) {
	client, err := r.openDraft(typeName, draft, "Model not tested")
	if err != nil {
		return TestResult{}, err
	}
	defer client.Close()
	return r.testDraft(ctx, typeEvent(workspace, typeName, audit.ProviderTest), client, draft, onDelta)
}

// TestProvider tests an unsaved edit of a provider. It stores only an event. A draft
// that would send a stored credential to another address is refused. It returns
// not_found, malformed_request, validation_failed, credentials_required and
// rate_limited.
func (r *Registry) TestProvider(ctx context.Context, workspace, id string, draft Draft, onDelta func(string)) (TestResult, error) {
	p, err := r.Provider(ctx, workspace, id)
	if err != nil {
		return TestResult{}, err
	}
	client, err := r.openEdit(ctx, p, draft, "Model not tested")
	if err != nil {
		return TestResult{}, err
	}
	defer client.Close()
	return r.testDraft(ctx, p.event(audit.ProviderTest), client, draft, onDelta)
}

func (r *Registry) testDraft(ctx context.Context, event audit.Event, client provider.Client, draft Draft, onDelta func(string)) (TestResult, error) {
	result, err := r.generate(ctx, event, client, draft.Prompt, onDelta)
	if err != nil {
		return TestResult{}, r.recordAbandoned(ctx, event, err)
	}
	return result, r.recordEvent(ctx, failed(event, result.Failure))
}

// generate sends a prompt. See [Registry.callUpstream].
func (r *Registry) generate(ctx context.Context, event audit.Event, client provider.Client, prompt provider.Prompt, onDelta func(string)) (TestResult, error) {
	var result provider.Result
	err := r.callUpstream(ctx, event.Workspace, client, OperationTest, func(ctx context.Context) *provider.Failure {
		result = client.Generate(ctx, prompt, onDelta)
		return result.Failure
	})
	return TestResult{Result: result, ProviderID: event.ProviderID, TestedAt: r.clock()}, err
}

// callUpstream makes a call for a user. It returns rate_limited if the workspace has too
// many calls, unavailable if the database has no space for the result, and an error if
// the client went away.
func (r *Registry) callUpstream(ctx context.Context, workspace string, client provider.Client, operation Operation, call func(ctx context.Context) *provider.Failure) error {
	if err := r.store.HasSpace(); err != nil {
		return err
	}
	leave, err := r.limiter.Test(workspace)
	if err != nil {
		return err
	}
	defer leave()
	return r.callBounded(ctx, client, operation, call)
}

// callBounded makes a call within the time limit of tests. It returns an error if ctx
// ended.
func (r *Registry) callBounded(ctx context.Context, client provider.Client, operation Operation, call func(ctx context.Context) *provider.Failure) error {
	bounded, cancel := context.WithTimeout(ctx, r.testTimeout)
	defer cancel()
	bounded, span := tracing.Start(bounded, "upstream "+string(operation))
	span.Text("modelproviders.provider_type", client.Type())
	began := time.Now()
	failure := call(bounded)
	if failure != nil {
		span.Fail(string(failure.Kind))
	}
	span.End(ctx.Err())
	r.observer.UpstreamCalled(UpstreamCall{
		Type: client.Type(), Operation: operation, Failure: failure, Abandoned: ctx.Err() != nil, Duration: time.Since(began),
	})
	return ctx.Err()
}
