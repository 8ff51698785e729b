package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/registry"
)

// state is what the middleware and the handler of a request know about it.
type state struct {
	requestID   string
	principal   auth.Principal        // zero until the caller is known
	condition   registry.Precondition // of a route with If-Match
	queryFaults fault.Fields          // the faults in the names of a query
	body        []byte                // nil until it is read
	call        []slog.Attr           // what the log says about a call to an upstream
	err         error                 // why the request failed
}

func stateOf(c echo.Context) *state { return c.Get("state").(*state) }

func requestID(c echo.Context) string { return stateOf(c).requestID }

func principal(c echo.Context) auth.Principal { return stateOf(c).principal }

// requestIDForm is the form of valid request ids.
var requestIDForm = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,128}$`)

// identifyRequest puts X-Request-Id on the response: the client's if it is valid,
// otherwise a new one.
func (a *API) identifyRequest(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := c.Request().Header.Get(echo.HeaderXRequestID)
		if !requestIDForm.MatchString(id) {
			id = uuid.Must(uuid.NewV7()).String()
		}
		c.Set("state", &state{requestID: id})
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		return next(c)
	}
}

// closeWhenStopping makes each answer of a service that is stopping the last one of
// its connection. Proxies then open no request on a connection that is about to be
// closed. On HTTP/2 the server sends GOAWAY, and other requests in flight finish.
func (a *API) closeWhenStopping(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		response := c.Response()
		response.Before(func() {
			if a.Stopping.Err() != nil {
				response.Header().Set("Connection", "close")
			}
		})
		return next(c)
	}
}

// recoverPanic answers a panic with 500. It logs the stack and the type of the
// panic's value, but not the value, which may contain a secret.
func (a *API) recoverPanic(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if value := recover(); value != nil {
				if err, ok := value.(error); ok && errors.Is(err, http.ErrAbortHandler) {
					panic(value)
				}
				err = fault.Wrap(fault.Internal, fmt.Errorf("panic of type %T\n%s", value, debug.Stack()), "Internal error.")
			}
		}()
		return next(c)
	}
}

// secureHeaders keeps answers out of shared caches, and stops browsers from
// treating them as anything but data.
func (a *API) secureHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set(echo.HeaderCacheControl, "private, no-cache")
		h.Set(echo.HeaderXContentTypeOptions, "nosniff")
		h.Set(echo.HeaderReferrerPolicy, "no-referrer")
		h.Set(echo.HeaderContentSecurityPolicy, "default-src 'none'; frame-ancestors 'none'")
		if c.Request().TLS != nil {
			h.Set(echo.HeaderStrictTransportSecurity, "max-age=31536000")
		}
		return next(c)
	}
}

// cors allows browser apps from the configured origins. Any header may be sent:
// without AllowHeaders a preflight is answered with those that it asks for.
func (a *API) cors() echo.MiddlewareFunc {
	return middleware.CORSWithConfig(middleware.CORSConfig{
		AllowOriginFunc: func(origin string) (bool, error) { return slices.Contains(a.CORSOrigins, origin), nil },
		AllowMethods:    []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		ExposeHeaders: []string{"ETag", echo.HeaderLocation, echo.HeaderRetryAfter, echo.HeaderXRequestID, echo.HeaderWWWAuthenticate,
			echo.HeaderAllow, "Accept-Patch", headerIdempotencyReplayed},
		MaxAge: 7200, // seconds; no browser keeps a preflight longer, except Firefox
	})
}

// guardLoopback protects a service without authentication from web pages. A page
// that uses DNS rebinding sends its own name as Host, and a page of another
// origin sends its Origin.
func (a *API) guardLoopback(next echo.HandlerFunc) echo.HandlerFunc {
	if !a.LoopbackOnly {
		return next
	}
	return func(c echo.Context) error {
		if err := a.checkLoopback(c.Request()); err != nil {
			a.recordRefusal(c, err)
			return err
		}
		return next(c)
	}
}

func (a *API) checkLoopback(r *http.Request) error {
	if !isLoopback(r.Host) {
		return fault.New(fault.Forbidden, "Authentication is off, so only requests to localhost are allowed.")
	}
	if origin := r.Header.Get(echo.HeaderOrigin); origin != "" && !slices.Contains(a.CORSOrigins, origin) && !sameOrigin(origin, r) {
		return fault.New(fault.Forbidden, "Authentication is off, so requests from this origin are not allowed. The operator can allow the origin with MODELPROVIDERS_CORS_ORIGINS.")
	}
	return nil
}

func isLoopback(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	return auth.LoopbackHost(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

func sameOrigin(origin string, r *http.Request) bool {
	u, err := url.Parse(origin)
	return err == nil && (u.Scheme == "http") == (r.TLS == nil) && strings.EqualFold(u.Host, r.Host)
}

// admit wraps the handler of a route: it authenticates and authorizes the caller,
// checks the query and If-Match, and limits the time. Refusals are recorded,
// including those of the handler.
func (a *API) admit(r Route) echo.HandlerFunc {
	answer := a.answering(r.handler)
	if r.Header == headerIdempotencyKey {
		answer = a.idempotent(r.handler)
	}
	return func(c echo.Context) error {
		defer func() { clear(stateOf(c).body) }()
		err := a.handle(c, r, answer)
		a.recordRefusal(c, err)
		return err
	}
}

func (a *API) handle(c echo.Context, r Route, answer echo.HandlerFunc) error {
	p, err := a.authenticate(c)
	if err != nil {
		return err
	}
	request := stateOf(c)
	request.principal = p
	if err := checkScope(p, r.scope); err != nil {
		return err
	}
	if err := cmp.Or(normalizeParams(c), checkQuery(c, r)); err != nil {
		return err
	}
	if r.Header == headerIfMatch {
		if request.condition, err = readPrecondition(c); err != nil {
			return err
		}
	}
	limit := a.RequestTimeout
	if r.scope == auth.ModelsTest {
		limit += 2 * a.TestTimeout // of several tests, the last may begin after the first has timed out
	}
	if r.waits() {
		limit += maxChangeStream
	}
	ctx, cancel := context.WithTimeout(audit.WithSource(c.Request().Context(), sourceOf(c, p)), limit)
	defer cancel()
	c.SetRequest(c.Request().WithContext(ctx))
	return answer(c)
}

func checkScope(p auth.Principal, scope auth.Scope) error {
	switch {
	case scope == anyone, p.May(scope), scope == operator && p.IsOperator():
		return nil
	case scope == operator:
		return fault.New(fault.Forbidden, "This request requires the token of an admin of the workspace %s.", auth.DefaultWorkspace)
	}
	return fault.New(fault.Forbidden, "The token lacks the scope %s, which this request requires.", scope)
}

// withoutQuery wraps the handler of a service route, which takes no query.
func withoutQuery(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := checkQuery(c, Route{}); err != nil {
			return err
		}
		return next(c)
	}
}

// normalizeParams unescapes the parameters of a path, which Echo does not do if the path
// escapes more than it must, and puts ids into the form in which they are stored. It
// returns not_found for an unknown provider type, and for an id that is no UUID.
func normalizeParams(c echo.Context) error {
	names, values := c.ParamNames(), c.ParamValues()
	for i, name := range names {
		if plain, err := url.PathUnescape(values[i]); err == nil && c.Request().URL.RawPath != "" {
			values[i] = plain
		}
		switch name {
		case "type":
			if _, known := provider.Lookup(values[i]); !known {
				return fault.New(fault.NotFound, "There is no provider type %q. GET /provider-types lists the types.", values[i])
			}
		case "id", "model":
			if uuid.Validate(values[i]) != nil || len(values[i]) != len(uuid.Nil.String()) {
				return fault.New(fault.NotFound, "There is no %s with the id %q.", resourceOf(c, name), values[i])
			}
			values[i] = strings.ToLower(values[i])
		}
	}
	c.SetParamValues(values...)
	return nil
}

// resourceOf returns what a parameter of the path identifies: `provider` for the id
// in /providers/:id.
func resourceOf(c echo.Context, parameter string) string {
	collection, _, _ := strings.Cut(c.Path(), "/:"+parameter)
	return strings.TrimSuffix(path.Base(collection), "s")
}

// authenticate returns the caller with the bearer token (RFC 6750, section 2.1).
// Failed sign-ins from one client address are limited; valid tokens are not.
func (a *API) authenticate(c echo.Context) (auth.Principal, error) {
	bearer := bearerOf(c.Request())
	p, err := a.Authenticator.Authenticate(c.Request().Context(), bearer)
	if !fault.Is(err, fault.Unauthenticated) {
		return p, err
	}
	if bearer == "" {
		return p, fault.New(fault.Unauthenticated, "The request has no token. Send it in the header Authorization: Bearer <token>.")
	}
	if limited := a.Limiter.SignIn(c.RealIP()); limited != nil {
		return p, limited
	}
	return p, err
}

// bearerOf returns the bearer token of a request, or "".
func bearerOf(r *http.Request) string {
	scheme, bearer, _ := strings.Cut(r.Header.Get(echo.HeaderAuthorization), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(bearer)
}

// ipExtractor reads the client's address. It believes X-Forwarded-For only from
// trusted proxies.
func ipExtractor(trusted []string) (echo.IPExtractor, error) {
	if len(trusted) == 0 {
		return echo.ExtractIPDirect(), nil
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, cidr := range trusted {
		_, network, err := net.ParseCIDR(cidr)
		if err != nil {
			return nil, fmt.Errorf("trusted proxies: %q is not a CIDR such as 10.0.0.0/8", cidr)
		}
		options = append(options, echo.TrustIPRange(network))
	}
	return echo.ExtractIPFromXFFHeader(options...), nil
}
