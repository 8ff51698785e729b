package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/registry"
)

// checkResult is the result of a check of a connection, successful or failed.
type checkResult struct {
	// Whether the provider's service answered and did not refuse the credentials.
	Status string `json:"status" extensions:"x-ref=TestStatus" example:"success"`
	// Whether the service has accepted the credentials. It is false on success if the service has no list of models, does not allow the credentials to read it, or lets anybody read it.
	Proven bool `json:"proven" example:"true"`
	// What was found, and what was not checked; only if the check succeeded.
	Detail string `json:"detail,omitempty" example:"The provider accepts the credentials."`
	// Why the check failed; only if it failed.
	Error *upstreamError `json:"error,omitempty"`
	// The time from sending the request to reading the end of the answer, in milliseconds.
	LatencyMS int64 `json:"latency_ms" example:"212"`
	// The provider's id of the request; absent if it has none.
	ProviderRequestID string `json:"provider_request_id,omitempty" example:"req_9f1c"`
	// The URL that was called.
	Endpoint string `json:"endpoint" example:"https://api.openai.com/v1/models"`
	// When the check ended.
	CheckedAt timestamp `json:"checked_at" swaggertype:"string" format:"date-time" example:"2026-11-23T09:31:00.000Z"`
} //	@name	CheckResult

// @Summary		Check unsaved settings
// @Description	Checks the credentials and config in the request without calling a model, by asking the provider's service for its list of models. Nothing is stored. A failed check is answered with 200, too.
// @ID				checkProviderType
// @Tags			tests
// @Param			type	path		string			true	"Name of the type"	extensions(x-ref=ProviderTypeName)
// @Param			body	body		draftSettings	true	"The settings"
// @Success		200		{object}	checkResult
// @Router			/provider-types/{type}/check [post]
func (a *API) checkProviderType(c echo.Context) error {
	draft, err := decodeDraftSettings(c)
	if err != nil {
		return err
	}
	return a.answerCheck(c, draft)
}

// @Summary		Check a provider
// @Description	Checks the stored settings without calling a model, by asking the provider's service for its list of models, and sets or clears the provider's error and its last check. With changes in the request, they are applied for this check, and nothing is stored; if they would send a stored credential to another address, the request is refused. A failed check is answered with 200, too.
// @ID				checkProvider
// @Tags			tests
// @Param			id		path		string			true	"Id of the provider"	format(uuid)	example(0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10)
// @Param			body	body		settingsUpdate	false	"The changes"
// @Success		200		{object}	checkResult
// @Router			/providers/{id}/check [post]
func (a *API) checkProvider(c echo.Context) error {
	draft, err := decodeEditSettings(c)
	if err != nil {
		return err
	}
	return a.answerCheck(c, draft)
}

func (a *API) answerCheck(c echo.Context, draft registry.Draft) error {
	result, err := a.Registry.Check(c.Request().Context(), principal(c).Workspace, draft)
	if err != nil {
		return err
	}
	logFailure(c, c.Param("id"), result.Failure)
	return c.JSON(http.StatusOK, toCheckResult(result))
}

func toCheckResult(r registry.CheckResult) checkResult {
	out := checkResult{
		Status: testStatus(r.Failure == nil), Proven: r.Proven, Detail: r.Detail, LatencyMS: milliseconds(r.Latency),
		ProviderRequestID: r.RequestID, Endpoint: r.Endpoint, CheckedAt: timestamp(r.CheckedAt),
	}
	if r.Failure != nil {
		out.Error = toUpstreamError(r.Failure)
	}
	return out
}
