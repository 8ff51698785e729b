package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/registry"
)

// stage is a pipeline stage that a model can serve.
type stage struct {
	// The stable name.
	Stage string `json:"stage" enums:"planning,tool_call,summarization,guardrail" example:"planning"`
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
	list := stageList{}
	for _, s := range registry.Stages() {
		list.Data = append(list.Data, stage{Stage: string(s), Label: s.Label()})
	}
	return c.JSON(http.StatusOK, list)
}

func stageNames() []string {
	var names []string
	for _, s := range registry.Stages() {
		names = append(names, string(s))
	}
	return names
}
