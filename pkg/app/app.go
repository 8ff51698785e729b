package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/semaphore"

	"modelproviders/api"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/egress"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/tracing"
	"modelproviders/pkg/version"
	"modelproviders/pkg/webhook"
)

const (
	requestTimeout     = 30 * time.Second // of a request that calls no upstream
	readHeaderTimeout  = 10 * time.Second
	defaultReadTimeout = 30 * time.Second
	idleTimeout        = 2 * time.Minute
	defaultStopTimeout = 25 * time.Second // orchestrators kill after 30
	readyTimeout       = 5 * time.Second
	defaultHeartbeat   = 10 * time.Second // proxies close connections after 30 or 60 silent seconds
	maxHeaderBytes     = 64 << 10
)

// App is a running service.
type App struct {
	cfg             Config
	endpoints       provider.Endpoints
	guard           *egress.Guard
	oidc            *auth.OIDC // nil: no issuer is configured
	listener        net.Listener
	metricsListener net.Listener // nil: metrics have no address of their own
	tls             *tls.Config  // nil: plain HTTP
	data            *data
	registry        *registry.Registry
	metrics         *metrics
	webhooks        *webhook.Sender // nil: there are none
	tracer          *tracing.Tracer // nil: requests are not traced
	demoAddr        string          // of the server that stands in for an upstream
	server          *http.Server
	served          chan error
	closers         []func(context.Context) error // close what was opened, the last one first
	reloaded        reloaded
	stopping        context.Context // ends when the service begins to stop
	stop            context.CancelFunc
	unread          unread
	requests        context.Context // of all requests
	cut             context.CancelCauseFunc
}

// Start opens the database and the keyset, creates them if this is the first
// start, and serves until Close. It checks all settings before it creates
// anything. Its errors name the setting or file to fix.
func Start(ctx context.Context, cfg Config) (app *App, err error) {
	cfg = cfg.withDefaults()
	if wrong := cfg.Check(); len(wrong) > 0 {
		return nil, wrong
	}
	app = &App{cfg: cfg, metrics: newMetrics(), served: make(chan error, 1)}
	app.reloaded.failed, app.reloaded.busy = map[string]string{}, semaphore.NewWeighted(1)
	app.stopping, app.stop = context.WithCancel(context.Background())
	app.requests, app.cut = context.WithCancelCause(context.Background())
	defer func() {
		if err != nil {
			err = errors.Join(err, app.Close())
			app = nil
		}
	}()
	for _, step := range []func(context.Context) error{app.startDemo, app.prepare, app.listen, app.open, app.connectDemo, app.serve} {
		if err := step(ctx); err != nil {
			return app, err
		}
	}
	return app, nil
}

// prepare reads the settings for traces, sign-ins, upstream calls and TLS, which
// [Config.Check] has found valid.
func (a *App) prepare(ctx context.Context) (err error) {
	if a.tracer, err = tracing.FromEnvironment(ctx, a.cfg.Logger); err != nil {
		return err
	}
	if a.tracer != nil {
		a.onClose(a.tracer.Close)
		a.cfg.Logger = tracing.Logger(a.cfg.Logger)
	}
	if a.cfg.OIDC.Issuer != "" {
		cfg := a.cfg.OIDC
		cfg.Logger, cfg.Now = a.cfg.Logger, a.cfg.Now
		if a.oidc, err = auth.NewOIDC(cfg); err != nil {
			return err
		}
	}
	if a.endpoints, err = provider.ParseEndpoints(a.cfg.ProviderEndpoints); err != nil {
		return err
	}
	a.guard, err = egress.New(egress.Config{Allow: a.cfg.AllowUpstreams, Proxy: a.cfg.EgressProxy, RootCAs: a.cfg.UpstreamCAs})
	if err != nil {
		return err
	}
	a.onClose(func(context.Context) error {
		a.guard.CloseIdle()
		return nil
	})
	if a.cfg.TLSCert == "" {
		return nil
	}
	a.tls = &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return a.reloaded.certificate.Load(), nil },
		MinVersion:     tls.VersionTLS12,
	}
	return a.loadCertificate()
}

// listen binds the addresses. Connections wait until serve.
func (a *App) listen(ctx context.Context) (err error) {
	if a.listener, err = a.bind(ctx, "addr", a.cfg.Addr); err == nil && a.cfg.MetricsAddr != "" {
		a.metricsListener, err = a.bind(ctx, "metrics-addr", a.cfg.MetricsAddr)
	}
	return err
}

func (a *App) bind(ctx context.Context, setting Setting, addr string) (net.Listener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false) // it has no socket filters; see ignoreConnections
	listener, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	a.onClose(func(context.Context) error {
		_ = listener.Close() // the server may have closed it
		return nil
	})
	return listener, nil
}

// open opens the data, creates the first admin token, and makes the registry.
func (a *App) open(ctx context.Context) (err error) {
	path := a.cfg.keysetPath()
	a.reloaded.keyset = fingerprint(path)
	_, missing := os.Stat(path)
	if a.data, err = openData(ctx, a.cfg, false); err != nil {
		return err
	}
	a.onClose(func(ctx context.Context) error {
		return within(ctx, "the database could not be closed in time", a.data.store.Close)
	})
	a.data.serves, a.data.reloadSoon = true, a.reloadKeysetSoon
	if missing != nil { // it was created
		a.reloaded.keyset = fingerprint(path)
	}
	if !a.cfg.AuthOff {
		if err := a.data.firstAdmin(ctx, a.cfg); err != nil {
			return err
		}
	}
	a.registry, err = registry.New(registry.Config{
		Store: a.data.store, Audit: a.data.events, Keyset: a.data.keyset, LookupKey: a.data.lookupKey, Limiter: a.data.limiter,
		BeforeSealing: a.data.maySeal, ReloadKeyset: a.reloadKeysetSoon,
		Transport: a.guard.Transport, Endpoints: a.endpoints, TestTimeout: a.cfg.TestTimeout, Observer: a.metrics, Now: a.cfg.Now,
	})
	if err != nil {
		return err
	}
	if err := a.openWebhooks(); err != nil {
		return err
	}
	a.metrics.watchReloads(&a.reloaded)
	a.metrics.watch(a.data, a.registry, a.tracer)
	return nil
}

