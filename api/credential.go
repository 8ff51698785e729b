package api

import (
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
)

// revealRequest says why a credential is revealed.
type revealRequest struct {
	// For the audit log; the operator may demand it.
	Reason *string `json:"reason,omitempty" maxLength:"500" example:"Moving to another key"`
} //	@name	RevealRequest

// revealedCredential is a credential in clear.
type revealedCredential struct {
	// The credential's name.
	Field string `json:"field" example:"api_key"`
	// Its value.
	Value string `json:"value" format:"password" example:"sk-proj-1234"`
} //	@name	RevealedCredential

// maxReason bounds the reason of a reveal, in characters.
const maxReason = 500

// revealCredential answers a credential in clear.
//
//	@Summary		Reveal a credential
//	@Description	Answers one stored credential in clear, not to be cached. Limited by itself for each principal.
//	@ID				revealCredential
//	@Tags			credentials
//	@Accept			json
//	@Produce		json
//	@Param			id		path		string			true	"Id of the provider"		format(uuid)
//	@Param			field	path		string			true	"Name of the credential"	example(api_key)
//	@Param			body	body		revealRequest	false	"Why"
//	@Success		200		{object}	revealedCredential
//	@Failure		400		{object}	problem
//	@Failure		401		{object}	problem
//	@Failure		403		{object}	problem
//	@Failure		404		{object}	problem
//	@Failure		413		{object}	problem
//	@Failure		415		{object}	problem
//	@Failure		422		{object}	problem
//	@Failure		429		{object}	problem
//	@Failure		500		{object}	problem
//	@Failure		503		{object}	problem
//	@Security		bearer
//	@Router			/providers/{id}/credentials/{field}/reveal [post]
func (a *API) revealCredential(c echo.Context) error {
	if !a.Reveal {
		return fault.New(fault.RevealDisabled, "Revealing credentials is switched off here; replace the credential instead.")
	}
	var body revealRequest
	faults, err := decodeOptional(c, &body)
	if err != nil {
		return err
	}
	reason, err := a.checkReason(body.Reason, faults)
	if err != nil {
		return err
	}
	field := c.Param("field")
	value, err := a.Registry.Reveal(c.Request().Context(), principal(c), c.Param("id"), field, reason)
	if err != nil {
		return err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	defer value.Wipe()
	return c.JSON(http.StatusOK, revealedCredential{Field: field, Value: value.Reveal()})
}

// checkReason checks the reason of a reveal and returns it trimmed.
func (a *API) checkReason(given *string, faults fault.Fields) (string, error) {
	reason := ""
	if given != nil {
		reason = strings.TrimSpace(*given)
	}
	switch {
	case reason == "" && a.RevealReason:
		faults.Add("reason", fault.Required, "must be given: why is the credential revealed?")
	case utf8.RuneCountInString(reason) > maxReason:
		faults.Add("reason", fault.TooLong, "must be at most %d characters long", maxReason)
	case strings.ContainsFunc(reason, unicode.IsControl):
		faults.Add("reason", fault.Invalid, "must not contain control characters")
	}
	return reason, faults.Err(fault.ValidationFailed, "Nothing was revealed: the request has values that can't be taken.")
}
