package api

import (
	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/version"
)

// serviceStatus is the status of the service.
type serviceStatus struct {
	// Always `ok`.
	Status string `json:"status" enums:"ok" example:"ok"`
	// What the operator should repair although the service works, such as a TLS certificate that could not be reloaded; only of `/readyz`.
	Warnings []string `json:"warnings,omitempty" example:"The keyset could not be reloaded. The previous one is in use; the log has the cause."`
} // @name ServiceStatus

// health is the status of the process, and its version.
type health struct {
	serviceStatus
	// The version of the program; `devel` if it is not known.
	Version string `json:"version" example:"v1.2.0"`
	// The commit that the program was built from, with `+dirty` if files had been changed; absent if it is not known.
	Commit string `json:"commit,omitempty" example:"979cc78ab2f4b7a5c1d2e3f405162738495a6b7c"`
} // @name Health

// @Summary		Check that the process is alive
// @Description	Checks nothing else, and reports the version of the program. If it fails, restart the process.
// @Success		200	{object}	health
// @Router			/healthz [get]
func (a *API) getHealth(echo.Context) (any, error) {
	build := version.Read()
	return health{serviceStatus: serviceStatus{Status: "ok"}, Version: build.Version, Commit: build.Commit}, nil
}

// @Summary		Check that the service is ready for requests
// @Description	Checks that the database is reachable and has space, its schema is current and the keys are usable, and that the last check of the SQLite file, at start and then hourly, found no damage. A 503 says which check failed, or that the service is stopping.
// @Success		200	{object}	serviceStatus
// @Failure		503	{object}	problem
// @Router			/readyz [get]
func (a *API) getReadiness(c echo.Context) (any, error) {
	if err := a.Ready(c.Request().Context()); err != nil {
		detail := "a check failed" // the cause of a fault is only for the log
		if f := fault.As(err); f != nil {
			detail = f.Message
		}
		return nil, fault.Wrap(fault.Unavailable, err, "The service is not ready: %s.", detail).After(unavailableFor)
	}
	return serviceStatus{Status: "ok", Warnings: a.Warnings()}, nil
}
