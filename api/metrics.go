package api

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"modelproviders/pkg/tracing"
)

// requestMetrics counts requests by method and route.
type requestMetrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight prometheus.Gauge
	routes   map[routeKey]func() *routeMetrics // by the route with the base path
	other    func() *routeMetrics
}

type routeKey struct{ method, route string }

// routeMetrics are the metrics of one route.
type routeMetrics struct {
	name     string                 // of spans
	requests *prometheus.CounterVec // by status
	seconds  prometheus.Observer
}

// otherRoute is the method and route of a request that no route is for. Clients
// choose both, and would otherwise create any number of series.
const otherRoute = "other"

func newRequestMetrics(r prometheus.Registerer) *requestMetrics {
	factory := promauto.With(r)
	m := &requestMetrics{
		requests: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "modelproviders_http_requests_total", Help: "Requests, by method, route and status of the response. 499 means that the client has gone.",
		}, []string{"method", "route", "status"}),
		seconds: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name: "modelproviders_http_request_duration_seconds", Help: "How long requests took, including tests of models and streams.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"method", "route"}),
		inFlight: factory.NewGauge(prometheus.GaugeOpts{
			Name: "modelproviders_http_requests_in_flight", Help: "Requests that are being answered.",
		}),
		routes: map[routeKey]func() *routeMetrics{},
	}
	m.other = m.route(otherRoute, otherRoute)
	return m
}

// add adds the routes of a server.
func (m *requestMetrics) add(routes []*echo.Route, basePath string) {
	for _, r := range routes {
		m.routes[routeKey{r.Method, r.Path}] = m.route(r.Method, strings.TrimPrefix(r.Path, basePath))
	}
}

// route returns the metrics of a route. They are created when they are first used.
func (m *requestMetrics) route(method, route string) func() *routeMetrics {
	labels := prometheus.Labels{"method": method, "route": route}
	return sync.OnceValue(func() *routeMetrics {
		return &routeMetrics{name: method + " " + route, requests: m.requests.MustCurryWith(labels), seconds: m.seconds.With(labels)}
	})
}

// of returns the metrics of the route of a request.
func (m *requestMetrics) of(c echo.Context) *routeMetrics {
	if route, known := m.routes[routeKey{c.Request().Method, c.Path()}]; known {
		return route()
	}
	return m.other()
}

// observe counts and times each request, and traces it.
func (a *API) observe(m *requestMetrics) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			began := time.Now()
			m.inFlight.Inc()
			defer m.inFlight.Dec()
			route := m.of(c)
			ctx, span := a.Tracer.Request(c.Request().Context(), c.Request().Header, route.name)
			if span != nil {
				c.SetRequest(c.Request().WithContext(ctx))
			}
			err := next(c)
			status := c.Response().Status
			route.requests.WithLabelValues(strconv.Itoa(status)).Inc()
			route.seconds.Observe(time.Since(began).Seconds())
			if span != nil {
				endSpan(c, span, status)
			}
			return err
		}
	}
}

// endSpan ends the span of a request.
func endSpan(c echo.Context, span *tracing.Span, status int) {
	span.Text("modelproviders.request_id", requestID(c))
	span.Number("http.response.status_code", status)
	failure, _ := c.Get(keyError).(error)
	if status < http.StatusInternalServerError {
		failure = nil
	}
	span.End(failure)
}

// @Summary		Get metrics
// @Description	Answers with metrics in the text format of Prometheus. It needs the token of an admin of the workspace `default`. At the address `MODELPROVIDERS_METRICS_ADDR`, if it is set, the metrics are served without a token.
// @ID				getMetrics
// @Tags			service
// @Produce		plain
// @Success		200	{string}	string
// @Router			/metrics [get]
func (a *API) getMetrics(c echo.Context) error {
	c.Request().Header.Del("Accept") // which could ask for another format
	promhttp.HandlerFor(a.Metrics, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, DisableCompression: true, // see compressed
	}).ServeHTTP(c.Response(), c.Request())
	return nil
}
