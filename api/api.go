// Package api is the HTTP API of modelproviders: the routes, the JSON of requests
// and answers, and the mapping of faults to problem documents (RFC 9457). It is
// the only package that uses Echo.
//
// A handler decodes its request strictly, calls the registry, and maps the result;
// the rules are in the registry. openapi.yaml, which is generated from the
// annotations of the handlers and the route table, describes the API for clients.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/secret"
	"modelproviders/pkg/tracing"
)

// Config is what the API needs.
type Config struct {
	Registry      *registry.Registry
	Authenticator auth.Authenticator
	Tokens        *auth.Tokens
	Limiter       *auth.Limiter
	Idempotency   *registry.Idempotency
	Audit         *audit.Log
	Refusals      *audit.Refusals
	Keyset        *secret.Keyset // seals the cursors of lists
	ChangeKey     []byte         // authenticates the cursors of changes
	Metrics       *prometheus.Registry
	Tracer        *tracing.Tracer // nil: requests are not traced
	Logger        *slog.Logger
	// Ready returns what is not ready for requests, or nil.
	Ready func(context.Context) error
	// Warnings returns what an operator should repair although the service is ready.
	Warnings func() []string
	// Stopping ends when the service begins to stop: connections are closed after their
	// next answer, and nobody waits for changes any more.
	Stopping context.Context

	// BasePath is the prefix of all routes, such as `/api/v1`, or "".
	BasePath string
	// CORSOrigins are the origins of browser apps that may call.
	CORSOrigins []string
	// TrustedProxies are the CIDRs of proxies whose X-Forwarded-For is believed.
	TrustedProxies []string
	// LoopbackOnly refuses requests for other hosts than localhost, and from web
	// pages of other origins. It protects a service without authentication.
	LoopbackOnly bool

	Reveal       bool // false: credentials are never revealed
	RevealReason bool // true: a reveal must give a reason

	Console *Console // nil: there is no console

	RequestTimeout time.Duration // for a request, without its upstream call
	TestTimeout    time.Duration // for an upstream call
	// Heartbeat is how often a silent stream sends a comment, so that no proxy
	// closes it.
	Heartbeat time.Duration
}

// API answers requests.
type API struct{ Config }

// anyone is the scope of a route that every principal may use.
const anyone = auth.Scope("any principal")

// operator is the scope of a route that only an admin of the default workspace may
// use, who is the operator of the service.
const operator = auth.Scope("the role admin in the workspace default")

// Route is one route of the API. The errors, parameters and headers
// in openapi.yaml follow from it.
type Route struct {
	Method  string
	Path    string
	scope   auth.Scope
	handler handler
	Query   []string // the query parameters that it takes
	Header  string   // If-Match or Idempotency-Key, or "" if it takes neither
}

// Group is the routes that have a tag in openapi.yaml.
type Group struct {
	Tag    string
	Routes []Route
}

// Routes returns all routes that need a token.
func Routes() []Group { return new(API).routes() }

