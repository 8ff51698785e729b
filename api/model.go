package api

import (
	"context"
	"net/http"
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
// @ID				listModels
// @Tags			models
// @Param			q				query		string	false	"Text that the display name or model_id contains, ignoring case"	maxlength(2048)	example(gpt)
// @Param			stage			query		string	false	"Only models that serve this stage"									extensions(x-ref=StageName)
// @Param			verified		query		boolean	false	"Only models whose last check of this stage passed, or only the others; needs stage"
// @Param			enabled			query		boolean	false	"Only enabled models, or only disabled ones"
// @Param			provider_id		query		string	false	"Only models of this provider"				format(uuid)
// @Param			provider_type	query		string	false	"Only models of providers of this type"		extensions(x-ref=ProviderTypeName)
// @Param			provider_status	query		string	false	"Only models of providers with this status"	extensions(x-ref=ProviderStatus)
// @Param			available		query		boolean	false	"Only models that are enabled and whose provider is enabled, or only the others"
// @Param			sort			query		string	false	"Sort order; name is the display name"	extensions(x-ref=SortOrder)	default(name)
// @Success		200				{object}	modelList
// @Failure		422				{object}	problem
// @Router			/models [get]
func (a *API) listModels(c echo.Context) error {
	q := newQuery(c)
	query := q.models()
	query.ProviderID = q.uuid("provider_id")
	query.ProviderType = oneOf(q, "provider_type", providerTypeNames()...)
	query.ProviderStatus = q.status("provider_status")
	query.Available = q.flag("available")
	page, err := q.page()
	if err != nil {
		return err
	}
	return a.answerModels(c, query, page, a.Registry.Models)
}

// answerModels answers a page of the models that list returns.
func (a *API) answerModels(c echo.Context, query registry.ModelQuery, page page,
	list func(ctx context.Context, workspace string, query registry.ModelQuery) ([]registry.Model, error),
) error {
	if query.Verified != nil && query.Stage == "" {
		faults := fault.Fields{{Name: "stage", Code: fault.Required, Message: "is required with verified"}}
		return faults.Err(fault.ValidationFailed, badQuery)
	}
	workspace := principal(c).Workspace
	models, next, err := readPage(a.Keyset, listing{"models", workspace, query}, page, func(after *registry.Position, limit int) ([]registry.Model, error) {
		query.After, query.Limit = after, limit
		return list(c.Request().Context(), workspace, query)
	}, func(m registry.Model) registry.Position { return query.Sort.Position(m.NameKey, m.CreatedAt, m.ID) })
	if err != nil {
		return err
	}
	total, err := page.total(func() (int, error) { return a.Registry.CountModels(c.Request().Context(), workspace, query) })
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, modelList{Data: mapped(models, toModel), NextCursor: next, Total: total})
}

// @Summary	List a provider's models
// @ID			listProviderModels
// @Tags		models
// @Param		id		path		string	true	"Id of the provider"												format(uuid)	example(0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10)
// @Param		q		query		string	false	"Text that the display name or model_id contains, ignoring case"	maxlength(2048)	example(gpt)
// @Param		stage	query		string	false	"Only models that serve this stage"									extensions(x-ref=StageName)
// @Param		verified	query		boolean	false	"Only models whose last check of this stage passed, or only the others; needs stage"
// @Param		enabled	query		boolean	false	"Only enabled models, or only disabled ones"
// @Param		sort	query		string	false	"Sort order; name is the display name"	extensions(x-ref=SortOrder)	default(name)
// @Success	200		{object}	modelList
// @Failure	422		{object}	problem
// @Router		/providers/{id}/models [get]
func (a *API) listProviderModels(c echo.Context) error {
	q := newQuery(c)
	query := q.models()
	page, err := q.page()
	if err != nil {
		return err
	}
	query.ProviderID = c.Param("id")
	return a.answerModels(c, query, page, a.Registry.ProviderModels)
}

// @Summary		Add a model to a provider
// @Description	A provider can have at most 500 models.
// @ID				createModel
// @Tags			models
// @Param			id		path		string		true	"Id of the provider"	format(uuid)	example(0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10)
// @Param			body	body		modelCreate	true	"The model"
// @Success		201		{object}	modelResponse
// @Failure		409		{object}	problem
// @Router			/providers/{id}/models [post]
func (a *API) createModel(c echo.Context) error {
	var body modelCreate
	problems, err := decode(c, &body)
	if err != nil {
		return err
	}
	m, err := a.Registry.AddModel(c.Request().Context(), principal(c).Workspace, c.Param("id"), body.input(), problems)
	if err != nil {
		return err
	}
	return a.created(c, modelPath(m), m.Version, toModel(m))
}

