package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
)

// problem is a problem document (RFC 9457).
type problem struct {
	// A URN of the code.
	Type string `json:"type" example:"urn:modelproviders:problem:validation_failed"`
	// What the code means, in a few words.
	Title string `json:"title" example:"Validation failed"`
	// The HTTP status of this answer.
	Status int `json:"status" example:"422"`
	// What happened, to what, and what to do.
	Detail string `json:"detail" example:"Provider not created: 1 invalid field."`
	// The path of the request.
	Instance string `json:"instance" example:"/providers"`
	// What went wrong, as a stable, machine-readable code.
	Code string `json:"code" enums:"malformed_request,unauthenticated,forbidden,reveal_disabled,not_found,method_not_allowed,name_taken,model_exists,last_admin,in_use,conflict,gone,version_mismatch,too_large,unsupported_media_type,validation_failed,type_immutable,credentials_required,idempotency_key_reused,rate_limited,internal,upstream_failed,unavailable" example:"validation_failed"`
	// The id of this request in the log.
	RequestID string `json:"request_id" example:"0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10"`
	// All invalid fields of the request.
	Errors []fieldError `json:"errors,omitempty"`
	// The error of the provider's service, if the code is upstream_failed.
	Upstream *upstreamError `json:"upstream,omitempty"`
	// What depends on the models that the request would remove or disable, at most 100 references, if the code is in_use.
	References []referenceInUse `json:"references,omitempty"`
	// The number of all these references, if the code is in_use.
	ReferenceCount int `json:"reference_count,omitempty" example:"1"`
} // @name Problem

// fieldError is one invalid field.
type fieldError struct {
	// The path of the field in the request, or the name of a query parameter.
	Field string `json:"field" example:"credentials.api_key"`
	// What is wrong with it.
	Code string `json:"code" enums:"required,invalid,too_long,too_many,unknown,duplicate,not_found" example:"required"`
	// What is wrong with it, in words.
	Message string `json:"message" example:"is required"`
} // @name FieldError

// upstreamError is why a call to a provider's service failed.
type upstreamError struct {
	// Why the call failed.
	Kind string `json:"kind" extensions:"x-ref=FailureKind" example:"authentication"`
	// The provider's error message, with credentials removed.
	Message string `json:"message" example:"Incorrect API key provided: sk-••••."`
	// The provider's HTTP status; absent if there was no response.
	HTTPStatus int `json:"http_status,omitempty" example:"401"`
	// The provider's error code; absent if it has none, and in problem documents.
	Code string `json:"code,omitempty" example:"invalid_api_key"`
	// What to do about it; absent if unknown.
	Hint string `json:"hint,omitempty" example:"Replace the API key of this provider."`
} // @name UpstreamError

// answers maps every kind of fault to its status and title.
var answers = map[fault.Kind]struct {
	status int
	title  string
}{
	fault.MalformedRequest:     {http.StatusBadRequest, "Malformed request"},
	fault.Unauthenticated:      {http.StatusUnauthorized, "Unauthenticated"},
	fault.Forbidden:            {http.StatusForbidden, "Forbidden"},
	fault.RevealDisabled:       {http.StatusForbidden, "Reveal disabled"},
	fault.NotFound:             {http.StatusNotFound, "Not found"},
	fault.MethodNotAllowed:     {http.StatusMethodNotAllowed, "Method not allowed"},
	fault.NameTaken:            {http.StatusConflict, "Name taken"},
	fault.ModelExists:          {http.StatusConflict, "Model exists"},
	fault.LastAdmin:            {http.StatusConflict, "Last admin"},
	fault.InUse:                {http.StatusConflict, "In use"},
	fault.Conflict:             {http.StatusConflict, "Conflict"},
	fault.Gone:                 {http.StatusGone, "Gone"},
	fault.VersionMismatch:      {http.StatusPreconditionFailed, "Version mismatch"},
	fault.TooLarge:             {http.StatusRequestEntityTooLarge, "Too large"},
	fault.UnsupportedMediaType: {http.StatusUnsupportedMediaType, "Unsupported media type"},
	fault.ValidationFailed:     {http.StatusUnprocessableEntity, "Validation failed"},
	fault.TypeImmutable:        {http.StatusUnprocessableEntity, "Type can't be changed"},
	fault.CredentialsRequired:  {http.StatusUnprocessableEntity, "Credentials required"},
	fault.IdempotencyKeyReused: {http.StatusUnprocessableEntity, "Idempotency key reused"},
	fault.RateLimited:          {http.StatusTooManyRequests, "Too many requests"},
	fault.Internal:             {http.StatusInternalServerError, "Internal error"},
	fault.UpstreamFailed:       {http.StatusBadGateway, "Provider request failed"},
	fault.Unavailable:          {http.StatusServiceUnavailable, "Unavailable"},
}

// statusClientGone is the status in the log of a request whose client has gone,
// as in nginx.
const statusClientGone = 499

// unavailableFor is the default of Retry-After.
const unavailableFor = 5 * time.Second

