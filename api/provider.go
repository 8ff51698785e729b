package api

import (
	"encoding/json"
	"maps"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/registry"
)

// providerFields are the first fields of a provider in an answer.
type providerFields struct {
	// The id, a UUIDv7.
	ID string `json:"id" format:"uuid" example:"0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10"`
	// The name, unique in the workspace regardless of case.
	Name string `json:"name" minLength:"1" maxLength:"100" example:"Production OpenAI"`
	// See GET /provider-types.
	Type string `json:"type" extensions:"x-ref=ProviderTypeName" example:"openai"`
	// The display name of the type.
	TypeLabel string `json:"type_label" example:"OpenAI"`
	// `inactive` if the provider is disabled; otherwise `error` if `error` is set, and `active` if not.
	Status string `json:"status" extensions:"x-ref=ProviderStatus" example:"active"`
	// Whether the provider is enabled, regardless of errors.
	Enabled bool `json:"enabled" example:"true"`
	// The current error of the provider; null if there is none.
	Error *providerError `json:"error" extensions:"x-nullable"`
	// The last check of the connection, by `POST /providers/{id}/check` without changes or in the background; null before the first one, and after credentials or config changed.
	LastCheck *lastCheck `json:"last_check" extensions:"x-nullable"`
	// One entry for each credential of the type, without its value.
	Credentials map[string]any `json:"credentials" swaggertype:"object" extensions:"x-ref=ProviderCredentialStates"`
	// The type's config fields.
	Config map[string]string `json:"config" example:"region:us-east-1"`
	// The number of enabled models.
	EnabledModelCount int `json:"enabled_model_count" example:"1"`
	// The number of models.
	ModelCount int `json:"model_count" example:"1"`
	// The number of references to its models.
	ReferenceCount int `json:"reference_count" example:"0"`
	// The id of the provider that this one was cloned from; null if there is none, or if it was deleted.
	ClonedFrom *string `json:"cloned_from" format:"uuid" extensions:"x-nullable" example:"0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b20"`
}

// revision are the last fields of a provider or a model in an answer.
type revision struct {
	// The version, which is also the ETag. It increases with every edit; that of a provider also with every edit of its models.
	Version int64 `json:"version" example:"1"`
	// When it was created: UTC, RFC 3339 with milliseconds.
	CreatedAt timestamp `json:"created_at" swaggertype:"string" format:"date-time" example:"2026-11-23T09:30:00.000Z"`
	// When it was last edited.
	UpdatedAt timestamp `json:"updated_at" swaggertype:"string" format:"date-time" example:"2026-11-23T09:30:00.000Z"`
}

func (r revision) etag() string { return etag(r.Version) }

// providerResponse is a connected account of a provider type.
type providerResponse struct {
	providerFields
	// In the order in which they were added.
	Models []modelOfProvider `json:"models"`
	revision
} //	@name	Provider

// providerListed is a provider in a list.
type providerListed struct {
	providerFields
	// In the order in which they were added; absent with `view=summary`.
	Models *[]modelOfProvider `json:"models,omitempty"`
	revision
} //	@name	ProviderListed

// providerError is a failure of the whole provider, not of one request or model.
// A test, a check or a discovery sets it. In the background, two failed checks in a row,
// at least a minute apart, set it. Any success, and any change of
// credentials or config, clears it.
type providerError struct {
	// Why the call failed.
	Kind string `json:"kind" enums:"authentication,permission,quota_exceeded,unreachable,blocked,misconfigured" example:"authentication"`
	// The provider's error message.
	Message string `json:"message" example:"Incorrect API key provided."`
	// The model_id of the model that was called; null if there was none.
	ModelID *string `json:"model_id" extensions:"x-nullable" example:"gpt-4-turbo"`
	// When the error was first observed.
	Since timestamp `json:"since" swaggertype:"string" format:"date-time" example:"2026-11-23T09:31:00.000Z"`
} //	@name	ProviderError

// lastCheck is the result of the last check of a connection.
type lastCheck struct {
	// Whether the provider's service answered and did not refuse the credentials.
	Status string `json:"status" extensions:"x-ref=TestStatus" example:"success"`
	// Why the check failed; absent if it succeeded.
	Kind string `json:"kind,omitempty" extensions:"x-ref=FailureKind" example:"authentication"`
	// When it ended.
	At timestamp `json:"at" swaggertype:"string" format:"date-time" example:"2026-11-23T09:31:00.000Z"`
	// `discovery`: by the list of models. `test`: by a prompt to a model, because the list does not prove the credentials.
	By string `json:"by" enums:"discovery,test" example:"discovery"`
} //	@name	LastCheck

// providerList is one page of providers.
type providerList struct {
	// The providers of this page.
	Data []providerListed `json:"data"`
	// The cursor of the next page; null on the last page.
	NextCursor *string `json:"next_cursor" extensions:"x-nullable" example:"AZ3J0o7k"`
	// The number of providers on all pages; only with `count=true`.
	Total *int `json:"total,omitempty" example:"3"`
} //	@name	ProviderList

