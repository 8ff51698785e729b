package api

import (
	"github.com/labstack/echo/v4"
)

// providerClone is a request to clone a provider.
type providerClone struct {
	// The name of the clone, unique in the workspace regardless of case.
	Name string `json:"name" strict:"trim" validate:"required,min=1,max=100,text" example:"Staging OpenAI"`
} //	@name	ProviderClone

// @Summary		Clone a provider
// @Description	Creates an inactive copy of the provider with its config, its models and its credentials, which are not shown. Results of tests and errors are not copied.
// @ID				cloneProvider
// @Tags			providers
// @Param			id		path		string			true	"Id of the provider"	format(uuid)	example(0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10)
// @Param			body	body		providerClone	true	"The name of the clone"
// @Success		201		{object}	providerResponse
// @Failure		409		{object}	problem
// @Router			/providers/{id}/clone [post]
func (a *API) cloneProvider(c echo.Context) error {
	var body providerClone
	problems, err := decode(c, &body)
	if err != nil {
		return err
	}
	p, err := a.Registry.CloneProvider(c.Request().Context(), principal(c).Workspace, c.Param("id"), body.Name, problems)
	if err != nil {
		return err
	}
	return a.created(c, "/providers/"+p.ID, p.Version, toProvider(p))
}
