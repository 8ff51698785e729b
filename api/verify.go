package api

import (
	"context"
	"log/slog"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

// verifyRequest selects the stages to check.
type verifyRequest struct {
	// The stages to check, of those that the model serves. If omitted, all of them are checked.
	Stages *[]string `json:"stages,omitempty" validate:"omitempty,min=1,max=100,unique,dive,stage,distinct" extensions:"x-ref=StageName" example:"planning"`
} //	@name	VerifyRequest

// stageResult is the outcome of the check of one stage.
type stageResult struct {
	// The stage.
	Stage string `json:"stage" extensions:"x-ref=StageName" example:"planning"`
	// `passed` if the model does what the stage asks of it, `failed` if not, `error` if a call failed.
	Status string `json:"status" enums:"passed,failed,error" example:"passed"`
	// What the model did; absent if a call failed.
	Detail string `json:"detail,omitempty" example:"Made a plan of 4 steps."`
	// What the model answered, at most 10,000 characters; only if it failed the check.
	Response string `json:"response,omitempty" example:"First, copy the website."`
	// Why a call failed; only with status `error`.
	Error *upstreamError `json:"error,omitempty"`
	// The time that the calls took, in milliseconds; absent if a limit of this service refused a call.
	LatencyMS *int64 `json:"latency_ms,omitempty" example:"900"`
	// The number of tokens used by the calls; absent if the provider doesn't report it.
	Usage *tokenUsage `json:"usage,omitempty"`
} //	@name	StageResult

// stageCheck is the last check of a stage of a model.
type stageCheck struct {
	// Whether the model does what the stage asks of it, or `error` if it could not be called.
	Status string `json:"status" enums:"passed,failed,error" example:"passed"`
	// When it ended.
	At timestamp `json:"at" swaggertype:"string" format:"date-time" example:"2026-11-23T09:32:00.000Z"`
} //	@name	StageCheck

// verification is the outcome of the checks of a model.
type verification struct {
	// The id of the model at the provider.
	ModelID string `json:"model_id" example:"gpt-4-turbo"`
	// The outcome for each stage, in the order of GET /stages.
	Results []stageResult `json:"results"`
	// When the checks ended.
	VerifiedAt timestamp `json:"verified_at" swaggertype:"string" format:"date-time" example:"2026-11-23T09:32:00.000Z"`
} //	@name	Verification

// @Summary		Verify the stages of a model
// @Description	Checks whether the model does what its stages ask of it, two stages at a time, and stores the results as `stage_checks` of the model. A check calls the model once, that of `guardrail` twice, and once more for each answer that was cut off at the output limit. Each call counts as a test for the rate limits; a stage with a call that they refuse has the error `rate_limited`, and its stored check does not change. If they refuse all calls, the response is 429. No call begins later than the time limit of one test after the request; a stage with such a call has the error `timeout`. With `Accept: text/event-stream`, a `check` event follows each check, and one `result` event ends the stream. Disconnecting cancels the calls to the provider.
// @Param			body	body		verifyRequest	false	"The stages"
// @Success		200		{object}	verification
// @Router			/models/{id}/verify [post]
func (a *API) verifyModel(c echo.Context, body verifyRequest, problems fault.Problems) (any, error) {
	return a.answerEvents(c, "result", func(ctx context.Context, send sendEvent) (any, error) {
		onCheck := func(result registry.StageResult) {
			if send != nil {
				send("check", toStageResult(result))
			}
		}
		done, err := a.Registry.VerifyModel(ctx, principal(c).Workspace, c.Param("id"), body.Stages, problems, onCheck)
		if err != nil {
			return nil, err
		}
		logVerification(c, done)
		return verification{
			ModelID: done.Model.ModelID, Results: mapped(done.Results, toStageResult), VerifiedAt: timestamp(done.VerifiedAt),
		}, nil
	})
}

// logVerification adds the number of stages with each outcome to the log line.
func logVerification(c echo.Context, done registry.Verification) {
	counts := map[registry.StageStatus]int{}
	for _, result := range done.Results {
		counts[result.Status]++
	}
	logCall(c, done.Model.ProviderID, counts[registry.StagePassed] == len(done.Results),
		slog.String("model_id", done.Model.ID), slog.Int("passed", counts[registry.StagePassed]), slog.Int("failed", counts[registry.StageFailed]),
		slog.Int("errors", counts[registry.StageError]))
}

func toStageResult(r registry.StageResult) stageResult {
	out := stageResult{
		Stage: string(r.Stage), Status: string(r.Status), Detail: r.Detail, Response: r.Response,
		Error: toUpstreamError(r.Failure), Usage: (*tokenUsage)(r.Usage),
	}
	if !r.Refused {
		ms := milliseconds(r.Latency)
		out.LatencyMS = &ms
	}
	return out
}
