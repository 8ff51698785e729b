package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/registry"
)

// stage is a pipeline stage that a model can serve.
type stage struct {
	// The stable name.
	Stage string `json:"stage" extensions:"x-ref=StageName" example:"planning"`
	// The display name.
	Label string `json:"label" example:"Planning"`
} // @name Stage

// stageList is the list of all stages.
type stageList struct {
	// The stages, in pipeline order.
	Data []stage `json:"data"`
} // @name StageList

// @Summary		List the pipeline stages
// @Description	Stages are listed in pipeline order.
// @ID				listStages
// @Tags			provider types
// @Success		200	{object}	stageList
// @Router			/stages [get]
func (a *API) listStages(c echo.Context) error {
	return c.JSON(http.StatusOK, stageList{Data: mapped(registry.Stages(), func(s registry.Stage) stage {
		return stage{Stage: string(s), Label: s.Label()}
	})})
}
