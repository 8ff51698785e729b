package api

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
)

// iconPolicy is the Content-Security-Policy of icons, which browsers can also open
// as documents.
const iconPolicy = "default-src 'none'; style-src 'unsafe-inline'; sandbox"

// @Summary		Get the icon of a provider type
// @Description	Icons may be cached for a day.
// @Produce		image/svg+xml
// @Success		200		{string}	string
// @Failure		404		{object}	problem
// @Router			/icons/{type}.svg [get]
func (a *API) getProviderTypeIcon(c echo.Context) error {
	name, isSVG := strings.CutSuffix(c.Param("file"), ".svg")
	typ, known := provider.Lookup(name)
	if !isSVG || !known {
		return fault.New(fault.NotFound, "There is no such icon. GET /provider-types returns the icon_url of each type.")
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "public, max-age=86400")
	c.Response().Header().Set(echo.HeaderContentSecurityPolicy, iconPolicy)
	return c.Blob(http.StatusOK, "image/svg+xml", typ.Form().Icon)
}
