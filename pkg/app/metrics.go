package app

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"modelproviders/pkg/auth"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
	"modelproviders/pkg/tracing"
	"modelproviders/pkg/version"
)

// metrics are the metrics of a service, without those of its requests, which package
// api adds. Collecting them never waits for the database: a job looks at it.
type metrics struct {
	*prometheus.Registry
	factory promauto.Factory

	calls           *prometheus.CounterVec
	callSeconds     *prometheus.HistogramVec
	statusChanges   *prometheus.CounterVec
	healthChecks    *prometheus.CounterVec
	checkLag        prometheus.Gauge
	jobFailures     *prometheus.CounterVec
	webhookAttempts *prometheus.CounterVec
	webhooksDropped prometheus.Counter
	webhooksWaiting prometheus.Gauge
	databaseUp      prometheus.Gauge
	unlinked        prometheus.Gauge
}

// namespace begins the names of the metrics.
const namespace = "modelproviders_"

func newMetrics() *metrics {
	r := prometheus.NewRegistry()
	m := &metrics{Registry: r, factory: promauto.With(r)}
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.calls = m.counters("upstream_calls_total", "Calls to upstreams, by type of the provider, operation (test, verify, check, discovery, health_check), outcome (success, failure, abandoned by the caller) and kind of failure.", "type", "operation", "outcome", "kind")
	m.callSeconds = m.factory.NewHistogramVec(prometheus.HistogramOpts{
		Name: namespace + "upstream_call_duration_seconds", Help: "How long calls to upstreams took.",
		Buckets: []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 20, 30, 60},
	}, []string{"type", "operation"})
	m.statusChanges = m.counters("provider_status_changes_total", "Changes of the status of a provider, by its new status. Creating a provider is not a change.", "status")
	for _, status := range []registry.Status{registry.Active, registry.Inactive, registry.Error} {
		m.statusChanges.WithLabelValues(string(status))
	}
	m.healthChecks = m.counters("health_checks_total", "Checks of providers in the background, by what decided (discovery, test) and outcome (success, failure of the provider, inconclusive, dropped because the lease had ended or the connection was changed).", "by", "outcome")
	for _, by := range []registry.CheckMethod{registry.ByDiscovery, registry.ByTest} {
		for _, outcome := range registry.CheckOutcomes() {
			m.healthChecks.WithLabelValues(string(by), string(outcome))
		}
	}
	m.checkLag = m.gauge("health_check_lag_seconds", "How long the health check that is due longest has been due; 0 if they are off.")
	m.jobFailures = m.counters("job_failures_total", "Failed runs of background jobs, by name.", "name")
	m.webhookAttempts = m.counters("webhook_attempts_total", "Attempts to deliver webhooks, by outcome: delivered, failed.", "outcome")
	for _, outcome := range []string{delivered, undelivered} {
		m.webhookAttempts.WithLabelValues(outcome)
	}
	m.webhooksDropped = m.counters("webhooks_dropped_total", "Webhooks that were not delivered within 24 hours, and were dropped.").WithLabelValues()
	m.webhooksWaiting = m.gauge("webhooks_waiting", "Webhooks of all processes that at least one attempt failed to deliver and that will be sent again, counted every 10 seconds up to 10000.")
	m.databaseUp = m.gauge("database_up", "Whether the database answered when it was last checked, which is done every 10 seconds.")
	m.unlinked = m.gauge("audit_unlinked_events", "Audit events that are not linked to their chain yet, counted every 10 seconds up to 10000. More than a few for a minute mean that linking fails.")
	return m
}

func (m *metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	return m.factory.NewCounterVec(prometheus.CounterOpts{Name: namespace + name, Help: help}, labels)
}

func (m *metrics) gauge(name, help string) prometheus.Gauge {
	return m.factory.NewGauge(prometheus.GaugeOpts{Name: namespace + name, Help: help})
}

// read adds a gauge that is read when metrics are collected.
func (m *metrics) read(name, help string, value func() float64) {
	m.factory.NewGaugeFunc(prometheus.GaugeOpts{Name: namespace + name, Help: help}, value)
}

// readCount adds a counter with a label that is read when metrics are collected.
func (m *metrics) readCount(name, help string, labels prometheus.Labels, value func() uint64) {
	m.factory.NewCounterFunc(prometheus.CounterOpts{Name: namespace + name, Help: help, ConstLabels: labels},
		func() float64 { return float64(value()) })
}

// UpstreamCalled implements [registry.Observer].
func (m *metrics) UpstreamCalled(c registry.UpstreamCall) {
	outcome, kind := "success", ""
	switch {
	case c.Abandoned:
		outcome = "abandoned"
	case c.Failure != nil:
		outcome, kind = "failure", string(c.Failure.Kind)
	}
	m.calls.WithLabelValues(c.Type, string(c.Operation), outcome, kind).Inc()
	m.callSeconds.WithLabelValues(c.Type, string(c.Operation)).Observe(c.Duration.Seconds())
}

