package apitest

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"modelproviders/docs"
)

const (
	mediaJSON    = "application/json"
	mediaProblem = "application/problem+json"
	mediaEvents  = "text/event-stream"
)

// Checker checks exchanges against the description of the API, with every object
// closed, and records which documented answers occurred. It is safe for concurrent
// use.
type Checker struct {
	spec     *spec
	coverage coverage
}

// NewChecker makes a checker of the description that the program serves.
func NewChecker() (*Checker, error) {
	s, err := newSpec(docs.OpenAPI)
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	return &Checker{spec: s, coverage: coverage{reached: map[string]bool{}}}, nil
}

// exchange is one request with its response.
type exchange struct {
	method   string
	path     string // without the prefix under which the API is mounted
	query    url.Values
	instance string // the path as it was sent

	requestMedia string
	requestBody  []byte

	status int
	header http.Header
	media  string // of the response, without parameters
	body   []byte
}

// check returns how an exchange differs from its documentation. If the response is a
// stream of events, which has not arrived yet, it also returns their schema.
func (c *Checker) check(x *exchange) (events *jsonschema.Schema, err error) {
	op, known := c.spec.find(x.method, x.path)
	if op == nil {
		return nil, c.checkUndocumented(x, known)
	}
	answer := op.answers[x.status]
	if answer == nil {
		return nil, fmt.Errorf("%s does not document the status %d", op.id, x.status)
	}
	faults := []error{checkHeaders(answer, x.header)}
	events, err = c.checkAnswer(answer, x)
	faults = append(faults, err)
	if x.status < http.StatusMultipleChoices {
		faults = append(faults, checkQuery(op, x.query), checkRequest(op, x))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if x.method != http.MethodHead {
		c.coverage.reach(place(op, x.status, x.media))
	}
	return events, nil
}

// checkUndocumented accepts the answers that the description omits: problem documents
// for unknown paths and wrong methods, and answers to preflight requests of browsers.
func (c *Checker) checkUndocumented(x *exchange, known bool) error {
	if x.header.Get("X-Request-Id") == "" {
		return errors.New("the header X-Request-Id is missing")
	}
	want := http.StatusNotFound
	if known {
		want = http.StatusMethodNotAllowed
	}
	switch {
	case x.method == http.MethodOptions && x.status == http.StatusNoContent:
		return checkEmpty(x)
	case x.status != want && x.status != http.StatusForbidden:
		return fmt.Errorf("no documented operation answers this, so the status is %d, not %d", want, x.status)
	case x.status == http.StatusMethodNotAllowed && x.header.Get("Allow") == "":
		return errors.New("the header Allow is missing")
	case x.media != mediaProblem:
		return fmt.Errorf("this is no problem document, but %q", x.media)
	case x.method == http.MethodHead:
		return checkEmpty(x)
	}
	return c.checkProblem(c.spec.problem, x)
}

func checkHeaders(answer *answer, header http.Header) error {
	var faults []error
	for name, documented := range answer.headers {
		given := header.Values(name)
		switch {
		case len(given) == 0 && documented.required:
			faults = append(faults, fmt.Errorf("the documented header %s is missing", name))
		case len(given) > 1:
			faults = append(faults, fmt.Errorf("the header %s is given %d times", name, len(given)))
		case len(given) == 1:
			if err := documented.check(given[0]); err != nil {
				faults = append(faults, fmt.Errorf("header %s: %w", name, err))
			}
		}
	}
	return errors.Join(faults...)
}

func (c *Checker) checkAnswer(answer *answer, x *exchange) (events *jsonschema.Schema, err error) {
	if len(answer.content) == 0 {
		if x.media != "" {
			return nil, fmt.Errorf("the status %d has no body, but this is %s", x.status, x.media)
		}
		return nil, checkEmpty(x)
	}
	schema := answer.content[x.media]
	switch {
	case schema == nil:
		return nil, fmt.Errorf("the media type %q is not documented for the status %d", x.media, x.status)
	case x.method == http.MethodHead:
		return nil, checkEmpty(x)
	case x.media == mediaEvents:
		return schema, nil
	case x.media == mediaProblem:
		return nil, c.checkProblem(schema, x)
	}
	return nil, checkBody(schema, x.media, x.body, false)
}

func checkEmpty(x *exchange) error {
	if len(x.body) > 0 {
		return fmt.Errorf("there should be no body, but there are %d bytes", len(x.body))
	}
	return nil
}

// checkProblem checks a problem document, and that it matches the response.
func (c *Checker) checkProblem(schema *jsonschema.Schema, x *exchange) error {
	if err := checkBody(schema, mediaProblem, x.body, false); err != nil {
		return err
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(x.body))
	if err != nil {
		return err
	}
	for field, want := range map[string]any{"status": x.status, "request_id": x.header.Get("X-Request-Id"), "instance": x.instance} {
		if got := object(parsed)[field]; fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("the problem document says %s %v, but it is %v", field, got, want)
		}
	}
	faults, _ := object(parsed)["errors"].([]any)
	for _, fault := range faults {
		if message, _ := object(fault)["message"].(string); !fieldMessage.MatchString(message) {
			return fmt.Errorf("the message %q of a field is not of the form `must be …`", message)
		}
	}
	return nil
}

// fieldMessage matches messages of fields: they continue a sentence that begins with
// the name of the field.
var fieldMessage = regexp.MustCompile(`^(is|must|can't|would) `)

// checkQuery checks the query of a request that was accepted.
func checkQuery(op *operation, query url.Values) error {
	var faults []error
	for name, given := range query {
		parameter := op.query[name]
		if parameter == nil {
			faults = append(faults, fmt.Errorf("the query parameter %s was accepted, but is not documented", name))
			continue
		}
		if err := parameter.check(given[0]); err != nil {
			faults = append(faults, fmt.Errorf("the query parameter %s was accepted: %w", name, err))
		}
	}
	return errors.Join(faults...)
}

// checkRequest checks the body of a request that was accepted.
func checkRequest(op *operation, x *exchange) error {
	if len(x.requestBody) == 0 {
		if len(op.body) > 0 && !op.optional {
			return errors.New("a request without its body was accepted")
		}
		return nil
	}
	if len(op.body) == 0 {
		return nil // the service may ignore a body
	}
	schema := op.body[x.requestMedia]
	if schema == nil {
		return fmt.Errorf("a body of the media type %q was accepted, but is not documented", x.requestMedia)
	}
	if err := checkBody(schema, x.requestMedia, x.requestBody, true); err != nil {
		return fmt.Errorf("the body of the request was accepted: %w", err)
	}
	return nil
}

// checkBody checks a body against its schema. It first removes the white space around
// texts of a request, as the service does.
func checkBody(schema *jsonschema.Schema, media string, body []byte, trim bool) error {
	if !slices.Contains([]string{mediaJSON, mediaProblem, "application/merge-patch+json"}, media) {
		return schema.Validate(string(body))
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the body is no JSON: %w", err)
	}
	if trim {
		parsed = trimmed(parsed)
	}
	return schema.Validate(parsed)
}

func trimmed(v any) any {
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v)
	case []any:
		for i := range v {
			v[i] = trimmed(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = trimmed(v[key])
		}
	}
	return v
}

// mediaOf returns the media type in a header, without parameters. It returns "" if
// there is none, or the charset is not UTF-8.
func mediaOf(header http.Header) string {
	media, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	if charset, ok := parameters["charset"]; err != nil || ok && !strings.EqualFold(charset, "utf-8") {
		return ""
	}
	return media
}