// providerCreate is a provider to create.
type providerCreate struct {
	// The name, unique in the workspace regardless of case.
	Name string `json:"name" strict:"trim" validate:"required,min=1,max=100,text" example:"Production OpenAI"`
	// See GET /provider-types.
	Type string `json:"type" validate:"required" extensions:"x-ref=ProviderTypeName" example:"openai"`
	draftSettings
	// The provider's first models.
	Models []modelCreate `json:"models,omitempty" validate:"max=500,dive"`
} //	@name	ProviderCreate

// settingsUpdate is the part of the settings that an edit changes.
type settingsUpdate struct {
	// The credentials to replace. A credential that is omitted, null, empty, the mask, or the object from a response keeps its value; `{"set":false}` removes it.
	Credentials map[string]json.RawMessage `json:"credentials,omitempty" swaggertype:"object" extensions:"x-ref=ProviderCredentialsUpdate"`
	// The config fields to change. Omitted fields keep their values, and an empty string removes an optional one.
	Config map[string]json.RawMessage `json:"config,omitempty" swaggertype:"object" extensions:"x-ref=ProviderConfigUpdate"`
} //	@name	SettingsUpdate

// providerUpdate is an edit of a provider. Omitted fields keep their values, and
// fields that only the server sets may be sent back as they were received.
type providerUpdate struct {
	// The name, unique in the workspace regardless of case.
	Name *string `json:"name,omitempty" strict:"trim" validate:"omitempty,min=1,max=100,text" example:"Production OpenAI"`
	// The current type. It can't be changed.
	Type *string `json:"type,omitempty" extensions:"x-ref=ProviderTypeName" example:"openai"`
	// `active` enables and `inactive` disables the provider. `error` is accepted only if it is the current status.
	Status *string `json:"status,omitempty" extensions:"x-ref=ProviderStatus" example:"inactive"`
	settingsUpdate
	// The complete list of models. An entry with `id` edits that model. An entry without edits the model with the same `model_id`, or creates one. Models that are not in the list are removed.
	Models *[]modelUpdateOfProvider `json:"models,omitempty" validate:"omitempty,max=500,dive"`
	// The version that was read. If the current version differs, the response is 412.
	Version *int64 `json:"version,omitempty" example:"1"`

	ID                json.RawMessage `json:"id,omitempty" strict:"readonly" swaggertype:"string" readonly:"true"`
	TypeLabel         json.RawMessage `json:"type_label,omitempty" strict:"readonly" swaggertype:"string" readonly:"true"`
	Enabled           json.RawMessage `json:"enabled,omitempty" strict:"readonly" swaggertype:"boolean" readonly:"true"`
	Error             any             `json:"error,omitempty" strict:"readonly" swaggertype:"object" readonly:"true"`
	LastCheck         any             `json:"last_check,omitempty" strict:"readonly" swaggertype:"object" readonly:"true"`
	EnabledModelCount any             `json:"enabled_model_count,omitempty" strict:"readonly" swaggertype:"integer" readonly:"true"`
	ModelCount        any             `json:"model_count,omitempty" strict:"readonly" swaggertype:"integer" readonly:"true"`
	ReferenceCount    any             `json:"reference_count,omitempty" strict:"readonly" swaggertype:"integer" readonly:"true"`
	ClonedFrom        any             `json:"cloned_from,omitempty" strict:"readonly" swaggertype:"string" readonly:"true"`
	CreatedAt         any             `json:"created_at,omitempty" strict:"readonly" swaggertype:"string" readonly:"true"`
	UpdatedAt         any             `json:"updated_at,omitempty" strict:"readonly" swaggertype:"string" readonly:"true"`
} //	@name	ProviderUpdate

// @Summary		List providers
// @Description	Each provider includes its models, unless `view=summary` leaves them out.
// @Param			q		query		string	false	"Text that the name contains, ignoring case"	maxlength(2048)	example(openai)
// @Param			name	query		string	false	"The whole name, ignoring case"				maxlength(2048)	example(Production OpenAI)
// @Param			type	query		string	false	"Only providers of this type"					extensions(x-ref=ProviderTypeName)
// @Param			status	query		string	false	"Only providers with this status"				extensions(x-ref=ProviderStatus)
// @Param			view	query		string	false	"`summary` leaves out the models"				Enums(full, summary)			default(full)
// @Success		200		{object}	providerList
// @Router			/providers [get]
func (a *API) listProviders(c echo.Context) (any, error) {
	q := newQuery(c)
	query := registry.ProviderQuery{
		Name:   registry.Fold(q.present("name")),
		Search: registry.Fold(q.text("q")),
		Type:   oneOf(q, "type", providerTypeNames()...),
		Status: q.status("status"),
		Sort:   q.sort(),
	}
	summary := oneOf(q, "view", "full", "summary") == "summary"
	page, err := q.page()
	if err != nil {
		return nil, err
	}
	ctx, workspace := c.Request().Context(), principal(c).Workspace
	list := listing{"providers", workspace, query}
	query.Summary = summary
	providers, next, err := readPage(a.Keyset, list, page, func(after *registry.Position, limit int) ([]registry.Provider, error) {
		query.After, query.Limit = after, limit
		return a.Registry.Providers(ctx, workspace, query)
	}, func(p registry.Provider) registry.Position { return query.Sort.Position(p.NameKey, p.CreatedAt, p.ID) })
	if err != nil {
		return nil, err
	}
	total, err := page.total(func() (int, error) { return a.Registry.CountProviders(ctx, workspace, query) })
	return providerList{Data: mapped(providers, toProviderListed), NextCursor: next, Total: total}, err
}

