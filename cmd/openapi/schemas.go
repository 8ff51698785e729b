package main

import (
	"fmt"
)

// sentBack describes a field of an edit that only the server sets. The field
// takes any value because the server ignores it; readOnly would make validators
// refuse an edit that contains it.
const sentBack = "Only the server sets this. It is ignored in an edit."

// enumNames returns the names of the schemas that are enumerations, by their
// values.
func enumNames(schemas object) map[string]string {
	names := map[string]string{}
	for name := range schemas {
		if values, ok := at(schemas, name)["enum"]; ok {
			names[fmt.Sprint(values)] = name
		}
	}
	return names
}

// finishSchemas adds to the schemas that swag made what swag can't express:
//
//   - a field with the values of an enumeration of base.yaml refers to it, so that
//     generated clients have one type for it
//   - an array of an enumeration has at most one element for each value
//   - integers have 64 bits, which code generators don't assume
//   - the extension x-ref=Name of a field refers to the schema Name
//   - the extension x-nullable of a field allows null
func finishSchemas(doc object, enums map[string]string) {
	walk(doc, func(s object) {
		if s["uniqueItems"] == false {
			delete(s, "uniqueItems")
		}
		if choices, ok := at(s, "items")["enum"].([]any); ok {
			s["maxItems"] = len(choices)
		}
		if s["type"] == "integer" {
			s["format"] = "int64"
		}
		ref, _ := s["x-ref"].(string)
		if values, ok := s["enum"]; ok && ref == "" {
			ref = enums[fmt.Sprint(values)]
		}
		nullable := s["x-nullable"] == true
		delete(s, "x-nullable")
		if ref != "" {
			replace(s, annotate(refTo(ref), s))
		}
		switch {
		case s["readOnly"] == true:
			replace(s, object{"description": sentBack})
		case nullable && refOf(s) != "":
			replace(s, annotate(object{"oneOf": []any{refTo(refOf(s)), object{"type": "null"}}}, s))
		case nullable:
			s["type"] = []any{s["type"], "null"}
		}
	})
}

// annotate copies to s what of says for people.
func annotate(s, of object) object {
	for _, key := range []string{"description", "default", "example"} {
		if value, ok := of[key]; ok {
			s[key] = value
		}
	}
	return s
}

// closeRequests closes the objects that are only in requests, because the server
// refuses unknown fields. Answers stay open for new fields.
func closeRequests(doc object) {
	schemas := at(doc, "components", "schemas")
	sent, answered := map[string]bool{}, map[string]bool{}
	for _, item := range at(doc, "paths") {
		for _, op := range item.(object) {
			collectSchemas(schemas, op.(object)["requestBody"], sent)
			collectSchemas(schemas, op.(object)["responses"], answered)
		}
	}
	for name := range sent {
		s := at(schemas, name)
		if _, set := s["additionalProperties"]; !set && !answered[name] && s["type"] == "object" {
			s["additionalProperties"] = false
		}
	}
}

// collectSchemas adds the names of the schemas that a part of the description
// refers to, also through other schemas.
func collectSchemas(schemas object, part any, found map[string]bool) {
	walk(part, func(o object) {
		if name := refOf(o); name != "" && !found[name] {
			found[name] = true
			collectSchemas(schemas, schemas[name], found)
		}
	})
}

// addExamples adds to every schema without an example one made of the examples
// of its fields.
func addExamples(schemas object) {
	for name := range schemas {
		s := at(schemas, name)
		if example := exampleOf(schemas, s); example != nil {
			s["example"] = example
		}
	}
}

// exampleOf returns an example of a schema, or nil.
func exampleOf(schemas, s object) any {
	if example, ok := s["example"]; ok {
		return example
	}
	if name := refOf(s); name != "" {
		return exampleOf(schemas, at(schemas, name))
	}
	for _, key := range []string{"oneOf", "anyOf"} {
		if choices, ok := s[key].([]any); ok {
			return exampleOf(schemas, choices[0].(object))
		}
	}
	if s["type"] == "array" {
		if element := exampleOf(schemas, at(s, "items")); element != nil {
			return []any{element}
		}
		return nil
	}
	properties := at(s, "properties")
	if properties == nil {
		return nil
	}
	example := object{}
	for field := range properties {
		if value := exampleOf(schemas, at(properties, field)); value != nil {
			example[field] = value
		}
	}
	return example
}
