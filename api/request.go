package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/strictjson"
)

// maxBody bounds the body of a request, in bytes.
const maxBody = 1 << 20

const (
	mediaJSON       = "application/json"
	mediaMergePatch = "application/merge-patch+json" // RFC 7396
)

// withBody returns a handler that decodes the JSON body of a request into a struct, whose
// tags have its rules. next gets what is wrong in the body and must report it, together
// with what else it finds.
func withBody[T any](next func(c echo.Context, body T, problems fault.Problems) (any, error)) handler {
	return func(c echo.Context) (any, error) {
		var body T
		problems, err := decode(c, &body)
		if err != nil {
			return nil, err
		}
		return next(c, body, problems)
	}
}

// withOptionalBody is [withBody] for a body that may be left out.
func withOptionalBody[T any](next func(c echo.Context, body T, problems fault.Problems) (any, error)) handler {
	return func(c echo.Context) (any, error) {
		given, err := readBody(c)
		if err != nil {
			return nil, err
		}
		if len(given) == 0 {
			var none T
			return next(c, none, fault.Problems{})
		}
		return withBody(next)(c)
	}
}

// decode reads a body into dst and returns what is wrong in it. It returns
// malformed_request for a body that is not a JSON object.
func decode(c echo.Context, dst any) (fault.Problems, error) {
	body, err := readBody(c)
	if err != nil {
		return fault.Problems{}, err
	}
	problems, err := strictjson.Decode(body, dst)
	if err == nil {
		problems.Invalid = append(problems.Invalid, validate(dst)...)
	}
	return problems, err
}

// readBody reads a body of an acceptable size and media type, once. An empty one
// needs no media type.
func readBody(c echo.Context) ([]byte, error) {
	if body := stateOf(c).body; body != nil {
		return body, nil
	}
	r := c.Request()
	tooLarge := fault.New(fault.TooLarge, "Request body is too large. The limit is %d bytes.", maxBody)
	if r.ContentLength > maxBody {
		return nil, tooLarge
	}
	stop := context.AfterFunc(r.Context(), func() {
		_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Now()) // ends the read
	})
	body, err := readAll(http.MaxBytesReader(c.Response(), r.Body, maxBody))
	stop()
	stateOf(c).body = body
	var limit *http.MaxBytesError
	switch {
	case errors.As(err, &limit):
		return nil, tooLarge
	case err != nil:
		return nil, fault.Wrap(fault.MalformedRequest, err, "Request body could not be read.")
	case len(body) == 0:
		return nil, nil
	}
	return body, checkMediaType(c)
}

// readAll is [io.ReadAll] for what may hold credentials: it leaves no copies of
// the beginning behind.
func readAll(r io.Reader) ([]byte, error) {
	body := make([]byte, 0, 4<<10)
	for {
		if len(body) == cap(body) {
			grown := append(make([]byte, 0, 2*cap(body)), body...)
			clear(body)
			body = grown
		}
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return body, err
		}
	}
}

// checkMediaType refuses a body whose media type is not JSON.
func checkMediaType(c echo.Context) error {
	r, accepted := c.Request(), []string{mediaJSON}
	if r.Method == http.MethodPatch {
		accepted = append(accepted, mediaMergePatch)
	}
	var refusal string
	media, parameters, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	charset, given := parameters["charset"]
	coding := cmp.Or(r.Header.Get(echo.HeaderContentEncoding), "identity")
	switch {
	case err != nil || !slices.Contains(accepted, media) || given && !strings.EqualFold(charset, "utf-8"):
		refusal = "Content-Type must be " + strings.Join(accepted, " or ") + "."
	case !strings.EqualFold(coding, "identity"):
		refusal = "Request body must not be compressed."
	default:
		return nil
	}
	if r.Method == http.MethodPatch {
		c.Response().Header().Set("Accept-Patch", strings.Join(accepted, ", "))
	}
	return fault.New(fault.UnsupportedMediaType, "%s", refusal)
}

// checkQuery finds query parameters that the route doesn't know, that are given
// twice, or that contain control characters. If the route reads values, [query]
// reports these parameters together with invalid values; otherwise checkQuery
// refuses them.
func checkQuery(c echo.Context, r Route) error {
	var faults fault.Fields
	known := r.Query
	values, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return fault.Wrap(fault.MalformedRequest, err, "Query string is malformed.")
	}
	for name, given := range values {
		switch {
		case !slices.Contains(known, name):
			faults.Add(name, fault.Unknown, "is not a query parameter of this endpoint%s", suggest(known))
		case len(given) > 1:
			faults.Add(name, fault.Duplicate, "is given %d times; give it once", len(given))
		case !utf8.ValidString(given[0]) || strings.ContainsFunc(given[0], unicode.IsControl):
			faults.Add(name, fault.Invalid, "must be valid UTF-8 without control characters")
		case utf8.RuneCountInString(given[0]) > maxQueryValue && name != "cursor":
			faults.Add(name, fault.TooLong, "must have at most %d characters", maxQueryValue)
		}
	}
	slices.SortFunc(faults, func(a, b fault.Field) int { return strings.Compare(a.Name, b.Name) })
	if r.lists() {
		stateOf(c).queryFaults = faults
		return nil
	}
	return faults.Err(fault.MalformedRequest, badQuery)
}

const badQuery = "Query parameters are invalid; see errors."