// @Summary		Create a provider
// @Description	Creates an active provider with its first models. The credentials are encrypted before they are stored.
// @Param			body	body		providerCreate	true	"The provider"
// @Success		201		{object}	providerResponse
// @Router			/providers [post]
func (a *API) createProvider(c echo.Context, body providerCreate, problems fault.Problems) (any, error) {
	p, err := a.Registry.CreateProvider(c.Request().Context(), principal(c).Workspace, registry.NewProvider{
		Name: body.Name, Type: body.Type,
		Settings: provider.Request(body.draftSettings),
		Models:   mapped(body.Models, modelCreate.input),
		Problems: problems,
	})
	return created{"/providers/" + p.ID, toProvider(p)}, err
}

// @Summary	Get a provider
// @Success	200	{object}	providerResponse
// @Router		/providers/{id} [get]
func (a *API) getProvider(c echo.Context) (any, error) {
	p, err := a.Registry.Provider(c.Request().Context(), principal(c).Workspace, c.Param("id"))
	return toProvider(p), err
}

// @Summary		Edit a provider
// @Description	Changes the fields in the body and keeps the others. You can send a provider back as you received it. If base_url changes to another address, the request must replace or remove every stored credential. Fields of another authentication method replace the fields of the present one, which are removed.
// @Param			body	body		providerUpdate	true	"The changes"
// @Success		200		{object}	providerResponse
// @Router			/providers/{id} [patch]
func (a *API) updateProvider(c echo.Context, body providerUpdate, problems fault.Problems) (any, error) {
	edit := registry.ProviderEdit{
		Name: body.Name, Type: body.Type, Status: body.Status,
		Settings: provider.Request(body.settingsUpdate),
		If:       stateOf(c).condition,
		ReadOnly: registry.ReadOnly{"id": body.ID, "type_label": body.TypeLabel, "enabled": body.Enabled},
		Problems: problems,
	}
	edit.If.Version = body.Version
	if body.Models != nil {
		models := mapped(*body.Models, modelUpdateOfProvider.input)
		edit.Models = &models
	}
	p, err := a.Registry.UpdateProvider(c.Request().Context(), principal(c).Workspace, c.Param("id"), edit)
	return toProvider(p), err
}

// @Summary		Delete a provider
// @Description	Deletes the provider with its models, their references, and its credentials.
// @Success		204
// @Router			/providers/{id} [delete]
func (a *API) deleteProvider(c echo.Context) (any, error) {
	return nil, a.Registry.DeleteProvider(c.Request().Context(), principal(c).Workspace, c.Param("id"), stateOf(c).condition)
}

func toProvider(p registry.Provider) providerResponse {
	return providerResponse{
		providerFields: toProviderFields(p),
		Models:         mapped(p.Models, toModelOfProvider),
		revision:       revision{p.Version, timestamp(p.CreatedAt), timestamp(p.UpdatedAt)},
	}
}

func toProviderListed(p registry.Provider) providerListed {
	whole := toProvider(p)
	listed := providerListed{providerFields: whole.providerFields, revision: whole.revision}
	if p.Counts == nil {
		listed.Models = &whole.Models
	}
	return listed
}

func toProviderFields(p registry.Provider) providerFields {
	counts := p.ModelCounts()
	out := providerFields{
		ID: p.ID, Name: p.Name, Type: p.Type, TypeLabel: p.Type, Status: string(p.Status()), Enabled: p.Enabled,
		Credentials: map[string]any{}, Config: map[string]string{},
		EnabledModelCount: counts.Enabled, ModelCount: counts.All, ReferenceCount: counts.References,
		ClonedFrom: orNull(p.ClonedFrom),
	}
	if typ, ok := provider.Lookup(p.Type); ok {
		form := typ.Form()
		out.TypeLabel, out.Credentials = form.Label, toCredentialStates(p.Credentials, form.Credentials)
	}
	if c := p.LastCheck; c != nil {
		out.LastCheck = &lastCheck{Status: testStatus(c.Success), Kind: c.Kind, At: timestamp(c.At), By: string(c.By)}
	}
	if e := p.Error; e != nil {
		out.Error = &providerError{Kind: e.Kind, Message: e.Message, ModelID: orNull(e.ModelID), Since: timestamp(e.Since)}
	}
	maps.Copy(out.Config, p.Config)
	return out
}

func (q *query) status(name string) registry.Status {
	return oneOf(q, name, registry.Active, registry.Inactive, registry.Error)
}
