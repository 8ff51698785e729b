package api

import (
	"strings"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/secret"
)

// credentialState tells whether a credential is stored, but not its value.
type credentialState struct {
	Set       bool       `json:"set"`
	Masked    string     `json:"masked,omitempty"`
	UpdatedAt *timestamp `json:"updated_at,omitempty"`
}

// toCredentialStates returns the state of each credential field of a form; of a
// secret_map, an object with the state of each entry.
func toCredentialStates(stored map[string]registry.Credential, fields []provider.FormField) map[string]any {
	states := map[string]any{}
	for _, f := range fields {
		if f.Kind != provider.KindSecretMap {
			states[f.Name] = toCredentialState(stored[f.Name])
			continue
		}
		entries := map[string]credentialState{}
		for name, credential := range stored {
			if entry, ok := strings.CutPrefix(name, f.Name+"."); ok {
				entries[entry] = toCredentialState(credential)
			}
		}
		states[f.Name] = entries
	}
	return states
}

func toCredentialState(c registry.Credential) credentialState {
	if c.Sealed == nil {
		return credentialState{}
	}
	at := timestamp(c.UpdatedAt)
	return credentialState{Set: true, Masked: secret.Mask, UpdatedAt: &at}
}

// revealRequest is the reason why a credential is revealed.
type revealRequest struct {
	// The reason, for the audit log. The operator can make it required.
	Reason string `json:"reason,omitempty" strict:"trim" validate:"max=500,text" example:"Moving to another key"`
} //	@name	RevealRequest

// revealedCredential is a credential in plaintext.
type revealedCredential struct {
	// The name of the credential; `headers.` and the name in lower case for a header.
	Field string `json:"field" example:"api_key"`
	// The value.
	Value string `json:"value" format:"password" example:"sk-proj-1234"`
} //	@name	RevealedCredential

// @Summary		Reveal a credential
// @Description	Returns a stored credential in plaintext. The response must not be cached. Reveals have their own rate limit for each principal.
// @Param			body	body		revealRequest	false	"The reason"
// @Success		200		{object}	revealedCredential
// @Router			/providers/{id}/credentials/{field}/reveal [post]
func (a *API) revealCredential(c echo.Context) (any, error) {
	if !a.Reveal {
		return nil, fault.New(fault.RevealDisabled, "Revealing credentials is disabled on this server. Replace the credential instead.")
	}
	return withOptionalBody(a.reveal)(c)
}

func (a *API) reveal(c echo.Context, body revealRequest, problems fault.Problems) (any, error) {
	if body.Reason == "" && a.RevealReason {
		problems.Invalid.Add("reason", fault.Required, "is required; say why the credential is revealed")
	}
	if err := problems.Err("Credential not revealed"); err != nil {
		return nil, err
	}
	field := c.Param("field")
	value, err := a.Registry.Reveal(c.Request().Context(), principal(c), c.Param("id"), field, body.Reason)
	if err != nil {
		return nil, err
	}
	defer value.Wipe()
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return revealedCredential{Field: field, Value: value.Reveal()}, nil
}
