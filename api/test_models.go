package api

import (
	"context"
	"log/slog"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

// modelsTestRequest is a prompt to test several models with.
type modelsTestRequest struct {
	testRequest
	// The models, each by its `id` or its `model_id`. If omitted, the first 50 enabled models by display name are tested.
	ModelIDs *[]string `json:"model_ids,omitempty" validate:"omitempty,min=1,max=50,unique,dive,distinct,max=256" extensions:"x-ref=ModelReference" example:"gpt-4-turbo"`
} //	@name	ModelsTestRequest

// modelTestResult is the outcome for one of several models that are tested.
type modelTestResult struct {
	// The id of the model.
	ID string `json:"id" format:"uuid" example:"0199d1a4-7c1f-7b02-8e11-6d0f6c1b2a3d"`
	// The id of the model at the provider.
	ModelID string `json:"model_id" example:"gpt-4-turbo"`
	// Whether the model answered, or `skipped` if it was not tested.
	Status string `json:"status" enums:"success,failed,skipped" example:"success"`
	// The result of the test; absent if the model was skipped. At most 10,000 characters of the answer are reported.
	Result *testResult `json:"result,omitempty"`
	// Why the model was skipped: a rate limit was exceeded, or the tests before it took too long.
	Detail string `json:"detail,omitempty" example:"Too many tests in this workspace. The limit is 300 per minute."`
} //	@name	ModelTestResult

// modelsTestSummary counts the outcomes.
type modelsTestSummary struct {
	// The number of models that answered.
	Succeeded int `json:"succeeded" example:"1"`
	// The number of models whose test failed.
	Failed int `json:"failed" example:"0"`
	// The number of models that were not tested.
	Skipped int `json:"skipped" example:"0"`
	// Whether the provider has more enabled models than can be tested in one request.
	Truncated bool `json:"truncated" example:"false"`
} //	@name	ModelsTestSummary

// modelsTestResults is the outcomes for all models.
type modelsTestResults struct {
	// In the order of the request, or of the display names.
	Results []modelTestResult `json:"results"`
	// The number of models with each outcome.
	Summary modelsTestSummary `json:"summary"`
} //	@name	ModelsTestResults

// @Summary		Test models of a provider
// @Description	Sends a prompt to several models, four at a time, and reports the outcome for each. `max_output_tokens` is 256 if it is omitted. Each test counts as one for the rate limits, and its result is stored like that of testModel; models whose test is refused by a limit are skipped. No test begins later than the time limit of one test after the request. With `Accept: text/event-stream`, a `result` event follows each test, and one `summary` event ends the stream. Disconnecting cancels the calls to the provider.
// @Param			body	body		modelsTestRequest	true	"The prompt and the models"
// @Success		200		{object}	modelsTestResults
// @Router			/providers/{id}/test-models [post]
func (a *API) testModels(c echo.Context, body modelsTestRequest, problems fault.Problems) (any, error) {
	draft := registry.Draft{Prompt: body.prompt(), Problems: problems}
	return a.answerEvents(c, "summary", func(ctx context.Context, send sendEvent) (any, error) {
		onTest := func(test registry.ModelTest) {
			if send != nil {
				send("result", toModelTestResult(test))
			}
		}
		done, err := a.Registry.TestModels(ctx, principal(c).Workspace, c.Param("id"), body.ModelIDs, draft, onTest)
		if err != nil {
			return nil, err
		}
		results := toModelsTestResults(done)
		logTests(c, results.Summary)
		if send != nil {
			return results.Summary, nil
		}
		return results, nil
	})
}

// logTests adds the number of models with each outcome to the log line.
func logTests(c echo.Context, summary modelsTestSummary) {
	logCall(c, c.Param("id"), summary.Failed == 0, slog.Int("succeeded", summary.Succeeded),
		slog.Int("failed", summary.Failed), slog.Int("skipped", summary.Skipped))
}

func toModelTestResult(test registry.ModelTest) modelTestResult {
	out := modelTestResult{ID: test.Model.ID, ModelID: test.Model.ModelID, Status: "skipped", Detail: test.Skipped}
	if test.Skipped == "" {
		result := toTestResult(test.Result)
		out.Status, out.Result = result.Status, &result
	}
	return out
}

func toModelsTestResults(done registry.ModelTests) modelsTestResults {
	results, with := mapped(done.Tests, toModelTestResult), map[string]int{}
	for _, result := range results {
		with[result.Status]++
	}
	return modelsTestResults{Results: results, Summary: modelsTestSummary{
		Succeeded: with["success"], Failed: with["failed"], Skipped: with["skipped"], Truncated: done.Truncated,
	}}
}
