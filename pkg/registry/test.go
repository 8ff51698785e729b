package registry

import (
	"context"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/secret"
)

// Bounds of a test.
const (
	MaxPrompt          = 100_000 // characters, of prompt and of system
	MaxMaxOutputTokens = 128_000
	MaxTemperature     = 2
)

// TestInput is a prompt to test a model with; nil leaves a thing to the client.
type TestInput struct {
	Prompt          string
	System          *string
	MaxOutputTokens *int
	Temperature     *float64
	Faults          fault.Fields // see NewProvider
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
	prompt, err := in.prompt(m.ModelID, in.Faults)
	if err != nil {
		return TestResult{}, err
	}
	client, end, err := r.clientOf(p)
	if err != nil {
		return TestResult{}, err
	}
	defer end()
	result, err := r.generate(ctx, workspace, client, prompt, onDelta)
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
	faults := slices.Clip(draft.Faults)
	settings, more := typ.Read(draft.Settings, provider.Stored{})
	defer wipe(settings.Credentials)
	prompt, err := draft.prompt(checkModelID(&faults, "model_id", draft.ModelID), append(faults, more...))
	if err != nil {
		return TestResult{}, err
	}
	client, err := r.openClient(typeName, settings.Credentials, settings.Config, nil)
	if err != nil {
		return TestResult{}, err
	}
	defer client.Close()
	return r.testDraft(ctx, workspace, "", typeTarget(typeName), client, prompt, onDelta)
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
	faults := editFaults{Fields: slices.Clip(draft.Faults)}
	settings, err := readEdit(&faults, p, draft.Settings)
	if err != nil {
		return TestResult{}, err
	}
	defer wipe(settings.Credentials)
	modelID := checkModelID(&faults.Fields, "model_id", draft.ModelID)
	prompt := draft.read(modelID, &faults.Fields)
	if err := faults.err("Nothing was sent"); err != nil {
		return TestResult{}, err
	}
	client, err := r.draftClient(p, settings)
	if err != nil {
		return TestResult{}, err
	}
	defer client.Close()
	return r.testDraft(ctx, workspace, p.ID, p.target(), client, prompt, onDelta)
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

// prompt checks the input and makes the prompt for a model, or returns
// validation_failed with the faults found so far.
func (in TestInput) prompt(modelID string, faults fault.Fields) (provider.Prompt, error) {
	faults = slices.Clip(faults)
	prompt := in.read(modelID, &faults)
	return prompt, faults.Err(fault.ValidationFailed, "Nothing was sent: the request has values that can't be taken.")
}

func (in TestInput) read(modelID string, faults *fault.Fields) provider.Prompt {
	prompt := provider.Prompt{ModelID: modelID, Text: in.Prompt, Temperature: in.Temperature}
	checkPrompt(faults, "prompt", in.Prompt)
	if in.System != nil {
		checkPrompt(faults, "system", *in.System)
		prompt.System = *in.System
	}
	if in.MaxOutputTokens != nil {
		prompt.MaxOutputTokens = *in.MaxOutputTokens
		if n := *in.MaxOutputTokens; n < 1 || n > MaxMaxOutputTokens {
			faults.Add("max_output_tokens", fault.Invalid, "must be from 1 to %d", MaxMaxOutputTokens)
		}
	}
	if t := in.Temperature; t != nil && (*t < 0 || *t > MaxTemperature) {
		faults.Add("temperature", fault.Invalid, "must be from 0 to %d", MaxTemperature)
	}
	return prompt
}

func checkPrompt(faults *fault.Fields, field, value string) {
	switch n := utf8.RuneCountInString(value); {
	case n == 0:
		faults.Add(field, fault.Required, "must not be empty")
	case n > MaxPrompt:
		faults.Add(field, fault.TooLong, "is %d characters long; at most %d are allowed", n, MaxPrompt)
	}
}
