package api

import (
	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
)

// providerClone is a request to clone a provider.
type providerClone struct {
	// The name of the clone, unique in the workspace regardless of case.
	Name string `json:"name" strict:"trim" validate:"required,min=1,max=100,text" example:"Staging OpenAI"`
} //	@name	ProviderClone

// @Summary		Clone a provider
// @Description	Creates an inactive copy of the provider with its config, its models and its credentials, which are not shown. Results of tests and errors are not copied.
// @Param			body	body		providerClone	true	"The name of the clone"
// @Success		201		{object}	providerResponse
// @Router			/providers/{id}/clone [post]
func (a *API) cloneProvider(c echo.Context, body providerClone, problems fault.Problems) (any, error) {
	p, err := a.Registry.CloneProvider(c.Request().Context(), principal(c).Workspace, c.Param("id"), body.Name, problems)
	return created{"/providers/" + p.ID, toProvider(p)}, err
}
