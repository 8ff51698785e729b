package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	scrapeTimeout = 30 * time.Second
	maxScrapes    = 4 // requests that are answered at once; others get 503
)

// serveMetrics serves the metrics at an address of their own, without a token, if there is
// such an address. A metric that can't be collected is left out.
func (a *App) serveMetrics() {
	if a.metricsListener == nil {
		return
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.metrics, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: maxScrapes,
	}))
	server := a.newServer(mux, readHeaderTimeout, scrapeTimeout)
	a.onClose(func(context.Context) error { return server.Close() })
	go func() {
		if err := server.Serve(a.metricsListener); !errors.Is(err, http.ErrServerClosed) {
			a.cfg.Logger.Error("could not serve metrics", slog.Any("error", err))
		}
	}()
}
