package registry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
)

// Bounds of a test of several models.
const (
	maxTestedModels   = 50
	testsAtOnce       = 4
	testedTokens      = 256    // the default output limit of each model
	maxReportedAnswer = 10_000 // characters of each answer
)

// ModelTest is the outcome for one of several models that were tested.
type ModelTest struct {
	Model   Model
	Result  TestResult
	Skipped string // why the model was not tested; empty if it was
}

// ModelTests are the outcomes for several models.
type ModelTests struct {
	Tests []ModelTest
	// Truncated is whether the provider has more enabled models.
	Truncated bool
}

// TestModels tests models of a provider with one prompt, a few at a time: those whose
// id or model id is in modelIDs or, if it is nil, the first enabled ones by name. Each
// result is stored as by [Registry.TestModel] and passed to onTest, from several
// goroutines. A model is skipped if its test is rate limited, or would begin later
// than a test may last. It returns not_found and validation_failed.
func (r *Registry) TestModels(ctx context.Context, workspace, id string, modelIDs *[]string, draft Draft, onTest func(ModelTest)) (ModelTests, error) {
	p, err := r.Provider(ctx, workspace, id)
	if err != nil {
		return ModelTests{}, err
	}
	models, truncated := modelsToTest(p, modelIDs, &draft.Problems.Invalid)
	if err := draft.Problems.Err("Models not tested"); err != nil {
		return ModelTests{}, err
	}
	client, end, err := r.clientOf(ctx, p)
	if err != nil {
		return ModelTests{}, err
	}
	defer end()
	draft.Prompt.MaxOutputTokens = cmp.Or(draft.Prompt.MaxOutputTokens, testedTokens)
	tests := make([]ModelTest, len(models))
	latest := time.Now().Add(r.cfg.TestTimeout)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(testsAtOnce)
	for i, m := range models {
		group.Go(func() (err error) {
			if tests[i], err = r.testOneOf(ctx, p, m, client, draft.Prompt, latest); err == nil {
				onTest(tests[i])
			}
			return err
		})
	}
	return ModelTests{Tests: tests, Truncated: truncated}, group.Wait()
}

// modelsToTest returns the models to test, and whether there are more enabled ones.
func modelsToTest(p Provider, modelIDs *[]string, faults *fault.Fields) (models []Model, truncated bool) {
	if modelIDs == nil {
		models = slices.DeleteFunc(slices.Clone(p.Models), func(m Model) bool { return !m.Enabled })
		slices.SortStableFunc(models, func(a, b Model) int { return cmp.Compare(a.NameKey, b.NameKey) })
		return models[:min(len(models), maxTestedModels)], len(models) > maxTestedModels
	}
	for i, modelID := range (*modelIDs)[:min(len(*modelIDs), maxTestedModels)] { // the API refuses more
		field := fmt.Sprintf("model_ids[%d]", i)
		found := slices.IndexFunc(p.Models, func(m Model) bool { return m.ModelID == modelID || m.ID == modelID })
		switch {
		case found < 0:
			faults.Add(field, fault.Missing, "is not a model of this provider")
		case slices.ContainsFunc(models, func(m Model) bool { return m.ID == p.Models[found].ID }):
			faults.Add(field, fault.Duplicate, "is a model that is given twice")
		default:
			models = append(models, p.Models[found])
		}
	}
	return models, false
}

// testOneOf tests one of several models, or skips it.
func (r *Registry) testOneOf(ctx context.Context, p Provider, m Model, client provider.Client, prompt provider.Prompt, latest time.Time) (ModelTest, error) {
	if err := ctx.Err(); err != nil {
		return ModelTest{}, err
	}
	if time.Now().After(latest) {
		return ModelTest{Model: m, Skipped: "The tests before it took too long."}, nil
	}
	result, err := r.testModel(ctx, p, m, client, prompt, nil)
	if fault.Is(err, fault.RateLimited) {
		return ModelTest{Model: m, Skipped: fault.As(err).Message}, nil
	}
	result.Response = shortened(result.Response, maxReportedAnswer)
	return ModelTest{Model: m, Result: result}, err
}