// openWebhooks makes what sends webhooks. The URL is the operator's, so it is exempt from
// the policy for upstream addresses.
func (a *App) openWebhooks() error {
	a.metrics.read("webhooks_gone", "1 if the receiver of webhooks answered 410, so that this process sends no more of them.", func() float64 {
		return float(a.webhooks != nil && a.webhooks.Gone())
	})
	if a.cfg.WebhookURL == "" {
		return nil
	}
	receiver, err := webhook.NewReceiver(a.cfg.WebhookURL, a.cfg.WebhookSecret, a.guard.Transport(a.cfg.WebhookURL))
	if err != nil {
		return err
	}
	a.webhooks = webhook.NewSender(a.data.store, receiver, a.metrics.webhookSent, a.cfg.Logger)
	return nil
}

func (a *App) handler() (http.Handler, error) {
	var authenticator auth.Authenticator = a.data.tokens
	switch {
	case a.cfg.AuthOff:
		authenticator = auth.Anyone{}
	case a.oidc != nil:
		authenticator = auth.Bearers{Tokens: authenticator, JWTs: a.oidc}
	}
	return api.New(api.Config{
		Registry: a.registry, Authenticator: authenticator, Tokens: a.data.tokens, Limiter: a.data.limiter,
		Idempotency: a.data.idempotency, Audit: a.data.events, Refusals: a.data.refusals, Keyset: a.data.keyset, ChangeKey: a.data.changeKey,
		Metrics: a.metrics.Registry, Tracer: a.tracer, Logger: a.cfg.Logger, Ready: a.ready, Warnings: a.reloaded.warn, Stopping: a.stopping,
		BasePath: a.cfg.BasePath, CORSOrigins: a.cfg.CORSOrigins, TrustedProxies: a.cfg.TrustedProxies,
		Console: a.console(), LoopbackOnly: a.cfg.AuthOff, Reveal: a.cfg.Reveal, RevealReason: a.cfg.RevealReason,
		RequestTimeout: requestTimeout, TestTimeout: a.cfg.TestTimeout, Heartbeat: a.cfg.Heartbeat,
	})
}

// console configures the console; nil if there is none.
func (a *App) console() *api.Console {
	cfg := a.cfg.Console
	if !cfg.Enabled {
		return nil
	}
	console := &api.Console{ClientID: cfg.ClientID, Scopes: cmp.Or(cfg.Scopes, "openid")}
	if a.oidc != nil {
		console.Issuer, console.Audience, console.TokenEndpoint = a.cfg.OIDC.Issuer, a.cfg.OIDC.Audience, a.oidc.TokenEndpoint
	}
	return console
}

// serve starts to answer requests, and starts the background jobs.
func (a *App) serve(ctx context.Context) error {
	handler, err := a.handler()
	if err != nil {
		return err
	}
	if err := a.data.beat(ctx); err != nil {
		_ = a.data.store.Leave(ctx, a.data.process) // else it could keep a key from being promoted for a while
		return fmt.Errorf("could not register this process in the database: %w", err)
	}
	a.server = a.newServer(handler, a.cfg.ReadTimeout, a.cfg.ReadTimeout+2*a.cfg.TestTimeout+requestTimeout)
	a.server.TLSConfig = a.tls
	a.server.ConnState = a.unread.track
	a.server.BaseContext = func(net.Listener) context.Context { return a.requests }
	go func() {
		if a.tls != nil {
			a.served <- a.server.ServeTLS(a.listener, "", "")
			return
		}
		a.served <- a.server.Serve(a.listener)
	}()
	finishJobs := a.startJobs()
	a.onClose(func(ctx context.Context) error { return a.finishJobs(ctx, finishJobs) })
	a.serveMetrics()
	a.onClose(a.endRequests)
	build := version.Read()
	attrs := []any{slog.String("url", a.URL()), slog.String("version", build.Version), slog.String("commit", build.Commit)}
	if a.console() != nil {
		attrs = append(attrs, slog.String("console", a.URL()+"/console/"))
	}
	if a.metricsListener != nil {
		attrs = append(attrs, slog.String("metrics", a.MetricsURL()))
	}
	a.cfg.Logger.Info("serving", attrs...)
	return nil
}

// newServer returns a server with bounds for what clients do.
func (a *App) newServer(handler http.Handler, readTimeout, writeTimeout time.Duration) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(a.cfg.Logger.Handler(), slog.LevelWarn),
	}
}

// URL is the URL of the service, without a slash at the end.
func (a *App) URL() string {
	scheme := "http"
	if a.tls != nil {
		scheme = "https"
	}
	return scheme + "://" + a.listener.Addr().String() + a.cfg.BasePath
}

// MetricsURL is the URL of the metrics at their own address, or "".
func (a *App) MetricsURL() string {
	if a.metricsListener == nil {
		return ""
	}
	return "http://" + a.metricsListener.Addr().String() + "/metrics"
}
