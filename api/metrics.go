package api

import (
	"net/http"
	"strconv"
	"strings"
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
	routes   map[[2]string]string // without the base path, by method and route with it
}

// otherRoute is the method and route of a request that no route is for. Clients
// choose both, and would otherwise create any number of series.
const otherRoute = "other"

func newRequestMetrics(r prometheus.Registerer) *requestMetrics {
	factory := promauto.With(r)
	return &requestMetrics{
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
		routes: map[[2]string]string{},
	}
}

// add adds the routes of a server.
func (m *requestMetrics) add(routes []*echo.Route, basePath string) {
	for _, r := range routes {
		m.routes[[2]string{r.Method, r.Path}] = strings.TrimPrefix(r.Path, basePath)
	}
}

// of returns the method and the route of a request.
func (m *requestMetrics) of(c echo.Context) (method, route string) {
	method = c.Request().Method
	if route, known := m.routes[[2]string{method, c.Path()}]; known {
		return method, route
	}
	return otherRoute, otherRoute
}

// observe counts and times each request, and traces it.
func (a *API) observe(m *requestMetrics) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			began := time.Now()
			m.inFlight.Inc()
			defer m.inFlight.Dec()
			method, route := m.of(c)
			ctx, span := a.Tracer.Request(c.Request().Context(), c.Request().Header, method+" "+route)
			if span != nil {
				c.SetRequest(c.Request().WithContext(ctx))
			}
			err := next(c)
			status := c.Response().Status
			m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
			m.seconds.WithLabelValues(method, route).Observe(time.Since(began).Seconds())
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
	failure := stateOf(c).err
	if status < http.StatusInternalServerError {
		failure = nil
	}
	span.End(failure)
}

// @Summary		Get metrics
// @Description	Answers with metrics in the text format of Prometheus. It needs the token of an admin of the workspace `default`. At the address `MODELPROVIDERS_METRICS_ADDR`, if it is set, the metrics are served without a token.
// @Produce		plain
// @Success		200	{string}	string
// @Router			/metrics [get]
func (a *API) getMetrics(c echo.Context) (any, error) {
	c.Request().Header.Del("Accept") // which could ask for another format
	promhttp.HandlerFor(a.Metrics, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, DisableCompression: true, // see compressed
	}).ServeHTTP(c.Response(), c.Request())
	return nil, nil
}
