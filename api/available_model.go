package api

import (
	"encoding/json"
	"net/http"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/registry"
)

// availableModels is what an upstream offers.
type availableModels struct {
	// Ordered by model_id; at most 1,000.
	Data []availableModel `json:"data"`
	// False where the upstream has no such list.
	Supported bool `json:"supported" example:"true"`
	// Whether there are more.
	Truncated bool `json:"truncated" example:"false"`
} //	@name	AvailableModels

// availableModel is one model that an upstream offers.
type availableModel struct {
	// The id under which the provider knows the model.
	ModelID string `json:"model_id" example:"gpt-4-turbo"`
	// Its name for people.
	DisplayName string `json:"display_name" example:"GPT-4 Turbo"`
	// Whether the provider has it already.
	Added bool `json:"added" example:"false"`
} //	@name	AvailableModel

// draftSettings is settings that are not saved.
type draftSettings struct {
	// The type's credentials. Which of them are required, the type says.
	Credentials map[string]json.RawMessage `json:"credentials" binding:"required" swaggertype:"object" extensions:"x-ref=ProviderCredentials"`
	// The type's config; may be left out where the type has none.
	Config map[string]json.RawMessage `json:"config,omitempty" swaggertype:"object" extensions:"x-ref=ProviderConfig"`
} // @name DraftSettings

// @Summary		List the models that a provider offers
// @Description	Asks the provider's service, using the stored credentials.
// @ID				listAvailableModels
// @Tags			models
// @Param			id	path		string	true	"Id of the provider"								format(uuid)
// @Param			q	query		string	false	"Text that the id or name contains, ignoring case"	maxlength(2048)
// @Success		200	{object}	availableModels
// @Failure		502	{object}	problem
// @Router			/providers/{id}/available-models [get]
func (a *API) listAvailableModels(c echo.Context) error {
	found, err := a.Registry.AvailableModels(c.Request().Context(), principal(c).Workspace, c.Param("id"), c.QueryParam("q"))
	if err != nil {
		return err
	}
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
	typ, err := lookupType(c)
	if err != nil {
		return err
	}
	var body draftSettings
	problems, err := decode(c, &body)
	if err != nil {
		return err
	}
	found, err := a.Registry.AvailableModelsOfType(c.Request().Context(), principal(c).Workspace, typ.Name(),
		registry.Draft{Settings: provider.Request{Credentials: body.Credentials, Config: body.Config}, Problems: problems}, c.QueryParam("q"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, toAvailableModels(found))
}

func toAvailableModels(found registry.AvailableModels) availableModels {
	out := availableModels{Data: make([]availableModel, 0, len(found.Models)), Supported: found.Supported, Truncated: found.Truncated}
	for _, m := range found.Models {
		out.Data = append(out.Data, availableModel{ModelID: m.ModelID, DisplayName: m.DisplayName, Added: m.Added})
	}
	return out
}
