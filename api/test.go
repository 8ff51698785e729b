package api

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/registry"
)

// testRequest is a prompt to test a model with.
type testRequest struct {
	// What to ask.
	Prompt string `json:"prompt" validate:"required,min=1,max=100000" example:"Say hello."`
	// Instructions to the model; left out, none are sent.
	System *string `json:"system,omitempty" validate:"omitempty,min=1,max=100000" example:"Answer in one word."`
	// Bound on the answer, in tokens.
	MaxOutputTokens *int `json:"max_output_tokens,omitempty" validate:"omitempty,min=1,max=128000" example:"1024"`
	// Left out, none is sent: some models take none.
	Temperature *float64 `json:"temperature,omitempty" validate:"omitempty,min=0,max=2" example:"0.7"`
} //	@name	TestRequest

// draftTestRequest tests settings of a type that are not saved.
type draftTestRequest struct {
	draftSettings
	// The id under which the provider knows the model.
	ModelID string `json:"model_id" strict:"trim" validate:"required,min=1,max=256,text,model_id" example:"gpt-4-turbo"`
	testRequest
} //	@name	DraftTestRequest

// editTestRequest tests an edit of a provider, laid over what is stored.
type editTestRequest struct {
	// Replaces the given credentials for this test; the others are the stored ones.
	Credentials map[string]json.RawMessage `json:"credentials,omitempty" swaggertype:"object" extensions:"x-ref=ProviderCredentialsUpdate"`
	// Merged field by field into the stored config for this test.
	Config map[string]json.RawMessage `json:"config,omitempty" swaggertype:"object" extensions:"x-ref=ProviderConfigUpdate"`
	// The id under which the provider knows the model.
	ModelID string `json:"model_id" strict:"trim" validate:"required,min=1,max=256,text,model_id" example:"gpt-4-turbo"`
	testRequest
} //	@name	EditTestRequest

// testResult is the outcome of a test. A failed test is a result too.
type testResult struct {
	// Whether the model answered.
	Status string `json:"status" enums:"success,failed" example:"success"`
	// What the model answered; on success only. Empty with finish_reason `length` when all tokens went into thinking.
	Response *string `json:"response,omitempty" example:"Hello!"`
	// Why the test failed; on failure only.
	Error *testError `json:"error,omitempty"`
	// From sending the request to having read the whole answer, in milliseconds.
	LatencyMS int64 `json:"latency_ms" example:"412"`
	// From sending the request to the first piece of the answer, in milliseconds; of a streamed success only.
	TimeToFirstTokenMS *int64 `json:"time_to_first_token_ms,omitempty" example:"380"`
	// The model that answered, as the provider names it.
	Model string `json:"model,omitempty" example:"gpt-4-turbo-2024-04-09"`
	// Why the model stopped, in the provider's words.
	FinishReason string `json:"finish_reason,omitempty" example:"stop"`
	// What a user should know although the model works; on success only.
	Warnings []testWarning `json:"warnings,omitempty"`
	// Tokens used; absent where the provider does not tell.
	Usage *tokenUsage `json:"usage,omitempty"`
	// The parameters that were sent beside the messages; on success only.
	Sent map[string]any `json:"sent,omitempty"`
	// Where the time went; on success only.
	Timing *timing `json:"timing,omitempty"`
	// The provider's own id of the request; absent where it gives none.
	ProviderRequestID string `json:"provider_request_id,omitempty" example:"req_9f1c"`
	// The URL that was called.
	Endpoint string `json:"endpoint" example:"https://api.openai.com/v1/chat/completions"`
	// When the test ended.
	TestedAt timestamp `json:"tested_at" swaggertype:"string" format:"date-time" example:"2026-11-23T09:31:00.000Z"`
} //	@name	TestResult

// testWarning is something to know of a model that works.
type testWarning struct {
	// What it is about.
	Code string `json:"code" enums:"reasoning_only,responses_api,base_url_without_v1,limit_renamed,token_limit" example:"token_limit"`
	// The same in a sentence.
	Message string `json:"message" example:"The answer was cut off at the output limit."`
} //	@name	TestWarning

// testError says why a test failed.
type testError struct {
	// Why the call failed.
	Kind string `json:"kind" enums:"authentication,permission,quota_exceeded,rate_limited,model_not_found,invalid_request,content_filtered,timeout,unreachable,blocked,misconfigured,upstream" example:"authentication"`
	// The provider's own words, without any credential.
	Message string `json:"message" example:"Incorrect API key provided: sk-••••."`
	// The provider's HTTP status; absent when no answer came.
	HTTPStatus int `json:"http_status,omitempty" example:"401"`
	// The provider's own code; absent when it gives none.
	Code string `json:"code,omitempty" example:"invalid_api_key"`
	// What to do about it; absent when nothing is known.
	Hint string `json:"hint,omitempty" example:"Replace the API key of this provider."`
} //	@name	TestError

// tokenUsage counts tokens.
type tokenUsage struct {
	// Tokens of the prompt.
	InputTokens int `json:"input_tokens" example:"9"`
	// Tokens of the answer.
	OutputTokens int `json:"output_tokens" example:"3"`
} //	@name	TokenUsage

// timing splits the time of a call, in milliseconds. A connection that was open
// already took no time to connect.
type timing struct {
	// To connect.
	ConnectMS int64 `json:"connect_ms" example:"12"`
	// To agree on TLS.
	TLSMS int64 `json:"tls_ms" example:"21"`
	// Until the first byte of the answer.
	FirstByteMS int64 `json:"first_byte_ms" example:"380"`
	// Until the whole answer was read.
	TotalMS int64 `json:"total_ms" example:"412"`
} //	@name	Timing

