package api

import (
	"net/url"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

// referenceResponse is one thing that depends on a model.
type referenceResponse struct {
	// The id that the client chose; unique for the model.
	Ref string `json:"ref" minLength:"1" maxLength:"200" example:"rule-7"`
	// What depends on the model, for people.
	Label string `json:"label" minLength:"1" maxLength:"200" example:"Rule: EU support"`
	// A page about it, which this service only shows; absent if there is none.
	URL string `json:"url,omitempty" format:"uri" example:"https://routing.example.com/rules/7"`
	// When it was added: UTC, RFC 3339 with milliseconds.
	CreatedAt timestamp `json:"created_at" swaggertype:"string" format:"date-time" example:"2026-11-23T09:30:00.000Z"`
	// When it was last changed.
	UpdatedAt timestamp `json:"updated_at" swaggertype:"string" format:"date-time" example:"2026-11-23T09:30:00.000Z"`
} //	@name	Reference

// referencePut says that something depends on a model.
type referencePut struct {
	// What depends on the model, for people.
	Label string `json:"label" strict:"trim" validate:"required,min=1,max=200,text" example:"Rule: EU support"`
	// A page about it, an absolute URL of http or https. This service only shows it.
	URL *string `json:"url,omitempty" strict:"trim" validate:"omitempty,min=1,max=2048,text,page_url" format:"uri" example:"https://routing.example.com/rules/7"`
} //	@name	ReferencePut

// referenceList is one page of references.
type referenceList struct {
	// The references of this page, ordered by ref.
	Data []referenceResponse `json:"data"`
	// The cursor of the next page; null on the last page.
	NextCursor *string `json:"next_cursor" extensions:"x-nullable" example:"AZ3J0o7k"`
} //	@name	ReferenceList

// referenceInUse is a reference to a model that the request would remove or disable.
type referenceInUse struct {
	// The id of the model.
	ID string `json:"id" format:"uuid" example:"0199d1a4-7c1f-7b02-8e11-6d0f6c1b2a3d"`
	// The id of the model at the provider.
	ModelID string `json:"model_id" example:"gpt-4-turbo"`
	// The id that the client chose; unique for the model.
	Ref string `json:"ref" example:"rule-7"`
	// What depends on the model.
	Label string `json:"label" example:"Rule: EU support"`
	// A page about it; absent if there is none.
	URL string `json:"url,omitempty" format:"uri" example:"https://routing.example.com/rules/7"`
} // @name ReferenceInUse

// @Summary		List references to a model
// @Description	Lists what depends on a model, ordered by ref.
// @Success		200	{object}	referenceList
// @Router			/models/{id}/references [get]
func (a *API) listReferences(c echo.Context) (any, error) {
	page, err := newQuery(c).page()
	if err != nil {
		return nil, err
	}
	workspace, model := principal(c).Workspace, c.Param("id")
	references, next, err := readPage(a.Keyset, listing{"references", workspace, model}, page, func(after *string, limit int) ([]registry.Reference, error) {
		return a.Registry.References(c.Request().Context(), workspace, model, orZero(after), limit)
	}, func(r registry.Reference) string { return r.Ref })
	return referenceList{Data: mapped(references, toReference), NextCursor: next}, err
}

// @Summary	Get a reference to a model
// @Success	200	{object}	referenceResponse
// @Router		/models/{id}/references/{ref} [get]
func (a *API) getReference(c echo.Context) (any, error) {
	r, err := a.Registry.Reference(c.Request().Context(), principal(c).Workspace, c.Param("id"), c.Param("ref"))
	return toReference(r), err
}

// @Summary		Add or change a reference to a model
// @Description	Says that something depends on a model. While a model has references, it is removed or disabled, itself or with its provider, only with `force=true`. A model can have at most 100 references. References can be added to disabled models, too, and change neither the model's version nor its updated_at.
// @Param			ref		path		string			true	"An id that the client chooses: any text without control characters, except `.` and `..`, escaped as one segment of the path (`/` as `%2F`)"	minlength(1)	maxlength(200)	example(rule-7)
// @Param			body	body		referencePut	true	"The reference"
// @Success		200		{object}	referenceResponse
// @Success		201		{object}	referenceResponse
// @Router			/models/{id}/references/{ref} [put]
func (a *API) putReference(c echo.Context, body referencePut, problems fault.Problems) (any, error) {
	put := registry.Reference{ModelID: c.Param("id"), Ref: c.Param("ref"), Label: body.Label, URL: orZero(body.URL)}
	stored, isNew, err := a.Registry.PutReference(c.Request().Context(), principal(c).Workspace, put, problems)
	if !isNew {
		return toReference(stored), err
	}
	return created{"/models/" + stored.ModelID + "/references/" + url.PathEscape(stored.Ref), toReference(stored)}, err
}

// @Summary	Remove a reference to a model
// @Success	204
// @Router		/models/{id}/references/{ref} [delete]
func (a *API) deleteReference(c echo.Context) (any, error) {
	return nil, a.Registry.DeleteReference(c.Request().Context(), principal(c).Workspace, c.Param("id"), c.Param("ref"))
}

func toReference(r registry.Reference) referenceResponse {
	return referenceResponse{Ref: r.Ref, Label: r.Label, URL: r.URL, CreatedAt: timestamp(r.CreatedAt), UpdatedAt: timestamp(r.UpdatedAt)}
}
