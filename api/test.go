package api

import (
	"context"
	"log/slog"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/registry"
)

// testRequest is a prompt to test a model with.
type testRequest struct {
	// The prompt.
	Prompt string `json:"prompt" validate:"required,min=1,max=100000" example:"Say hello."`
	// The system prompt. If omitted, none is sent.
	System *string `json:"system,omitempty" validate:"omitempty,min=1,max=100000" example:"Answer in one word."`
	// The maximum length of the answer, in tokens.
	MaxOutputTokens *int `json:"max_output_tokens,omitempty" validate:"omitempty,min=1,max=128000" example:"1024"`
	// The temperature. If omitted, none is sent; some models don't accept one.
	Temperature *float64 `json:"temperature,omitempty" validate:"omitempty,min=0,max=2" example:"0.7"`
} //	@name	TestRequest

// draftTestRequest is a test of unsaved settings.
type draftTestRequest struct {
	draftSettings
	// The id of the model at the provider.
	ModelID string `json:"model_id" strict:"trim" validate:"required,min=1,max=256,text,model_id" example:"gpt-4-turbo"`
	testRequest
} //	@name	DraftTestRequest

// editTestRequest is a test of a provider with unsaved changes.
type editTestRequest struct {
	settingsUpdate
	// The id of the model at the provider.
	ModelID string `json:"model_id" strict:"trim" validate:"required,min=1,max=256,text,model_id" example:"gpt-4-turbo"`
	testRequest
} //	@name	EditTestRequest

// testResult is the result of a test, successful or failed.
type testResult struct {
	// Whether the model answered.
	Status string `json:"status" extensions:"x-ref=TestStatus" example:"success"`
	// The model's answer; only if the test succeeded. It is empty with finish_reason `length` if the model used all tokens for reasoning.
	Response *string `json:"response,omitempty" example:"Hello!"`
	// Why the test failed; only if it failed.
	Error *upstreamError `json:"error,omitempty"`
	// The time from sending the request to reading the end of the answer, in milliseconds.
	LatencyMS int64 `json:"latency_ms" example:"412"`
	// The time from sending the request to the first piece of the answer, in milliseconds; only for successful tests that were streamed.
	TimeToFirstTokenMS *int64 `json:"time_to_first_token_ms,omitempty" example:"380"`
	// The model that answered, as named by the provider.
	Model string `json:"model,omitempty" example:"gpt-4-turbo-2024-04-09"`
	// Why the model stopped, as reported by the provider.
	FinishReason string `json:"finish_reason,omitempty" example:"stop"`
	// What to know about the model although it works; only if the test succeeded.
	Warnings []testWarning `json:"warnings,omitempty"`
	// The number of tokens used; absent if the provider doesn't report it.
	Usage *tokenUsage `json:"usage,omitempty"`
	// The parameters that were sent along with the messages; only if the test succeeded.
	Sent map[string]any `json:"sent,omitempty"`
	// How long each part of the call took; only if the test succeeded.
	Timing *timing `json:"timing,omitempty"`
	// The provider's id of the request; absent if it has none.
	ProviderRequestID string `json:"provider_request_id,omitempty" example:"req_9f1c"`
	// The URL that was called.
	Endpoint string `json:"endpoint" example:"https://api.openai.com/v1/chat/completions"`
	// When the test ended.
	TestedAt timestamp `json:"tested_at" swaggertype:"string" format:"date-time" example:"2026-11-23T09:31:00.000Z"`
} //	@name	TestResult

// testWarning is something to know about a model that works.
type testWarning struct {
	// The stable code of the warning.
	Code string `json:"code" enums:"reasoning_only,responses_api,base_url_without_v1,limit_renamed,token_limit" example:"token_limit"`
	// The warning in words.
	Message string `json:"message" example:"The answer was cut off at the output limit."`
} //	@name	TestWarning

// tokenUsage is the number of tokens used.
type tokenUsage struct {
	// The tokens of the prompt.
	InputTokens int `json:"input_tokens" example:"9"`
	// The tokens of the answer.
	OutputTokens int `json:"output_tokens" example:"3"`
} //	@name	TokenUsage

// timing is how long the parts of a call took, in milliseconds. Reusing an open
// connection takes no time to connect.
type timing struct {
	// Time to connect.
	ConnectMS int64 `json:"connect_ms" example:"12"`
	// Time for the TLS handshake.
	TLSMS int64 `json:"tls_ms" example:"21"`
	// Time to the first byte of the answer.
	FirstByteMS int64 `json:"first_byte_ms" example:"380"`
	// Time to the end of the answer.
	TotalMS int64 `json:"total_ms" example:"412"`
} //	@name	Timing

// testDelta is a piece of an answer, the data of a `delta` event.
type testDelta struct {
	// The piece.
	Text string `json:"text" example:"Hel"`
}

