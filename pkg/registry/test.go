package registry

import (
	"context"
	"maps"
	"time"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/secret"
)

// TestInput is a prompt to test a model with; nil leaves a thing to the client.
type TestInput struct {
	Prompt          string
	System          *string
	MaxOutputTokens *int
	Temperature     *float64
}

// TestResult is the outcome of a test.
type TestResult struct {
	provider.Result
	TestedAt time.Time
}

// Draft is settings that are not saved, to be tested or asked for models. Of a
// stored provider's draft everything but ModelID is laid over what is stored.
type Draft struct {
	Settings provider.Request
	ModelID  string
	TestInput
	Problems fault.Problems // see NewProvider
}

// TestModel sends a prompt to a model and records the outcome: last_test of the
// model, and the error of its provider when the failure was the provider's or
// when there was none. Nothing is recorded of a connection that was changed
// meanwhile. A failure of the upstream is a result, not an error. It returns
// not_found and validation_failed.
func (r *Registry) TestModel(ctx context.Context, workspace, id string, in TestInput, onDelta func(string)) (TestResult, error) {
	id, err := canonicalID("model", id)
	if err != nil {
		return TestResult{}, err
	}
	m, p, err := r.store.ModelAndProvider(ctx, workspace, id)
	if err != nil {
		return TestResult{}, err
	}
	client, end, err := r.clientOf(p)
	if err != nil {
		return TestResult{}, err
	}
	defer end()
	result, err := r.generate(ctx, workspace, client, in.prompt(m.ModelID), onDelta)
	if err != nil {
		return TestResult{}, r.recordAbandoned(ctx, workspace, p.ID, audit.ModelTest, m.target(), err)
	}
	last := LastTest{Success: result.Failure == nil, Latency: result.Latency, At: result.TestedAt}
	if result.Failure != nil {
		last.Kind = string(result.Failure.Kind)
	}
	return result, r.recordCall(ctx, p, Call{
		Success: last.Success, Test: &last, ModelID: m.ID, UpstreamModelID: m.ModelID,
	}, audit.ModelTest, m.target(), result.Failure)
}

// TestType tests settings of a type that are not saved. It stores nothing. It
// returns not_found for an unknown type, and validation_failed.
func (r *Registry) TestType(ctx context.Context, workspace, typeName string, draft Draft, onDelta func(string)) (TestResult, error) {
	typ, ok := provider.Lookup(typeName)
	if !ok {
		return TestResult{}, noType(typeName)
	}
	problems := draft.Problems
	settings, more := typ.Read(draft.Settings, provider.Stored{})
	defer wipe(settings.Credentials)
	problems.Add(more)
	if err := problems.Err("Model not tested"); err != nil {
		return TestResult{}, err
	}
	client, err := r.openClient(typeName, settings.Credentials, settings.Config, nil)
	if err != nil {
		return TestResult{}, err
	}
	defer client.Close()
	return r.testDraft(ctx, workspace, "", typeTarget(typeName), client, draft.prompt(draft.ModelID), onDelta)
}

// TestProvider tests an edit of a provider before it is saved. It stores
// nothing. A draft that leads a stored credential to another address is refused
// before anything is sent. It returns not_found, validation_failed and
// credentials_required.
func (r *Registry) TestProvider(ctx context.Context, workspace, id string, draft Draft, onDelta func(string)) (TestResult, error) {
	p, err := r.Provider(ctx, workspace, id)
	if err != nil {
		return TestResult{}, err
	}
	problems := editProblems{Problems: draft.Problems}
	settings, err := readEdit(&problems, p, draft.Settings)
	if err != nil {
		return TestResult{}, err
	}
	defer wipe(settings.Credentials)
	if err := problems.err("Model not tested"); err != nil {
		return TestResult{}, err
	}
	client, err := r.draftClient(p, settings)
	if err != nil {
		return TestResult{}, err
	}
	defer client.Close()
	return r.testDraft(ctx, workspace, p.ID, p.target(), client, draft.prompt(draft.ModelID), onDelta)
}

// testDraft tests what is not saved: only the event of it is stored.
func (r *Registry) testDraft(ctx context.Context, workspace, providerID string, target audit.Target, client provider.Client,
	prompt provider.Prompt, onDelta func(string),
) (TestResult, error) {
	result, err := r.generate(ctx, workspace, client, prompt, onDelta)
	if err != nil {
		return TestResult{}, r.recordAbandoned(ctx, workspace, providerID, audit.ProviderTest, target, err)
	}
	return result, r.audit.Record(context.WithoutCancel(ctx), callEvent(workspace, providerID, audit.ProviderTest, target, result.Failure))
}

// typeTarget is what a call with settings that are not saved is made to.
func typeTarget(typeName string) audit.Target {
	return audit.Target{Type: "provider_type", ID: typeName, Name: typeName}
}

// draftClient opens a client for settings laid over a stored provider. The
// stored credentials that the draft replaces stay out of sight as well.
func (r *Registry) draftClient(p Provider, settings provider.Settings) (provider.Client, error) {
	storedValues, err := r.openAll(p)
	if err != nil {
		return nil, err
	}
	var replaced []secret.Text
	for field := range settings.Credentials {
		replaced = append(replaced, storedValues[field])
	}
	credentials := maps.Clone(storedValues)
	maps.Copy(credentials, settings.Credentials)
	return r.openClient(p.Type, credentials, settings.Config, replaced)
}

// generate calls the upstream within the time of a test, unless the workspace
// has too many calls: that is asked last, when everything else about the request
// has been found right. A caller that went away is an error, not a result.
func (r *Registry) generate(ctx context.Context, workspace string, client provider.Client, prompt provider.Prompt, onDelta func(string)) (TestResult, error) {
	leave, err := r.limiter.Test(workspace)
	if err != nil {
		return TestResult{}, err
	}
	defer leave()
	bounded, cancel := context.WithTimeout(ctx, r.testTimeout)
	defer cancel()
	result := client.Generate(bounded, prompt, onDelta)
	if err := ctx.Err(); err != nil {
		return TestResult{}, err
	}
	return TestResult{Result: result, TestedAt: r.clock()}, nil
}

func (in TestInput) prompt(modelID string) provider.Prompt {
	prompt := provider.Prompt{ModelID: modelID, Text: in.Prompt, Temperature: in.Temperature}
	if in.System != nil {
		prompt.System = *in.System
	}
	if in.MaxOutputTokens != nil {
		prompt.MaxOutputTokens = *in.MaxOutputTokens
	}
	return prompt
}
