package api

import (
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
// @Success		200	{object}	stageList
// @Router			/stages [get]
func (a *API) listStages(echo.Context) (any, error) {
	return stageList{Data: mapped(registry.Stages(), func(s registry.Stage) stage {
		return stage{Stage: string(s), Label: s.Label()}
	})}, nil
}