// @Summary		Test a model
// @Description	Sends a prompt to the model and reports the response and its timing, or why the test failed. A failed test is answered with 200, too. Inactive providers and disabled models can be tested. With `Accept: text/event-stream` the response is streamed as `delta` events, followed by one `result` event. Disconnecting cancels the call to the provider.
// @Param			body	body		testRequest	true	"The prompt"
// @Success		200		{object}	testResult
// @Router			/models/{id}/test [post]
func (a *API) testModel(c echo.Context, body testRequest, problems fault.Problems) (any, error) {
	draft := registry.Draft{Prompt: body.prompt(), Problems: problems}
	return a.runTest(c, func(ctx context.Context, onDelta func(string)) (registry.TestResult, error) {
		return a.Registry.TestModel(ctx, principal(c).Workspace, c.Param("id"), draft, onDelta)
	})
}

// @Summary		Test unsaved settings
// @Description	Sends a prompt using the credentials and config in the request. Nothing is stored. Streams like testModel.
// @Param			body	body		draftTestRequest	true	"Settings and prompt"
// @Success		200		{object}	testResult
// @Router			/provider-types/{type}/test [post]
func (a *API) testProviderType(c echo.Context, body draftTestRequest, problems fault.Problems) (any, error) {
	draft := registry.Draft{Type: c.Param("type"), Settings: provider.Request(body.draftSettings), Prompt: body.prompt(), Problems: problems}
	draft.Prompt.ModelID = body.ModelID
	return a.testDraft(c, draft)
}

// @Summary		Test an edit of a provider
// @Description	Sends a prompt using the stored settings with the changes in the request. Nothing is stored. If the changes would send a stored credential to another address, the request is refused and no prompt is sent. Streams like testModel.
// @Param			body	body		editTestRequest	true	"Settings and prompt"
// @Success		200		{object}	testResult
// @Router			/providers/{id}/test [post]
func (a *API) testProvider(c echo.Context, body editTestRequest, problems fault.Problems) (any, error) {
	draft := registry.Draft{ProviderID: c.Param("id"), Settings: provider.Request(body.settingsUpdate), Prompt: body.prompt(), Problems: problems}
	draft.Prompt.ModelID = body.ModelID
	return a.testDraft(c, draft)
}

func (a *API) testDraft(c echo.Context, draft registry.Draft) (any, error) {
	return a.runTest(c, func(ctx context.Context, onDelta func(string)) (registry.TestResult, error) {
		return a.Registry.TestDraft(ctx, principal(c).Workspace, draft, onDelta)
	})
}

func (r testRequest) prompt() provider.Prompt {
	return provider.Prompt{
		Text: r.Prompt, System: orZero(r.System), Temperature: r.Temperature, MaxOutputTokens: orZero(r.MaxOutputTokens),
	}
}

// runTest returns the result of a test. It sends the answer of the model piece by piece if
// the client asks for events.
func (a *API) runTest(c echo.Context, test func(ctx context.Context, onDelta func(string)) (registry.TestResult, error)) (any, error) {
	return a.answerEvents(c, "result", func(ctx context.Context, send sendEvent) (any, error) {
		var onDelta func(string) // without it, the answer is not streamed to this service either
		if send != nil {
			onDelta = func(text string) { send("delta", testDelta{Text: text}) }
		}
		result, err := test(ctx, onDelta)
		if err != nil {
			return nil, err
		}
		logTest(c, result)
		return toTestResult(result), nil
	})
}

func logTest(c echo.Context, result registry.TestResult) {
	var attrs []slog.Attr
	if result.ModelID != "" {
		attrs = append(attrs, slog.String("model_id", result.ModelID))
	}
	logFailure(c, result.ProviderID, result.Failure, attrs...)
}

func toTestResult(r registry.TestResult) testResult {
	out := testResult{
		Status: testStatus(r.Failure == nil), Error: toUpstreamError(r.Failure), LatencyMS: milliseconds(r.Latency),
		ProviderRequestID: r.RequestID, Endpoint: r.Endpoint, TestedAt: timestamp(r.TestedAt),
	}
	if r.Failure != nil {
		return out
	}
	out.Response, out.Model, out.FinishReason, out.Sent = &r.Response, r.Model, r.FinishReason, r.Sent
	out.Usage = (*tokenUsage)(r.Usage)
	out.Warnings = mapped(r.Warnings, func(w provider.Warning) testWarning {
		return testWarning{Code: string(w.Code), Message: w.Message}
	})
	t := r.Timing
	out.Timing = &timing{ConnectMS: milliseconds(t.Connect), TLSMS: milliseconds(t.TLS), FirstByteMS: milliseconds(t.FirstByte), TotalMS: milliseconds(t.Total)}
	if r.FirstToken > 0 {
		ms := milliseconds(r.FirstToken)
		out.TimeToFirstTokenMS = &ms
	}
	return out
}

// toUpstreamError returns nil for no failure.
func toUpstreamError(f *provider.Failure) *upstreamError {
	if f == nil {
		return nil
	}
	return &upstreamError{Kind: string(f.Kind), Message: f.Message, HTTPStatus: f.HTTPStatus, Code: f.Code, Hint: f.Hint}
}

func testStatus(success bool) string {
	if success {
		return "success"
	}
	return "failed"
}