// testDelta is a piece of an answer, the data of a `delta` event.
type testDelta struct {
	// The piece.
	Text string `json:"text" example:"Hel"`
}

// @Summary		Test a model
// @Description	Sends a prompt to the model and reports the response and its timing, or why the test failed. A failed test is answered with 200, too. Inactive providers and disabled models can be tested. With `Accept: text/event-stream` the response is streamed as `delta` events, followed by one `result` event. Disconnecting cancels the call to the provider.
// @ID				testModel
// @Tags			tests
// @Param			id		path		string		true	"Id of the model"	format(uuid)
// @Param			body	body		testRequest	true	"The prompt"
// @Success		200		{object}	testResult
// @Router			/models/{id}/test [post]
func (a *API) testModel(c echo.Context) error {
	var body testRequest
	problems, err := decode(c, &body)
	if err := cmp.Or(err, problems.Err("Model not tested")); err != nil {
		return err
	}
	return a.runTest(c, func(ctx context.Context, onDelta func(string)) (registry.TestResult, error) {
		return a.Registry.TestModel(ctx, principal(c).Workspace, c.Param("id"), body.prompt(""), onDelta)
	})
}

// @Summary		Test unsaved settings
// @Description	Sends a prompt using the credentials and config in the request. Nothing is stored. Streams like testModel.
// @ID				testProviderType
// @Tags			tests
// @Param			type	path		string				true	"Name of the type"	extensions(x-ref=ProviderTypeName)
// @Param			body	body		draftTestRequest	true	"Settings and prompt"
// @Success		200		{object}	testResult
// @Router			/provider-types/{type}/test [post]
func (a *API) testProviderType(c echo.Context) error {
	typ, err := lookupType(c)
	if err != nil {
		return err
	}
	var body draftTestRequest
	problems, err := decode(c, &body)
	if err != nil {
		return err
	}
	draft := registry.Draft{
		Settings: provider.Request{Credentials: body.Credentials, Config: body.Config},
		Prompt:   body.prompt(body.ModelID),
		Problems: problems,
	}
	return a.runTest(c, func(ctx context.Context, onDelta func(string)) (registry.TestResult, error) {
		return a.Registry.TestType(ctx, principal(c).Workspace, typ.Name(), draft, onDelta)
	})
}

// @Summary		Test an edit of a provider
// @Description	Sends a prompt using the stored settings with the changes in the request. Nothing is stored. If the changes would send a stored credential to another address, the request is refused and no prompt is sent. Streams like testModel.
// @ID				testProvider
// @Tags			tests
// @Param			id		path		string			true	"Id of the provider"	format(uuid)
// @Param			body	body		editTestRequest	true	"Settings and prompt"
// @Success		200		{object}	testResult
// @Router			/providers/{id}/test [post]
func (a *API) testProvider(c echo.Context) error {
	workspace, id := principal(c).Workspace, c.Param("id")
	var body editTestRequest
	problems, err := decode(c, &body)
	if err != nil {
		return err
	}
	draft := registry.Draft{
		Settings: provider.Request{Credentials: body.Credentials, Config: body.Config},
		Prompt:   body.prompt(body.ModelID),
		Problems: problems,
	}
	return a.runTest(c, func(ctx context.Context, onDelta func(string)) (registry.TestResult, error) {
		return a.Registry.TestProvider(ctx, workspace, id, draft, onDelta)
	})
}

func (r testRequest) prompt(modelID string) provider.Prompt {
	prompt := provider.Prompt{ModelID: modelID, Text: r.Prompt, Temperature: r.Temperature}
	if r.System != nil {
		prompt.System = *r.System
	}
	if r.MaxOutputTokens != nil {
		prompt.MaxOutputTokens = *r.MaxOutputTokens
	}
	return prompt
}

// testRun runs a test; onDelta, unless it is nil, hears the answer as it comes.
type testRun func(ctx context.Context, onDelta func(string)) (registry.TestResult, error)

// runTest runs a test and answers its result, streamed where the client asks
// for a stream.
func (a *API) runTest(c echo.Context, run testRun) error {
	if wantsEvents(c.Request()) {
		return a.streamTest(c, run)
	}
	result, err := run(c.Request().Context(), nil)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, toTestResult(result, false))
}

func toTestResult(r registry.TestResult, streamed bool) testResult {
	out := testResult{
		Status: testStatus(r.Failure == nil), LatencyMS: milliseconds(r.Latency),
		ProviderRequestID: r.RequestID, Endpoint: r.Endpoint, TestedAt: timestamp(r.TestedAt),
	}
	if f := r.Failure; f != nil {
		out.Error = &testError{Kind: string(f.Kind), Message: f.Message, HTTPStatus: f.HTTPStatus, Code: f.Code, Hint: f.Hint}
		return out
	}
	out.Response, out.Model, out.FinishReason, out.Sent = &r.Response, r.Model, r.FinishReason, r.Sent
	for _, w := range r.Warnings {
		out.Warnings = append(out.Warnings, testWarning{Code: string(w.Code), Message: w.Message})
	}
	if u := r.Usage; u != nil {
		out.Usage = &tokenUsage{InputTokens: u.InputTokens, OutputTokens: u.OutputTokens}
	}
	t := r.Timing
	out.Timing = &timing{ConnectMS: milliseconds(t.Connect), TLSMS: milliseconds(t.TLS), FirstByteMS: milliseconds(t.FirstByte), TotalMS: milliseconds(t.Total)}
	if streamed && r.FirstToken > 0 {
		ms := milliseconds(r.FirstToken)
		out.TimeToFirstTokenMS = &ms
	}
	return out
}

func testStatus(success bool) string {
	if success {
		return "success"
	}
	return "failed"
}
