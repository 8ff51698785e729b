package api

import (
	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
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
// @Param			body	body		draftSettings	true	"The settings"
// @Success		200		{object}	checkResult
// @Router			/provider-types/{type}/check [post]
func (a *API) checkProviderType(c echo.Context, body draftSettings, problems fault.Problems) (any, error) {
	return a.check(c, registry.Draft{Type: c.Param("type"), Settings: provider.Request(body), Problems: problems})
}

// @Summary		Check a provider
// @Description	Checks the stored settings without calling a model, by asking the provider's service for its list of models, and sets or clears the provider's error and its last check. With changes in the request, they are applied for this check, and nothing is stored; if they would send a stored credential to another address, the request is refused. A failed check is answered with 200, too.
// @Param			body	body		settingsUpdate	false	"The changes"
// @Success		200		{object}	checkResult
// @Router			/providers/{id}/check [post]
func (a *API) checkProvider(c echo.Context, body settingsUpdate, problems fault.Problems) (any, error) {
	return a.check(c, registry.Draft{ProviderID: c.Param("id"), Settings: provider.Request(body), Problems: problems})
}

func (a *API) check(c echo.Context, draft registry.Draft) (any, error) {
	r, err := a.Registry.Check(c.Request().Context(), principal(c).Workspace, draft)
	if err != nil {
		return nil, err
	}
	logFailure(c, c.Param("id"), r.Failure)
	return checkResult{
		Status: testStatus(r.Failure == nil), Proven: r.Proven, Detail: r.Detail, Error: toUpstreamError(r.Failure),
		LatencyMS: milliseconds(r.Latency), ProviderRequestID: r.RequestID, Endpoint: r.Endpoint, CheckedAt: timestamp(r.CheckedAt),
	}, nil
}