func (a *API) routes() []Group {
	const (
		read   = auth.ProvidersRead
		write  = auth.ProvidersWrite
		test   = auth.ModelsTest
		refer  = auth.ReferencesWrite
		reveal = auth.CredentialsReveal
		tokens = auth.TokensWrite
		events = auth.AuditRead

		match = headerIfMatch
		key   = headerIdempotencyKey
	)
	listed := []string{"limit", "cursor"}
	providers := append([]string{"q", "name", "type", "status", "sort", "view", "count"}, listed...)
	ofProvider := append([]string{"q", "stage", "verified", "enabled", "sort", "count"}, listed...)
	models := append([]string{"provider_id", "provider_type", "provider_status", "available"}, ofProvider...)
	force := []string{"force"}
	happened := append([]string{"action", "actor", "provider_id", "outcome", "from", "to"}, listed...)
	return []Group{
		{"provider types", []Route{
			{http.MethodGet, "/provider-types", read, a.listProviderTypes, nil, ""},
			{http.MethodGet, "/provider-types/:type", read, a.getProviderType, nil, ""},
			{http.MethodPost, "/provider-types/:type/available-models", test, withBody(a.listAvailableModelsOfType), []string{"q"}, ""},
			{http.MethodGet, "/stages", read, a.listStages, nil, ""},
		}},
		{"providers", []Route{
			{http.MethodGet, "/providers", read, a.listProviders, providers, ""},
			{http.MethodPost, "/providers", write, withBody(a.createProvider), nil, key},
			{http.MethodPost, "/providers/:id/clone", write, withBody(a.cloneProvider), nil, key},
			{http.MethodGet, "/providers/:id", read, a.getProvider, nil, ""},
			{http.MethodPatch, "/providers/:id", write, withBody(a.updateProvider), force, match},
			{http.MethodDelete, "/providers/:id", write, a.deleteProvider, force, match},
		}},
		{"credentials", []Route{
			{http.MethodPost, "/providers/:id/credentials/:field/reveal", reveal, a.revealCredential, nil, ""},
			{http.MethodPost, "/credentials/lookup", reveal, withBody(a.lookupCredential), nil, ""},
		}},
		{"models", []Route{
			{http.MethodGet, "/providers/:id/available-models", test, a.listAvailableModels, []string{"q"}, ""},
			{http.MethodPost, "/providers/:id/available-models", test, withOptionalBody(a.listAvailableModelsOfEdit), []string{"q"}, ""},
			{http.MethodGet, "/providers/:id/models", read, a.listProviderModels, ofProvider, ""},
			{http.MethodPost, "/providers/:id/models", write, withBody(a.createModel), nil, key},
			{http.MethodPost, "/providers/:id/models/bulk", write, withBody(a.createModels), nil, key},
			{http.MethodGet, "/providers/:id/models/:model", read, a.getProviderModel, nil, ""},
			{http.MethodPatch, "/providers/:id/models/:model", write, withBody(a.updateModel), force, match},
			{http.MethodDelete, "/providers/:id/models/:model", write, a.deleteModel, force, match},
			{http.MethodGet, "/models", read, a.listModels, models, ""},
			{http.MethodGet, "/models/:id", read, a.getModel, nil, ""},
		}},
		{"references", []Route{
			{http.MethodGet, "/models/:id/references", read, a.listReferences, listed, ""},
			{http.MethodGet, "/models/:id/references/:ref", read, a.getReference, nil, ""},
			{http.MethodPut, "/models/:id/references/:ref", refer, withBody(a.putReference), nil, ""},
			{http.MethodDelete, "/models/:id/references/:ref", refer, a.deleteReference, nil, ""},
		}},
		{"tests", []Route{
			{http.MethodPost, "/provider-types/:type/test", test, withBody(a.testProviderType), nil, ""},
			{http.MethodPost, "/provider-types/:type/check", test, withBody(a.checkProviderType), nil, ""},
			{http.MethodPost, "/providers/:id/test", test, withBody(a.testProvider), nil, ""},
			{http.MethodPost, "/providers/:id/test-models", test, withBody(a.testModels), nil, ""},
			{http.MethodPost, "/providers/:id/check", test, withOptionalBody(a.checkProvider), nil, ""},
			{http.MethodPost, "/models/:id/test", test, withBody(a.testModel), nil, ""},
			{http.MethodPost, "/models/:id/verify", test, withOptionalBody(a.verifyModel), nil, ""},
		}},
		{"changes", []Route{
			{http.MethodGet, "/changes", read, a.listChanges, []string{"after", "wait", "limit"}, ""},
		}},
		{"access", []Route{
			{http.MethodGet, "/me", anyone, a.getMe, nil, ""},
			{http.MethodGet, "/tokens", tokens, a.listTokens, append([]string{"revoked"}, listed...), ""},
			{http.MethodPost, "/tokens", tokens, withBody(a.createToken), nil, ""},
			{http.MethodDelete, "/tokens/:id", tokens, a.revokeToken, nil, ""},
		}},
		{"audit", []Route{
			{http.MethodGet, "/audit-events", events, a.listAuditEvents, happened, ""},
		}},
		{"service", []Route{
			{http.MethodGet, "/metrics", operator, a.getMetrics, nil, ""},
		}},
	}
}

// service is a path that anyone may read.
type service struct {
	path    string
	handler echo.HandlerFunc
}

// New returns the handler of the whole API.
func New(cfg Config) (http.Handler, error) {
	a := &API{Config: cfg}
	e := echo.New()
	e.HTTPErrorHandler = a.answerError
	extractor, err := ipExtractor(cfg.TrustedProxies)
	if err != nil {
		return nil, err
	}
	e.IPExtractor = extractor
	m := newRequestMetrics(cfg.Metrics)
	e.Use(a.identifyRequest, a.observe(m), a.closeWhenStopping, a.logRequest, a.recoverPanic, a.secureHeaders, a.cors(), a.guardLoopback)

	spec := newSpec(cfg.BasePath)
	g := e.Group(cfg.BasePath)
	services := []service{
		{"/healthz", withoutQuery(a.answering(a.getHealth))}, {"/readyz", withoutQuery(a.answering(a.getReadiness))},
		{"/openapi.yaml", withoutQuery(spec.getOpenAPIYAML)}, {"/openapi.json", withoutQuery(spec.getOpenAPIJSON)},
		{"/icons/:file", withoutQuery(a.getProviderTypeIcon)},
	}
	for _, s := range slices.Concat(services, reference(), a.console()) {
		g.GET(s.path, s.handler)
		g.HEAD(s.path, s.handler)
	}
	for _, group := range a.routes() {
		for _, r := range group.Routes {
			handler := a.admit(r)
			g.Add(r.Method, r.Path, handler)
			if r.Method == http.MethodGet {
				g.HEAD(r.Path, handler)
			}
		}
	}
	// Without these, the last parameter would match slashes, too.
	g.RouteNotFound("/providers/:id/models/:model/*", echo.NotFoundHandler)
	g.RouteNotFound("/models/:id/references/:ref/*", echo.NotFoundHandler)
	m.add(e.Routes(), cfg.BasePath)
	return compressed(e)
}
