package api

import (
	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/secret"
)

// lookupRequest is a credential to look for.
type lookupRequest struct {
	// The value, as it would be entered for a new provider. Of a service account, the key file or only its private key in PEM.
	Value string `json:"value" strict:"trim" validate:"required,max=16384" format:"password" example:"sk-proj-1234"`
} //	@name	LookupRequest

// credentialHolder is a stored credential.
type credentialHolder struct {
	// The id of the provider.
	ProviderID string `json:"provider_id" format:"uuid" example:"0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10"`
	// The name of the provider.
	ProviderName string `json:"provider_name" example:"Production OpenAI"`
	// The type of the provider.
	ProviderType string `json:"provider_type" extensions:"x-ref=ProviderTypeName" example:"openai"`
	// The name of the credential; `headers.` and the name in lower case for a header.
	Field string `json:"field" example:"api_key"`
} //	@name	CredentialHolder

// lookupResponse is the outcome of a lookup.
type lookupResponse struct {
	// The credentials with this value, at most 1,000, in the order in which their providers were created.
	Data []credentialHolder `json:"data"`
	// Whether there are more.
	Truncated bool `json:"truncated" example:"false"`
} //	@name	LookupResponse

// @Summary		Look up a credential
// @Description	Finds the providers of the workspace that store exactly this value, for instance a leaked key. White space, quotes and `Bearer` around the value are ignored. Lookups share the rate limit of reveals, and work if reveals are disabled.
// @Param			body	body		lookupRequest	true	"The value"
// @Success		200		{object}	lookupResponse
// @Router			/credentials/lookup [post]
func (a *API) lookupCredential(c echo.Context, body lookupRequest, problems fault.Problems) (any, error) {
	for i, field := range problems.Malformed {
		if field.Name != "value" { // it could be a credential in the wrong place
			problems.Malformed[i].Name = secret.Mask
		}
	}
	if err := problems.Err("Credential not looked up"); err != nil {
		return nil, err
	}
	value := secret.NewText(body.Value)
	defer value.Wipe()
	found, err := a.Registry.Lookup(c.Request().Context(), principal(c), value)
	if err != nil {
		return nil, err
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return lookupResponse{Data: mapped(found.Holders, toHolder), Truncated: found.Truncated}, nil
}

func toHolder(h registry.Holder) credentialHolder { return credentialHolder(h) }
