package apitest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// eventChecker checks server-sent events (WHATWG HTML, section 9.2) as their
// bytes arrive: each against the schema, with its data parsed, and that a
// `result`, the `summary` of several results, or an `error` comes last. A stream whose
// events have ids has no last event.
type eventChecker struct {
	schema  *jsonschema.Schema
	partial []byte // of a line
	event   string
	id      string
	data    []string
	resumes bool // an event had an id
	last    bool // the event that ends the stream was seen
	err     error
}

// Write takes the next bytes. What was wrong with any of them stays the error.
func (c *eventChecker) Write(p []byte) (int, error) {
	c.partial = append(c.partial, p...)
	for c.err == nil {
		line, rest, whole := bytes.Cut(c.partial, []byte("\n"))
		if !whole {
			break
		}
		c.partial = rest
		c.err = c.line(string(line))
	}
	return len(p), c.err
}

func (c *eventChecker) line(line string) error {
	field, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch {
	case line == "":
		return c.dispatch()
	case field == "": // a comment
	case field == "event":
		c.event = value
	case field == "id":
		c.id, c.resumes = value, true
	case field == "data":
		c.data = append(c.data, value)
	default:
		return fmt.Errorf("the stream has the undocumented line %q", line)
	}
	return nil
}

func (c *eventChecker) dispatch() error {
	if c.event == "" && len(c.data) == 0 {
		c.id = "" // which is told alone
		return nil
	}
	if c.last {
		return fmt.Errorf("an event %q comes after the last one", c.event)
	}
	data, err := jsonschema.UnmarshalJSON(strings.NewReader(strings.Join(c.data, "\n")))
	if err != nil {
		return fmt.Errorf("the data of an event %q is no JSON: %w", c.event, err)
	}
	parsed := map[string]any{"event": c.event, "data": data}
	if c.id != "" {
		parsed["id"] = c.id
	}
	if err := c.schema.Validate(parsed); err != nil {
		return fmt.Errorf("event %q: %w", c.event, err)
	}
	_, several := object(data)["id"] // a result of several, which a summary follows
	c.last = c.event == "result" && !several || c.event == "summary" || c.event == "error"
	c.event, c.id, c.data = "", "", nil
	return nil
}

// end is called when the stream has ended by itself.
func (c *eventChecker) end() error {
	switch {
	case c.err != nil:
	case len(c.partial) > 0 || c.event != "" || len(c.data) > 0:
		c.err = errors.New("the stream ends within an event")
	case !c.last && !c.resumes:
		c.err = errors.New("the stream ends without a result or an error")
	}
	return c.err
}
