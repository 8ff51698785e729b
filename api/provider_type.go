package api

import (
	"github.com/labstack/echo/v4"

	"modelproviders/pkg/provider"
)

// providerType is a kind of provider, with the form for its settings.
type providerType struct {
	// The stable name.
	Type string `json:"type" extensions:"x-ref=ProviderTypeName" example:"azure_openai"`
	// The display name.
	Label string `json:"label" example:"Azure OpenAI"`
	// What it connects to.
	Description string `json:"description" example:"Models deployed in your own Azure OpenAI resource."`
	// The page where the credentials are created.
	DocsURL string `json:"docs_url" format:"uri" example:"https://portal.azure.com/#view/Microsoft_Azure_ProjectOxford/CognitiveServicesHub/~/OpenAI"`
	// The name of the icon.
	Icon string `json:"icon" example:"azure_openai"`
	// The URL of the icon, an SVG image, relative to the origin of the API. No token is needed.
	IconURL string `json:"icon_url" format:"uri-reference" example:"/icons/azure_openai.svg"`
	// The ways to authenticate, if there are several; the first one is the default. A provider uses the one whose fields have values: a request can't set fields of two, and setting those of another one than before removes what is stored for the first.
	AuthMethods []authMethod `json:"auth_methods"`
	// The secret fields, in the order of the form.
	Credentials []formField `json:"credentials"`
	// The other fields, in the order of the form.
	Config []formField `json:"config"`
	// What the type calls a model's id.
	ModelIDLabel string `json:"model_id_label" example:"Deployment name"`
	// An example of a model id.
	ModelIDPlaceholder string `json:"model_id_placeholder" example:"gpt-4o-prod"`
	// The JSON Schema (2020-12) of the credentials.
	CredentialsSchema map[string]any `json:"credentials_schema"`
	// The JSON Schema (2020-12) of the config.
	ConfigSchema map[string]any `json:"config_schema"`
} //	@name	ProviderType

// formField is one field of a form.
type formField struct {
	// The field's name in credentials or config.
	Name string `json:"name" example:"api_version"`
	// The display name.
	Label string `json:"label" example:"API Version"`
	// The kind of input. A `secret_map` is an object of names and secrets.
	Kind string `json:"kind" enums:"secret,secret_json,secret_map,text,url" example:"text"`
	// Whether a value is required; with `auth_method`, whether it is required if that method is used.
	Required bool `json:"required" example:"true"`
	// The name of the authentication method that the field is for; absent if it is for all.
	AuthMethod string `json:"auth_method,omitempty" example:"entra_id"`
	// The name of another field that must have a value if this one has; absent if there is none.
	Needs string `json:"needs,omitempty" example:"role_arn"`
	// A help text; absent if there is none.
	Help string `json:"help,omitempty" example:"The version of the API to call."`
	// An example value, or the beginning of one if it is a secret, or an example of a name if it is a secret_map; absent if there is none.
	Placeholder string `json:"placeholder,omitempty" example:"2024-10-21"`
	// Common values. Others are accepted too. Absent if there are none.
	Suggestions []string `json:"suggestions,omitempty" example:"2024-10-21,v1"`
	// The group of fields that this one belongs to; absent if there is none. The fields of a group follow each other.
	Group *fieldGroup `json:"group,omitempty"`
	// A regular expression (ECMA-262) that values must match; absent if there is none.
	Pattern string `json:"pattern,omitempty" example:"^(v1|[0-9]{4}-[0-9]{2}-[0-9]{2})$"`
} //	@name	FormField

// authMethod is one of several ways to authenticate.
type authMethod struct {
	// The stable name.
	Name string `json:"name" example:"entra_id"`
	// The display name.
	Label string `json:"label" example:"Microsoft Entra ID"`
} //	@name	AuthMethod

// fieldGroup is a group of fields that belong together.
type fieldGroup struct {
	// The name of the group, unique in the provider type.
	Name string `json:"name" example:"endpoint"`
	// The display name.
	Label string `json:"label" example:"Endpoint"`
} //	@name	FieldGroup

// providerTypeList is the list of all provider types.
type providerTypeList struct {
	// The types, in display order.
	Data []providerType `json:"data"`
} //	@name	ProviderTypeList

// @Summary		List the provider types
// @Description	Each type describes a form for its settings.
// @Success		200	{object}	providerTypeList
// @Router			/provider-types [get]
func (a *API) listProviderTypes(echo.Context) (any, error) {
	return providerTypeList{Data: mapped(provider.Types(), a.toProviderType)}, nil
}

// @Summary	Get a provider type
// @Success	200		{object}	providerType
// @Router		/provider-types/{type} [get]
func (a *API) getProviderType(c echo.Context) (any, error) {
	typ, _ := provider.Lookup(c.Param("type")) // normalizeParams has refused unknown ones
	return a.toProviderType(typ), nil
}

func providerTypeNames() []string {
	return mapped(provider.Types(), (*provider.Type).Name)
}

func (a *API) toProviderType(t *provider.Type) providerType {
	f := t.Form()
	return providerType{
		Type: f.Type, Label: f.Label, Description: f.Description, DocsURL: f.DocsURL,
		Icon: f.Type, IconURL: a.BasePath + "/icons/" + f.Type + ".svg",
		AuthMethods: mapped(f.AuthMethods, func(m provider.AuthMethod) authMethod { return authMethod(m) }),
		Credentials: mapped(f.Credentials, toFormField), Config: mapped(f.Config, toFormField),
		ModelIDLabel: f.ModelIDLabel, ModelIDPlaceholder: f.ModelIDPlaceholder,
		CredentialsSchema: f.CredentialsSchema, ConfigSchema: f.ConfigSchema,
	}
}

func toFormField(f provider.FormField) formField {
	return formField{
		Name: f.Name, Label: f.Label, Kind: f.Kind, Required: f.Required, AuthMethod: f.AuthMethod, Needs: f.Needs,
		Help: f.Help, Placeholder: f.Placeholder, Suggestions: f.Suggestions, Group: (*fieldGroup)(orNull(f.Group)), Pattern: f.Pattern,
	}
}
