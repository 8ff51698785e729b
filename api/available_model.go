package api

import (
	"encoding/json"
	"log/slog"
	"net/http"

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
// @ID				listAvailableModels
// @Tags			models
// @Param			id	path		string	true	"Id of the provider"								format(uuid)	example(0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10)
// @Param			q	query		string	false	"Text that the id or name contains, ignoring case"	maxlength(2048)
// @Success		200	{object}	availableModels
// @Failure		502	{object}	problem
// @Router			/providers/{id}/available-models [get]
func (a *API) listAvailableModels(c echo.Context) error {
	return a.answerAvailableModels(c, registry.Draft{ProviderID: c.Param("id")})
}

// @Summary		List the models that an edit of a provider gives access to
// @Description	Asks the provider's service, using the stored settings with the changes in the request. Nothing is stored. Without changes, this is listAvailableModels. If the changes would send a stored credential to another address, the request is refused and the service is not called.
// @ID				listAvailableModelsOfEdit
// @Tags			models
// @Param			id		path		string			true	"Id of the provider"								format(uuid)	example(0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10)
// @Param			q		query		string			false	"Text that the id or name contains, ignoring case"	maxlength(2048)
// @Param			body	body		settingsUpdate	false	"The changes"
// @Success		200		{object}	availableModels
// @Failure		502		{object}	problem
// @Router			/providers/{id}/available-models [post]
func (a *API) listAvailableModelsOfEdit(c echo.Context) error {
	draft, err := decodeEditSettings(c)
	if err != nil {
		return err
	}
	return a.answerAvailableModels(c, draft)
}

func (a *API) answerAvailableModels(c echo.Context, draft registry.Draft) error {
	found, err := a.Registry.AvailableModels(c.Request().Context(), principal(c).Workspace, draft, c.QueryParam("q"))
	if f := fault.As(err); f != nil && f.Upstream != nil {
		logCall(c, c.Param("id"), false, slog.String("kind", f.Upstream.Kind))
	}
	if err != nil {
		return err
	}
	logCall(c, c.Param("id"), true)
	return c.JSON(http.StatusOK, toAvailableModels(found))
}

// @Summary		List the models that unsaved settings give access to
// @Description	Asks the provider's service, using the credentials in the request. Nothing is stored.
// @ID				listAvailableModelsOfType
// @Tags			provider types
// @Param			type	path		string			true	"Name of the type"									extensions(x-ref=ProviderTypeName)
// @Param			q		query		string			false	"Text that the id or name contains, ignoring case"	maxlength(2048)
// @Param			body	body		draftSettings	true	"The settings"
// @Success		200		{object}	availableModels
// @Failure		502		{object}	problem
// @Router			/provider-types/{type}/available-models [post]
func (a *API) listAvailableModelsOfType(c echo.Context) error {
	draft, err := decodeDraftSettings(c)
	if err != nil {
		return err
	}
	return a.answerAvailableModels(c, draft)
}

// decodeDraftSettings reads the type in the path, and a body of [draftSettings]. It
// returns not_found and malformed_request.
func decodeDraftSettings(c echo.Context) (registry.Draft, error) {
	typ, err := lookupType(c)
	if err != nil {
		return registry.Draft{}, err
	}
	var body draftSettings
	problems, err := decodeWithSettings(c, &body)
	return registry.Draft{Type: typ.Name(), Settings: provider.Request(body), Problems: problems}, err
}

// decodeEditSettings reads a body of [settingsUpdate], which may be left out.
func decodeEditSettings(c echo.Context) (registry.Draft, error) {
	if body, err := readBody(c); err != nil || len(body) == 0 {
		return registry.Draft{ProviderID: c.Param("id")}, err
	}
	var body settingsUpdate
	problems, err := decodeWithSettings(c, &body)
	return registry.Draft{ProviderID: c.Param("id"), Settings: provider.Request(body), Problems: problems}, err
}

func toAvailableModels(found registry.AvailableModels) availableModels {
	return availableModels{Supported: found.Supported, Truncated: found.Truncated,
		Data: mapped(found.Models, func(m registry.AvailableModel) availableModel {
			return availableModel{ModelID: m.ModelID, DisplayName: m.DisplayName, Added: m.Added}
		})}
}
