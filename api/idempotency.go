package api

import (
	"context"
	"regexp"

	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
)

const (
	headerIfMatch             = "If-Match"
	headerIdempotencyKey      = "Idempotency-Key"
	headerIdempotencyReplayed = "Idempotency-Replayed"
)

// idempotencyKeyForm is the form of a key: printable ASCII.
var idempotencyKeyForm = regexp.MustCompile(`^[ -~]{1,255}$`)

// idempotent answers requests with an Idempotency-Key once: a repeated one gets the
// stored answer. What a handler does and its answer are stored in one transaction.
func (a *API) idempotent(handle handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		given := c.Request().Header.Values(headerIdempotencyKey)
		if len(given) == 0 {
			return a.answering(handle)(c)
		}
		if len(given) > 1 || !idempotencyKeyForm.MatchString(given[0]) {
			faults := fault.Fields{{Name: headerIdempotencyKey, Code: fault.Invalid, Message: "must be one value of 1 to 255 printable ASCII characters"}}
			return faults.Err(fault.MalformedRequest, "The Idempotency-Key header is invalid; see errors.")
		}
		sent, err := readBody(c)
		if err != nil {
			return err
		}
		p, r := principal(c), c.Request()
		key := registry.IdempotencyKey{Workspace: p.Workspace, Principal: p.Kind + ":" + p.Subject, Method: r.Method, Path: r.URL.Path, Key: given[0]}
		answer, replayed, err := a.Idempotency.Do(r.Context(), key, sent, func(ctx context.Context) (registry.Answer, error) {
			c.SetRequest(r.WithContext(ctx))
			defer c.SetRequest(r)
			body, err := handle(c)
			if err != nil {
				return registry.Answer{}, err
			}
			return a.answerOf(body)
		})
		if err != nil {
			return err
		}
		if replayed {
			c.Response().Header().Set(headerIdempotencyReplayed, "true")
		}
		return send(c, answer)
	}
}
