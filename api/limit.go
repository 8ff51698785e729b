package api

import (
	"context"
	"log/slog"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/registry"
)

// Limits bound what one caller may ask for; 0 is no bound. Replicas count
// together, in the database.
type Limits struct {
	TestsPerMinute   int // of a workspace
	TestsInFlight    int // of a workspace
	RevealsPerMinute int // of a principal
	WritesPerMinute  int // of a principal
	SignInsPerMinute int // failed ones, of a client address
}

// testGate takes a place for a call to an upstream, to be given back.
func (a *API) testGate(c echo.Context) registry.Gate {
	return func(ctx context.Context) (leave func(), err error) { return a.startTest(ctx, c) }
}

func (a *API) startTest(ctx context.Context, c echo.Context) (leave func(), err error) {
	workspace := principal(c).Workspace
	if err := a.Limiter.Take(ctx, "tests/"+workspace, a.Limits.TestsPerMinute, "tests in this workspace"); err != nil {
		return nil, err
	}
	lease := a.TestTimeout + a.RequestTimeout
	giveBack, err := a.Limiter.Enter(ctx, "tests/"+workspace, a.Limits.TestsInFlight, lease, "tests in this workspace")
	if err != nil {
		return nil, err
	}
	return func() {
		if err := giveBack(); err != nil {
			a.Logger.Warn("the place of a test could not be given back; it is free again when its lease ends",
				slog.String("request_id", requestID(c)), slog.Duration("lease", lease), slog.Any("error", err))
		}
	}, nil
}

// takeReveal counts a reveal.
func (a *API) takeReveal(c echo.Context) error {
	return a.Limiter.Take(c.Request().Context(), "reveals/"+bucketOf(principal(c)), a.Limits.RevealsPerMinute, "reveals")
}

// takeWrite counts a write.
func (a *API) takeWrite(c echo.Context) error {
	return a.Limiter.Take(c.Request().Context(), "writes/"+bucketOf(principal(c)), a.Limits.WritesPerMinute, "writes")
}

// takeSignIn counts a failed sign-in.
func (a *API) takeSignIn(c echo.Context) error {
	return a.Limiter.Take(c.Request().Context(), "sign-ins/"+c.RealIP(), a.Limits.SignInsPerMinute, "failed sign-ins from this address")
}

// bucketOf names a principal: a subject is unique in its kind and workspace.
func bucketOf(p auth.Principal) string { return p.Workspace + "/" + p.Kind + "/" + p.Subject }
