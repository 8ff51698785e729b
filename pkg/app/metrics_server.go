package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// maxScrapes bounds the requests that are answered at once; others get 503.
const maxScrapes = 4

// metricsServer serves the metrics at an address of their own, without a token.
type metricsServer struct {
	listener net.Listener
	server   *http.Server
}

// listenMetrics binds the address of the metrics, if there is one.
func (a *App) listenMetrics(ctx context.Context) (err error) {
	if a.cfg.MetricsAddr == "" {
		return nil
	}
	m := &metricsServer{}
	if m.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", a.cfg.MetricsAddr); err != nil {
		return fmt.Errorf("%s: %w", Setting("metrics-addr"), err)
	}
	a.metricsServer = m
	return nil
}

// start serves what handler answers at /metrics.
func (m *metricsServer) start(handler http.Handler, logger *slog.Logger) {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", handler)
	m.server = &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readHeaderTimeout,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	go func() {
		if err := m.server.Serve(m.listener); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("could not serve metrics", slog.Any("error", err))
		}
	}()
}

func (m *metricsServer) close() error {
	if m.server == nil {
		return m.listener.Close()
	}
	return m.server.Close()
}

// handler answers with the metrics. A metric that can't be collected is left out.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: maxScrapes})
}
