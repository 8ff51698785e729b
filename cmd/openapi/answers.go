package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

const (
	mediaJSON       = "application/json"
	mediaMergePatch = "application/merge-patch+json"
	mediaProblem    = "application/problem+json"
	mediaEvents     = "text/event-stream"
)

// describeParameters gives an id that has none an example, and says of each
// operation without a security requirement that it has none.
func describeParameters(doc object) error {
	for _, op := range operations(doc) {
		if op.object["security"] == nil {
			op.object["security"] = []any{}
		}
		parameters, _ := op.object["parameters"].([]any)
		for _, parameter := range parameters {
			p := parameter.(object)
			if p["example"] == nil && at(p, "schema")["format"] == "uuid" {
				p["example"] = "0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10"
			}
		}
	}
	return nil
}

// describeRequests gives every media type of a body the schema of its JSON:
// swag takes any but the first for text.
func describeRequests(doc object) error {
	for _, op := range operations(doc) {
		content := at(op.object, "requestBody", "content")
		if content == nil {
			continue
		}
		name := refOf(at(content, mediaJSON, "schema"))
		if name == "" {
			return fmt.Errorf("%s: the body names no schema", op)
		}
		for media := range content {
			content[media] = object{"schema": refTo(name)}
		}
		if _, ok := content[mediaMergePatch]; ok != (op.method == "patch") {
			return fmt.Errorf("%s: edits, and nothing else, take %s", op, mediaMergePatch)
		}
	}
	return nil
}

// describeEvents does what the annotation
//
//	@x-event-stream {"Union": {"event": "Schema of its data", …}}
//
// asks for: an operation can answer server-sent events too, of the schema Union,
// which is one of a schema for each event, with its name and its data.
func describeEvents(doc object) error {
	schemas := at(doc, "components", "schemas")
	for _, op := range operations(doc) {
		responses := at(op.object, "responses")
		unions := at(responses, "x-event-stream")
		delete(responses, "x-event-stream")
		for union := range unions {
			set(responses, refTo(union), "200", "content", mediaEvents, "schema")
			var choices []any
			mapping := object{}
			for _, event := range sortedKeys(at(unions, union)) {
				data, _ := at(unions, union)[event].(string)
				if at(schemas, data) == nil {
					return fmt.Errorf("%s: the event %s has the unknown schema %q", op, event, data)
				}
				name := strings.TrimSuffix(union, "Event") + strings.ToUpper(event[:1]) + event[1:] + "Event"
				schemas[name] = object{
					"type": "object", "required": []any{"event", "data"},
					"description": "The event `" + event + "` of a stream.",
					"properties": object{
						"event": object{"type": "string", "const": event, "description": "The name of the event.", "example": event},
						"data":  object{"$ref": schemaPrefix + data, "description": "The data of the event, parsed."},
					},
				}
				choices = append(choices, refTo(name))
				mapping[event] = schemaPrefix + name
			}
			merge(schemas, object{union: object{
				"oneOf":         choices,
				"discriminator": object{"propertyName": "event", "mapping": mapping},
			}})
		}
	}
	return nil
}

// describeAnswers gives every answer its headers, and makes those that are
// problems the shared ones of base.yaml.
func describeAnswers(doc object) error {
	shared := at(doc, "components", "responses")
	for name := range shared {
		set(shared, object{mediaProblem: object{"schema": refTo("Problem")}}, name, "content")
		addHeaders(doc, at(shared, name))
	}
	used := map[string]bool{}
	for _, op := range operations(doc) {
		responses := at(op.object, "responses")
		for _, status := range sortedKeys(responses) {
			code, err := strconv.Atoi(status)
			if err != nil {
				return fmt.Errorf("%s: the answer %q is no status", op, status)
			}
			if code < http.StatusBadRequest {
				addHeaders(doc, at(responses, status))
				continue
			}
			name := sharedAnswer(op, code)
			if at(shared, name) == nil {
				return fmt.Errorf("%s: base.yaml has no answer %s", op, name)
			}
			used[name] = true
			responses[status] = object{"$ref": "#/components/responses/" + name}
		}
	}
	for name := range shared {
		if !used[name] {
			return fmt.Errorf("base.yaml: nothing answers %s", name)
		}
	}
	return nil
}

// sharedAnswer names the answer of a status. That of an edit's wrong media type
// says which are right.
func sharedAnswer(op operation, code int) string {
	name := strings.ReplaceAll(http.StatusText(code), " ", "")
	if code == http.StatusUnsupportedMediaType && op.method == "patch" {
		return name + "OfPatch"
	}
	return name
}

// addHeaders adds the headers that every response carries, and refers to the
// shared description of those that an annotation names.
func addHeaders(doc object, response object) {
	for name := range at(response, "headers") {
		if at(doc, "components", "headers", name) != nil {
			set(response, object{"$ref": "#/components/headers/" + name}, "headers", name)
		}
	}
	caching := "CacheControl"
	if carriesSecret(doc, response) {
		caching = "CacheControlOfSecret"
	}
	set(response, object{"$ref": "#/components/headers/RequestId"}, "headers", "X-Request-Id")
	set(response, object{"$ref": "#/components/headers/" + caching}, "headers", "Cache-Control")
}

// carriesSecret tells whether an answer has a field of format password.
func carriesSecret(doc, response object) bool {
	answer := at(doc, "components", "schemas", refOf(at(response, "content", mediaJSON, "schema")))
	for field := range at(answer, "properties") {
		if at(answer, "properties", field)["format"] == "password" {
			return true
		}
	}
	return false
}
