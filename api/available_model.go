package api

import (
	"encoding/json"
	"log/slog"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/registry"
)

// availableModels is the list of the models that a provider's service offers.
type availableModels struct {
	// Ordered by model_id; at most 1,000.
	Data []availableModel `json:"data"`
	// False if the provider's service can't list its models.
	Supported bool `json:"supported" example:"true"`
	// Whether the provider offers more models than are listed.
	Truncated bool `json:"truncated" example:"false"`
} //	@name	AvailableModels

// availableModel is one model that a provider's service offers.
type availableModel struct {
	// The id of the model at the provider.
	ModelID string `json:"model_id" example:"gpt-4-turbo"`
	// The display name.
	DisplayName string `json:"display_name" example:"GPT-4 Turbo"`
	// Whether the model has already been added to the provider.
	Added bool `json:"added" example:"false"`
} //	@name	AvailableModel

// draftSettings is unsaved settings.
type draftSettings struct {
	// The credentials. It can be omitted if the provider type requires none.
	Credentials map[string]json.RawMessage `json:"credentials,omitempty" swaggertype:"object" extensions:"x-ref=ProviderCredentials"`
	// The config. It can be omitted if the provider type requires no config fields.
	Config map[string]json.RawMessage `json:"config,omitempty" swaggertype:"object" extensions:"x-ref=ProviderConfig"`
} // @name DraftSettings

// @Summary		List the models that a provider offers
// @Description	Asks the provider's service, using the stored credentials.
// @Param			q	query		string	false	"Text that the id or name contains, ignoring case"	maxlength(2048)
// @Success		200	{object}	availableModels
// @Failure		502	{object}	problem
// @Router			/providers/{id}/available-models [get]
func (a *API) listAvailableModels(c echo.Context) (any, error) {
	return a.discover(c, registry.Draft{ProviderID: c.Param("id")})
}

// @Summary		List the models that an edit of a provider gives access to
// @Description	Asks the provider's service, using the stored settings with the changes in the request. Nothing is stored. Without changes, this is listAvailableModels. If the changes would send a stored credential to another address, the request is refused and the service is not called.
// @Param			q		query		string			false	"Text that the id or name contains, ignoring case"	maxlength(2048)
// @Param			body	body		settingsUpdate	false	"The changes"
// @Success		200		{object}	availableModels
// @Failure		502		{object}	problem
// @Router			/providers/{id}/available-models [post]
func (a *API) listAvailableModelsOfEdit(c echo.Context, body settingsUpdate, problems fault.Problems) (any, error) {
	return a.discover(c, registry.Draft{ProviderID: c.Param("id"), Settings: provider.Request(body), Problems: problems})
}

// @Summary		List the models that unsaved settings give access to
// @Description	Asks the provider's service, using the credentials in the request. Nothing is stored.
// @Param			q		query		string			false	"Text that the id or name contains, ignoring case"	maxlength(2048)
// @Param			body	body		draftSettings	true	"The settings"
// @Success		200		{object}	availableModels
// @Failure		502		{object}	problem
// @Router			/provider-types/{type}/available-models [post]
func (a *API) listAvailableModelsOfType(c echo.Context, body draftSettings, problems fault.Problems) (any, error) {
	return a.discover(c, registry.Draft{Type: c.Param("type"), Settings: provider.Request(body), Problems: problems})
}

func (a *API) discover(c echo.Context, draft registry.Draft) (any, error) {
	found, err := a.Registry.AvailableModels(c.Request().Context(), principal(c).Workspace, draft, c.QueryParam("q"))
	if f := fault.As(err); f != nil && f.Upstream != nil {
		logCall(c, c.Param("id"), false, slog.String("kind", f.Upstream.Kind))
	}
	if err != nil {
		return nil, err
	}
	logCall(c, c.Param("id"), true)
	return availableModels{
		Supported: found.Supported, Truncated: found.Truncated,
		Data: mapped(found.Models, func(m registry.AvailableModel) availableModel {
			return availableModel{ModelID: m.ModelID, DisplayName: m.DisplayName, Added: m.Added}
		}),
	}, nil
}