// lists reports whether the route answers a list in pages, and so reads the
// values of its query.
func (r Route) lists() bool { return slices.Contains(r.Query, "limit") }

// waits reports whether a request of the route may wait for changes.
func (r Route) waits() bool { return slices.Contains(r.Query, "wait") }

// maxQueryValue bounds one query parameter except cursor, in characters.
const maxQueryValue = 2048

func suggest(known []string) string {
	if len(known) == 0 {
		return ""
	}
	return "; the parameters are " + strings.Join(known, ", ")
}

// query reads the checked query parameters of a request and gathers what is
// wrong with their values.
type query struct {
	c      echo.Context
	faults fault.Fields
}

func newQuery(c echo.Context) *query { return &query{c: c, faults: stateOf(c).queryFaults} }

func (q *query) text(name string) string { return q.c.QueryParam(name) }

// read reads a parameter; the zero value when it is absent. parse returns false
// for a value that is not what it must be.
func read[T any](q *query, name, must string, parse func(given string) (T, bool)) T {
	var zero T
	given := q.c.QueryParam(name)
	if given == "" {
		q.presentButEmpty(name)
		return zero
	}
	value, ok := parse(given)
	if !ok {
		q.faults.Add(name, fault.Invalid, "must be %s", must)
	}
	return value
}

func (q *query) presentButEmpty(name string) {
	if q.c.QueryParams().Has(name) {
		q.faults.Add(name, fault.Invalid, "must not be empty; leave it out instead")
	}
}

// present reads text that must not be empty.
func (q *query) present(name string) string {
	return read(q, name, "", func(given string) (string, bool) { return given, true })
}

// flag reads true or false; nil when the parameter is absent.
func (q *query) flag(name string) *bool {
	return read(q, name, "true or false", func(given string) (*bool, bool) {
		value := given == "true"
		return &value, value || given == "false"
	})
}

// uuid reads an id in its canonical form.
func (q *query) uuid(name string) string {
	return read(q, name, "a UUID", func(given string) (string, bool) {
		id, err := uuid.Parse(given)
		return id.String(), err == nil && len(given) == len(id.String()) // no braces, no urn:uuid:
	})
}

// time reads a time (RFC 3339).
func (q *query) time(name string) time.Time {
	return read(q, name, "a time such as 2026-01-31T09:30:00Z (RFC 3339)", func(given string) (time.Time, bool) {
		t, err := time.Parse(time.RFC3339, given)
		return t.UTC(), err == nil
	})
}

// duration reads a time span from 0 to max.
func (q *query) duration(name string, max time.Duration) time.Duration {
	return read(q, name, fmt.Sprintf("a duration such as 30s, at most %gs", max.Seconds()), func(given string) (time.Duration, bool) {
		d, err := time.ParseDuration(given)
		return d, err == nil && d >= 0 && d <= max
	})
}

// oneOf reads one of some values.
func oneOf[T ~string](q *query, name string, allowed ...T) T {
	return read(q, name, "one of "+strings.Join(names(allowed), ", "), func(given string) (T, bool) {
		return T(given), slices.Contains(allowed, T(given))
	})
}

// sort reads the order of a list; by name when the parameter is absent.
func (q *query) sort() registry.Sort {
	given := oneOf(q, "sort", registry.SortName, registry.SortNameDesc, registry.SortCreated, registry.SortCreatedDesc)
	return cmp.Or(given, registry.SortName)
}

// readPrecondition reads the condition that a request makes for an edit. It returns
// malformed_request.
func readPrecondition(c echo.Context) (registry.Precondition, error) {
	versions, err := parseIfMatch(c.Request().Header.Values(headerIfMatch))
	if err != nil {
		return registry.Precondition{}, err
	}
	q := newQuery(c)
	p := registry.Precondition{Match: versions, Force: orZero(q.flag("force"))}
	return p, q.faults.Err(fault.MalformedRequest, badQuery)
}

// parseIfMatch reads If-Match (RFC 9110, section 13.1.1): `*`, or a list of entity
// tags. It accepts weak tags because proxies weaken tags.
func parseIfMatch(given []string) ([]int64, error) {
	if len(given) == 0 {
		return nil, nil
	}
	list := strings.TrimSpace(strings.Join(given, ","))
	if list == "*" {
		return nil, nil
	}
	versions, tags := []int64{}, 0
	// RFC 9110, section 5.6.1: empty list elements are passed over.
	for list = strings.TrimLeft(list, " \t,"); list != ""; list = strings.TrimLeft(list, " \t,") {
		element := entityTag.FindStringSubmatch(list)
		if element == nil {
			return nil, fault.New(fault.MalformedRequest, `If-Match is malformed; send the ETag of a response, such as "3".`)
		}
		list, tags = list[len(element[0]):], tags+1
		if version, err := strconv.ParseInt(element[1], 10, 64); err == nil && `"`+element[1]+`"` == etag(version) {
			versions = append(versions, version)
		}
	}
	if tags == 0 {
		return nil, fault.New(fault.MalformedRequest, `If-Match is empty; send the ETag of a response, such as "3".`)
	}
	return versions, nil
}

// entityTag is the first entity tag of a list (RFC 9110, section 8.8.3).
var entityTag = regexp.MustCompile(`^(?:W/)?"([^"]*)"[ \t]*(?:,|$)`)

func etag(version int64) string { return fmt.Sprintf(`"%d"`, version) }
