package registry

import (
	"context"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/provider"
)

// TestResult is the outcome of a test.
type TestResult struct {
	provider.Result
	ProviderID string // empty for the settings of a type
	ModelID    string // of the stored model; empty for drafts
	TestedAt   time.Time
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
	prompt.ModelID = m.ModelID
	c := connection{client: client, event: m.event(p.Workspace, audit.ModelTest), provider: p, stored: true}
	return r.test(ctx, c, m.ID, prompt, onDelta)
}

// TestDraft tests unsaved settings. It stores only an event. A draft that would send a
// stored credential to another address is refused. It returns not_found,
// malformed_request, validation_failed, credentials_required and rate_limited.
func (r *Registry) TestDraft(ctx context.Context, workspace string, draft Draft, onDelta func(string)) (TestResult, error) {
	c, err := r.connect(ctx, workspace, draft, audit.ProviderTest, "Model not tested")
	if err != nil {
		return TestResult{}, err
	}
	defer c.end()
	c.stored = false
	return r.test(ctx, c, "", draft.Prompt, onDelta)
}

// test sends a prompt to a model, which may have an id.
func (r *Registry) test(ctx context.Context, c connection, id string, prompt provider.Prompt, onDelta func(string)) (TestResult, error) {
	result := TestResult{ProviderID: c.event.ProviderID, ModelID: id}
	err := r.call(ctx, c, OperationTest, func(ctx context.Context) (Call, *provider.Failure) {
		result.Result = c.client.Generate(ctx, prompt, onDelta)
		result.TestedAt = r.clock()
		last := LastTest{Success: result.Failure == nil, Latency: result.Latency, At: result.TestedAt}
		if result.Failure != nil {
			last.Kind = string(result.Failure.Kind)
		}
		return Call{Success: last.Success, Test: &last, ModelID: id, UpstreamModelID: prompt.ModelID}, result.Failure
	})
	return result, err
}
