package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
)

// revealRequest is the reason why a credential is revealed.
type revealRequest struct {
	// The reason, for the audit log. The operator can make it required.
	Reason string `json:"reason,omitempty" strict:"trim" validate:"max=500,text" example:"Moving to another key"`
} //	@name	RevealRequest

// revealedCredential is a credential in plaintext.
type revealedCredential struct {
	// The name of the credential.
	Field string `json:"field" example:"api_key"`
	// The value.
	Value string `json:"value" format:"password" example:"sk-proj-1234"`
} //	@name	RevealedCredential

// @Summary		Reveal a credential
// @Description	Returns a stored credential in plaintext. The response must not be cached. Reveals have their own rate limit for each principal.
// @ID				revealCredential
// @Tags			credentials
// @Param			id		path		string			true	"Id of the provider"		format(uuid)	example(0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10)
// @Param			field	path		string			true	"Name of the credential"	example(api_key)
// @Param			body	body		revealRequest	false	"The reason"
// @Success		200		{object}	revealedCredential
// @Router			/providers/{id}/credentials/{field}/reveal [post]
func (a *API) revealCredential(c echo.Context) error {
	if !a.Reveal {
		return fault.New(fault.RevealDisabled, "Revealing credentials is disabled on this server. Replace the credential instead.")
	}
	var body revealRequest
	problems, err := decodeOptional(c, &body)
	if err != nil {
		return err
	}
	if body.Reason == "" && a.RevealReason {
		problems.Invalid.Add("reason", fault.Required, "is required; say why the credential is revealed")
	}
	if err := problems.Err("Credential not revealed"); err != nil {
		return err
	}
	field := c.Param("field")
	value, err := a.Registry.Reveal(c.Request().Context(), principal(c), c.Param("id"), field, body.Reason)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	defer value.Wipe()
	return c.JSON(http.StatusOK, revealedCredential{Field: field, Value: value.Reveal()})
}