// StatusChanged implements [registry.Observer].
func (m *metrics) StatusChanged(to registry.Status) {
	m.statusChanges.WithLabelValues(string(to)).Inc()
}

// The outcomes of attempts to deliver webhooks.
const (
	delivered   = "delivered"
	undelivered = "failed"
)

func (m *metrics) webhookSent(ok bool) {
	outcome := undelivered
	if ok {
		outcome = delivered
	}
	m.webhookAttempts.WithLabelValues(outcome).Inc()
}

// HealthChecked implements [registry.Observer].
func (m *metrics) HealthChecked(by registry.CheckMethod, outcome registry.CheckOutcome) {
	m.healthChecks.WithLabelValues(string(by), string(outcome)).Inc()
}

// watch adds the metrics that are read from the parts of a service.
func (m *metrics) watch(d *data, r *registry.Registry, t *tracing.Tracer) {
	for name, pool := range d.store.Pools() {
		m.MustRegister(collectors.NewDBStatsCollector(pool, name))
	}
	m.read("database_damaged", "Whether the last check of the SQLite file found damage.", func() float64 {
		return float(d.damage.Load() != nil)
	})
	m.read("database_has_space", "0 from the time when a write failed because there was no space left, until there is space again.", func() float64 {
		return float(d.store.HasSpace() == nil)
	})
	m.watchClients(r)
	m.watchLimits(d.limiter)
	m.readCount("trace_export_failures_total", "Failed exports of traces; 0 if requests are not traced.", nil, t.Failures)
	build := version.Read()
	m.factory.NewGauge(prometheus.GaugeOpts{
		Name: namespace + "build_info", Help: "The build of the program; the value is always 1.",
		ConstLabels: prometheus.Labels{"version": build.Version, "commit": build.Commit, "goversion": build.Go},
	}).Set(1)
	m.read("keyset_keys", "Encryption keys that can open stored credentials.", func() float64 {
		return float64(len(d.keyset.IDs()))
	})
	m.read("keyset_primary_key_id", "Id of the encryption key that seals.", func() float64 {
		return float64(d.keyset.SealingKey())
	})
}

// watchReloads adds what SIGHUP reads again.
func (m *metrics) watchReloads(r *reloaded) {
	m.read("reload_failures", "Files that the last reload could not read: the keyset, the TLS certificate. The previous ones are in use.", func() float64 {
		return float64(len(r.warn()))
	})
	if r.certificate.Load() != nil {
		m.read("tls_certificate_expiry_timestamp_seconds", "When the TLS certificate expires.", func() float64 {
			return float64(r.certificate.Load().Leaf.NotAfter.Unix())
		})
	}
}

func float(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func (m *metrics) watchClients(r *registry.Registry) {
	m.read("clients", "Cached clients of providers.", func() float64 { return float64(r.ClientStats().Kept) })
	m.readCount("client_cache_hits_total", "Calls that found a cached client.", nil, func() uint64 { return r.ClientStats().Hits })
	m.readCount("client_cache_misses_total", "Calls that found no cached client.", nil, func() uint64 { return r.ClientStats().Misses })
	m.readCount("client_cache_evictions_total", "Clients that were dropped because the cache was full.", nil, func() uint64 { return r.ClientStats().Evictions })
}

func (m *metrics) watchLimits(l *auth.Limiter) {
	m.read("processes", "Live processes on this database, which share the limits.", func() float64 { return float64(l.Stats().Processes) })
	m.read("tests_in_flight", "Tests, checks and discoveries that are running.", func() float64 { return float64(l.Stats().TestsInFlight) })
	m.read("change_waits", "Requests that wait for changes, including streams.", func() float64 { return float64(l.Stats().Waits) })
	for limit, refused := range map[string]func() uint64{
		"tests":           func() uint64 { return l.Stats().Refused.Tests },
		"tests_in_flight": func() uint64 { return l.Stats().Refused.TestsInFlight },
		"change_waits":    func() uint64 { return l.Stats().Refused.Waits },
		"reveals":         func() uint64 { return l.Stats().Refused.Reveals },
		"sign_ins":        func() uint64 { return l.Stats().Refused.SignIns },
	} {
		m.readCount("refused_by_limit_total", "Calls that exceeded a limit.", prometheus.Labels{"limit": limit}, refused)
	}
}

const (
	measureEvery = 10 * time.Second
	maxCounted   = 10_000 // unlinked events, or webhooks
)

// measure looks at the database.
func (m *metrics) measure(ctx context.Context, s *store.Store) error {
	ctx, cancel := context.WithTimeout(ctx, measureEvery/2)
	defer cancel()
	unlinked, unlinkedErr := s.CountUnlinked(ctx, maxCounted)
	waiting, waitingErr := s.CountWaitingWebhooks(ctx, maxCounted)
	err := errors.Join(unlinkedErr, waitingErr)
	m.databaseUp.Set(float(err == nil))
	if err != nil {
		return err
	}
	m.webhooksWaiting.Set(float64(waiting))
	m.unlinked.Set(float64(unlinked))
	return nil
}
