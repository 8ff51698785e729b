package main

import "cmp"

// sentBack describes a field of an edit that only the server sets. The field
// takes any type here; readOnly would make validators refuse an edit that contains
// it.
const sentBack = "Only the server sets this. An edit may contain the value that was read."

// finishSchemas adds to the schemas that swag made what swag can't express:
//
//   - the extension x-ref=Name of a field refers to a schema of base.yaml or of the
//     provider types. In an array, it is the schema of the elements, and each
//     value of an enumeration can occur once
//   - the extension x-nullable of a field allows null
//   - integers have 64 bits, which code generators don't assume
func finishSchemas(doc, shared object) {
	walk(doc, func(s object) {
		if s["uniqueItems"] == false {
			delete(s, "uniqueItems")
		}
		if s["type"] == "integer" {
			s["format"] = "int64"
		}
		nullable := s["x-nullable"] == true
		name, _ := s["x-ref"].(string)
		name = cmp.Or(name, refOf(s))
		delete(s, "x-nullable")
		delete(s, "x-ref")
		switch {
		case s["readOnly"] == true:
			replace(s, object{"description": sentBack})
		case s["type"] == "array" && name != "":
			s["items"] = refTo(name)
			if values, ok := at(shared, name)["enum"].([]any); ok {
				s["maxItems"] = len(values)
			}
		case nullable && name != "":
			replace(s, annotate(object{"oneOf": []any{refTo(name), object{"type": "null"}}}, s))
		case name != "":
			replace(s, annotate(refTo(name), s))
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
