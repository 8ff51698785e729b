package api

import (
	"context"
	"time"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

// modelOfProvider is a model in the list of its provider.
type modelOfProvider struct {
	// The id, a UUIDv7.
	ID string `json:"id" format:"uuid" example:"0199d1a4-7c1f-7b02-8e11-6d0f6c1b2a3d"`
	// The id of the provider.
	ProviderID string `json:"provider_id" format:"uuid" example:"0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10"`
	// The id of the model at the provider; unique within the provider.
	ModelID string `json:"model_id" minLength:"1" maxLength:"256" example:"gpt-4-turbo"`
	// The display name.
	DisplayName string `json:"display_name" minLength:"1" maxLength:"256" example:"GPT-4 Turbo"`
	// The pipeline stages that the model serves, in the order of GET /stages.
	SupportedStages []string `json:"supported_stages" extensions:"x-ref=StageName" example:"planning,tool_call"`
	// Whether the model is enabled.
	Enabled bool `json:"enabled" example:"true"`
	// The result of the last test; null before the first test and after model_id was changed.
	LastTest *lastTest `json:"last_test" extensions:"x-nullable"`
	// The last check of each stage that was checked; empty after model_id or the provider's credentials or config were changed. A stage that is removed loses its check.
	StageChecks map[string]stageCheck `json:"stage_checks"`
	// The number of references, which say that something depends on the model.
	ReferenceCount int `json:"reference_count" example:"0"`
	revision
} //	@name	ModelOfProvider

// modelResponse is a model with data about its provider.
type modelResponse struct {
	modelOfProvider
	// The name of the provider.
	ProviderName string `json:"provider_name" example:"Production OpenAI"`
	// The type of the provider.
	ProviderType string `json:"provider_type" extensions:"x-ref=ProviderTypeName" example:"openai"`
	// The status of the provider.
	ProviderStatus string `json:"provider_status" extensions:"x-ref=ProviderStatus" example:"active"`
	// Whether the provider is enabled.
	ProviderEnabled bool `json:"provider_enabled" example:"true"`
} //	@name	Model

// lastTest is the result of the last test of a model.
type lastTest struct {
	// Whether the model answered.
	Status string `json:"status" extensions:"x-ref=TestStatus" example:"success"`
	// Why the test failed; absent if it succeeded.
	Kind string `json:"kind,omitempty" extensions:"x-ref=FailureKind" example:"authentication"`
	// The time from sending the request to reading the end of the answer, in milliseconds.
	LatencyMS int64 `json:"latency_ms" example:"412"`
	// When it ended.
	At timestamp `json:"at" swaggertype:"string" format:"date-time" example:"2026-11-23T09:31:00.000Z"`
} //	@name	LastTest

// modelList is one page of models.
type modelList struct {
	// The models of this page.
	Data []modelResponse `json:"data"`
	// The cursor of the next page; null on the last page.
	NextCursor *string `json:"next_cursor" extensions:"x-nullable" example:"AZ3J0o7k"`
	// The number of models on all pages; only with `count=true`.
	Total *int `json:"total,omitempty" example:"3"`
} //	@name	ModelList

// modelsAdded is the models that one request added.
type modelsAdded struct {
	// In the order of the request.
	Data []modelResponse `json:"data"`
} //	@name	ModelsAdded

// @Summary		List models
// @Description	Lists the models of all providers.
// @Param			q				query		string	false	"Text that the display name or model_id contains, ignoring case"	maxlength(2048)	example(gpt)
// @Param			provider_id		query		string	false	"Only models of this provider"				format(uuid)
// @Param			provider_type	query		string	false	"Only models of providers of this type"		extensions(x-ref=ProviderTypeName)
// @Param			provider_status	query		string	false	"Only models of providers with this status"	extensions(x-ref=ProviderStatus)
// @Param			available		query		boolean	false	"Only models that are enabled and whose provider is enabled, or only the others"
// @Success		200				{object}	modelList
// @Failure		422				{object}	problem
// @Router			/models [get]
func (a *API) listModels(c echo.Context) (any, error) {
	q := newQuery(c)
	query := q.models()
	query.ProviderID = q.uuid("provider_id")
	query.ProviderType = oneOf(q, "provider_type", providerTypeNames()...)
	query.ProviderStatus = q.status("provider_status")
	query.Available = q.flag("available")
	return a.pageOfModels(q, query, a.Registry.Models)
}

// pageOfModels returns a page of the models that list returns.
func (a *API) pageOfModels(q *query, query registry.ModelQuery,
	list func(ctx context.Context, workspace string, query registry.ModelQuery) ([]registry.Model, error),
) (any, error) {
	page, err := q.page()
	if err != nil {
		return nil, err
	}
	if query.Verified != nil && query.Stage == "" {
		faults := fault.Fields{{Name: "stage", Code: fault.Required, Message: "is required with verified"}}
		return nil, faults.Err(fault.ValidationFailed, badQuery)
	}
	ctx, workspace := q.c.Request().Context(), principal(q.c).Workspace
	models, next, err := readPage(a.Keyset, listing{"models", workspace, query}, page, func(after *registry.Position, limit int) ([]registry.Model, error) {
		query.After, query.Limit = after, limit
		return list(ctx, workspace, query)
	}, func(m registry.Model) registry.Position { return query.Sort.Position(m.NameKey, m.CreatedAt, m.ID) })
	if err != nil {
		return nil, err
	}
	total, err := page.total(func() (int, error) { return a.Registry.CountModels(ctx, workspace, query) })
	return modelList{Data: mapped(models, toModel), NextCursor: next, Total: total}, err
}

// @Summary	List a provider's models
// @Param		q		query		string	false	"Text that the display name or model_id contains, ignoring case"	maxlength(2048)	example(gpt)
// @Success	200		{object}	modelList
// @Failure	422		{object}	problem
// @Router		/providers/{id}/models [get]
func (a *API) listProviderModels(c echo.Context) (any, error) {
	q := newQuery(c)
	query := q.models()
	query.ProviderID = c.Param("id")
	return a.pageOfModels(q, query, a.Registry.ProviderModels)
}

// @Summary		Add a model to a provider
// @Description	A provider can have at most 500 models.
// @Param			body	body		modelCreate	true	"The model"
// @Success		201		{object}	modelResponse
// @Router			/providers/{id}/models [post]
func (a *API) createModel(c echo.Context, body modelCreate, problems fault.Problems) (any, error) {
	m, err := a.Registry.AddModel(c.Request().Context(), principal(c).Workspace, c.Param("id"), body.input(), problems)
	return created{"/providers/" + m.ProviderID + "/models/" + m.ID, toModel(m)}, err
}

// @Summary		Add several models to a provider
// @Description	Adds up to 100 models in one transaction: all of them or none.
// @Param			body	body		modelsCreate	true	"The models"
// @Success		201		{object}	modelsAdded
// @Router			/providers/{id}/models/bulk [post]
func (a *API) createModels(c echo.Context, body modelsCreate, problems fault.Problems) (any, error) {
	inputs := mapped(body.Models, modelCreate.input)
	added, err := a.Registry.AddModels(c.Request().Context(), principal(c).Workspace, c.Param("id"), inputs, problems)
	return created{"/providers/" + c.Param("id") + "/models", modelsAdded{Data: mapped(added, toModel)}}, err
}

// @Summary	Get a model
// @Success	200	{object}	modelResponse
// @Router		/models/{id} [get]
func (a *API) getModel(c echo.Context) (any, error) {
	m, err := a.Registry.Model(c.Request().Context(), principal(c).Workspace, c.Param("id"))
	return toModel(m), err
}

// @Summary	Get a model of a provider
// @Success	200		{object}	modelResponse
// @Router		/providers/{id}/models/{model} [get]
func (a *API) getProviderModel(c echo.Context) (any, error) {
	m, err := a.Registry.ProviderModel(c.Request().Context(), principal(c).Workspace, c.Param("id"), c.Param("model"))
	return toModel(m), err
}

// @Summary		Edit a model
// @Description	Changes the fields in the body and keeps the others. You can send a model back as you received it. The provider's version increases too.
// @Param			body	body		modelUpdate	true	"The changes"
// @Success		200		{object}	modelResponse
// @Router			/providers/{id}/models/{model} [patch]
func (a *API) updateModel(c echo.Context, body modelUpdate, problems fault.Problems) (any, error) {
	edit := registry.ModelEdit{ModelInput: body.input(), If: stateOf(c).condition, Problems: problems}
	m, err := a.Registry.UpdateModel(c.Request().Context(), principal(c).Workspace, c.Param("id"), c.Param("model"), edit)
	return toModel(m), err
}

// @Summary		Delete a model
// @Description	The provider's version increases. The references to the model are removed, too.
// @Success		204
// @Router			/providers/{id}/models/{model} [delete]
func (a *API) deleteModel(c echo.Context) (any, error) {
	return nil, a.Registry.DeleteModel(c.Request().Context(), principal(c).Workspace, c.Param("id"), c.Param("model"), stateOf(c).condition)
}

func (q *query) models() registry.ModelQuery {
	return registry.ModelQuery{
		Search:   registry.Fold(q.text("q")),
		Stage:    oneOf(q, "stage", registry.Stages()...),
		Verified: q.flag("verified"),
		Enabled:  q.flag("enabled"),
		Sort:     q.sort(),
	}
}

func toModelOfProvider(m registry.Model) modelOfProvider {
	out := modelOfProvider{
		ID: m.ID, ProviderID: m.ProviderID, ModelID: m.ModelID, DisplayName: m.DisplayName,
		SupportedStages: names(m.Stages), Enabled: m.Enabled, ReferenceCount: m.References,
		StageChecks: make(map[string]stageCheck, len(m.StageChecks)),
		revision:    revision{m.Version, timestamp(m.CreatedAt), timestamp(m.UpdatedAt)},
	}
	for stage, check := range m.StageChecks {
		out.StageChecks[string(stage)] = stageCheck{Status: string(check.Status), At: timestamp(check.At)}
	}
	if t := m.LastTest; t != nil {
		out.LastTest = &lastTest{Status: testStatus(t.Success), Kind: t.Kind, LatencyMS: milliseconds(t.Latency), At: timestamp(t.At)}
	}
	return out
}

func toModel(m registry.Model) modelResponse {
	return modelResponse{
		modelOfProvider: toModelOfProvider(m),
		ProviderName:    m.Provider.Name, ProviderType: m.Provider.Type,
		ProviderStatus: string(m.Provider.Status), ProviderEnabled: m.Provider.Enabled,
	}
}

func milliseconds(d time.Duration) int64 { return d.Round(time.Millisecond).Milliseconds() }