// answerError writes the problem document of an error. The cause of a 5xx goes
// only to the log.
func (a *API) answerError(err error, c echo.Context) {
	err = endedBy(c.Request().Context(), err)
	committed := c.Response().Committed
	canceled := errors.Is(err, context.Canceled) && c.Request().Context().Err() != nil
	if canceled || committed && fault.As(err) == nil { // the client has gone
		stateOf(c).err = err
		if !committed {
			c.Response().Status = statusClientGone
		}
		return
	}
	f := toFault(err)
	if f.Kind == fault.MethodNotAllowed {
		f.Message = fmt.Sprintf("%s is not allowed here; use %s.", c.Request().Method, allowed(c))
	}
	stateOf(c).err = f
	if committed {
		return
	}
	h := c.Response().Header()
	if f.RetryAfter > 0 {
		h.Set(echo.HeaderRetryAfter, strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
	}
	if f.Kind == fault.Unauthenticated {
		h.Set(echo.HeaderWWWAuthenticate, challenge(c.Request()))
	}
	if principal(c).Subject == "" && c.Request().ContentLength != 0 {
		refuseBody(c)
	}
	h.Set(echo.HeaderContentType, "application/problem+json")
	c.Response().WriteHeader(answers[f.Kind].status)
	if c.Request().Method == http.MethodHead {
		return
	}
	if err := encodeJSON(c.Response(), problemOf(f, c)); err != nil {
		a.Logger.Warn("could not write a problem document", slog.String("request_id", requestID(c)), slog.Any("error", err))
	}
}

// endedBy returns the fault that ended a context, such as a stop of the service, with
// the text of err as its cause. If no fault ended it, it returns err.
func endedBy(ctx context.Context, err error) error {
	ended := fault.As(context.Cause(ctx))
	if err == nil || ended == nil {
		return err
	}
	f := *ended
	f.Err = errors.New(err.Error()) // err itself would say that the client has gone
	return &f
}

// refuseBody makes the server close the connection without reading the body of an
// unknown caller. For a short time the server discards what the client still
// sends: otherwise the client would see a connection reset instead of the answer.
// An HTTP/2 connection stays open for its other streams.
func refuseBody(c echo.Context) {
	const lingering = 500 * time.Millisecond
	if c.Request().ProtoMajor == 1 {
		c.Response().Header().Set("Connection", "close")
	}
	_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Now().Add(lingering))
}

func problemOf(f *fault.Error, c echo.Context) problem {
	answer := answers[f.Kind]
	p := problem{
		Type:      "urn:modelproviders:problem:" + string(f.Kind),
		Title:     answer.title,
		Status:    answer.status,
		Detail:    f.Message,
		Instance:  c.Request().URL.EscapedPath(),
		Code:      string(f.Kind),
		RequestID: requestID(c),
	}
	if f.Kind == fault.Internal {
		p.Detail = fmt.Sprintf("Internal error; the server log has the cause under request id %s.", p.RequestID)
	}
	for _, field := range f.Fields {
		p.Errors = append(p.Errors, fieldError{Field: field.Name, Code: string(field.Code), Message: field.Message})
	}
	if u := f.Upstream; u != nil {
		p.Upstream = &upstreamError{Kind: u.Kind, Message: u.Message, HTTPStatus: u.HTTPStatus, Hint: u.Hint}
	}
	if u := f.Use; u != nil {
		p.ReferenceCount = u.Count
		for _, r := range u.References {
			p.References = append(p.References, referenceInUse(r))
		}
	}
	return p
}

// toFault returns the fault of an error. Errors that are neither a fault, nor of
// Echo, nor a timeout are internal.
func toFault(err error) *fault.Error {
	if f := fault.As(err); f != nil {
		return f
	}
	var he *echo.HTTPError
	switch {
	case errors.As(err, &he) && he.Code == http.StatusNotFound:
		return fault.New(fault.NotFound, "No such endpoint; see /openapi.yaml.")
	case errors.As(err, &he) && he.Code == http.StatusMethodNotAllowed:
		return fault.New(fault.MethodNotAllowed, "Method not allowed.")
	case errors.Is(err, context.DeadlineExceeded):
		return fault.Wrap(fault.Unavailable, err, "The request timed out. Try again.").After(unavailableFor)
	}
	return fault.Wrap(fault.Internal, err, "Internal error.")
}

// allowed returns the methods in the Allow header except HEAD and OPTIONS, as in
// `GET or PATCH`.
func allowed(c echo.Context) string {
	methods := strings.Split(c.Response().Header().Get(echo.HeaderAllow), ", ")
	methods = slices.DeleteFunc(methods, func(m string) bool { return m == http.MethodOptions || m == http.MethodHead })
	slices.Sort(methods)
	return strings.Join(methods, " or ")
}

// challenge returns the WWW-Authenticate header of RFC 6750, section 3.
func challenge(r *http.Request) string {
	if bearerOf(r) == "" {
		return `Bearer realm="modelproviders"`
	}
	return `Bearer realm="modelproviders", error="invalid_token"`
}