// @Summary		Add several models to a provider
// @Description	Adds up to 100 models in one transaction: all of them or none.
// @ID				createModels
// @Tags			models
// @Param			id		path		string			true	"Id of the provider"	format(uuid)	example(0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10)
// @Param			body	body		modelsCreate	true	"The models"
// @Success		201		{object}	modelsAdded
// @Failure		409		{object}	problem
// @Router			/providers/{id}/models/bulk [post]
func (a *API) createModels(c echo.Context) error {
	var body modelsCreate
	problems, err := decode(c, &body)
	if err != nil {
		return err
	}
	added, err := a.Registry.AddModels(c.Request().Context(), principal(c).Workspace, c.Param("id"), mapped(body.Models, modelCreate.input), problems)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderLocation, a.BasePath+"/providers/"+added[0].ProviderID+"/models")
	return c.JSON(http.StatusCreated, modelsAdded{Data: mapped(added, toModel)})
}

// @Summary	Get a model
// @ID			getModel
// @Tags		models
// @Param		id	path		string	true	"Id of the model"	format(uuid)	example(0199d1a4-7c1f-7b02-8e11-6d0f6c1b2a3d)
// @Success	200	{object}	modelResponse
// @Router		/models/{id} [get]
func (a *API) getModel(c echo.Context) error {
	m, err := a.Registry.Model(c.Request().Context(), principal(c).Workspace, c.Param("id"))
	if err != nil {
		return err
	}
	return versioned(c, http.StatusOK, m.Version, toModel(m))
}

// @Summary	Get a model of a provider
// @ID			getProviderModel
// @Tags		models
// @Param		id		path		string	true	"Id of the provider"	format(uuid)	example(0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10)
// @Param		model	path		string	true	"Id of the model"		format(uuid)	example(0199d1a4-7c1f-7b02-8e11-6d0f6c1b2a3d)
// @Success	200		{object}	modelResponse
// @Router		/providers/{id}/models/{model} [get]
func (a *API) getProviderModel(c echo.Context) error {
	m, err := a.Registry.ProviderModel(c.Request().Context(), principal(c).Workspace, c.Param("id"), c.Param("model"))
	if err != nil {
		return err
	}
	return versioned(c, http.StatusOK, m.Version, toModel(m))
}

// @Summary		Edit a model
// @Description	Changes the fields in the body and keeps the others. You can send a model back as you received it. The provider's version increases too.
// @ID				updateModel
// @Tags			models
// @Param			id		path		string		true	"Id of the provider"	format(uuid)	example(0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10)
// @Param			model	path		string		true	"Id of the model"		format(uuid)	example(0199d1a4-7c1f-7b02-8e11-6d0f6c1b2a3d)
// @Param			body	body		modelUpdate	true	"The changes"
// @Success		200		{object}	modelResponse
// @Failure		409		{object}	problem
// @Router			/providers/{id}/models/{model} [patch]
func (a *API) updateModel(c echo.Context) error {
	condition, err := precondition(c)
	if err != nil {
		return err
	}
	var body modelUpdate
	problems, err := decode(c, &body)
	if err != nil {
		return err
	}
	m, err := a.Registry.UpdateModel(c.Request().Context(), principal(c).Workspace, c.Param("id"), c.Param("model"),
		registry.ModelEdit{ModelInput: body.input(), If: condition, Problems: problems})
	if err != nil {
		return err
	}
	return versioned(c, http.StatusOK, m.Version, toModel(m))
}

// @Summary		Delete a model
// @Description	The provider's version increases. The references to the model are removed, too.
// @ID				deleteModel
// @Tags			models
// @Param			id		path	string	true	"Id of the provider"	format(uuid)	example(0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10)
// @Param			model	path	string	true	"Id of the model"		format(uuid)	example(0199d1a4-7c1f-7b02-8e11-6d0f6c1b2a3d)
// @Success		204
// @Failure		409	{object}	problem
// @Router			/providers/{id}/models/{model} [delete]
func (a *API) deleteModel(c echo.Context) error {
	condition, err := precondition(c)
	if err != nil {
		return err
	}
	err = a.Registry.DeleteModel(c.Request().Context(), principal(c).Workspace, c.Param("id"), c.Param("model"), condition)
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func modelPath(m registry.Model) string { return "/providers/" + m.ProviderID + "/models/" + m.ID }

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
