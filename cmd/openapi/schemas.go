package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// applyShapes adds what the structs of package api say beyond what swag reads.
func applyShapes(doc object, shapes map[string]shape) error {
	schemas := at(doc, "components", "schemas")
	for name, shape := range shapes {
		s := at(schemas, name)
		if s == nil {
			return fmt.Errorf("the schema %s is named in package api, but no operation uses it", name)
		}
		if s["description"] == nil && shape.description != "" {
			s["description"] = shape.description
		}
		if len(shape.required) > 0 {
			s["required"] = list(slices.Sorted(slices.Values(shape.required)))
		}
	}
	return nil
}

// resolveReferences does what the extensions in the tags of package api ask for,
// and takes back what swag says of no meaning:
//
//	x-ref=Name  the schema Name, which swag can't make
//	x-nullable  may be null too
func resolveReferences(doc object) error {
	schemas := at(doc, "components", "schemas")
	return walk(doc, "", func(where string, s object) error {
		if name, ok := s["x-ref"].(string); ok {
			if at(schemas, name) == nil {
				return fmt.Errorf("%s: x-ref names the unknown schema %s", where, name)
			}
			replace(s, annotate(refTo(name), s))
		}
		if s["x-nullable"] == true {
			delete(s, "x-nullable")
			makeNullable(s)
		}
		if s["uniqueItems"] == false {
			delete(s, "uniqueItems")
		}
		if open := at(s, "additionalProperties"); open != nil && len(open) == 0 {
			s["additionalProperties"] = true
		}
		return nil
	})
}

// annotate puts what of says for people beside the keywords of s.
func annotate(s, of object) object {
	for _, key := range []string{"description", "default", "example"} {
		if value, ok := of[key]; ok {
			s[key] = value
		}
	}
	return s
}

// makeNullable lets a schema be null too, as JSON Schema 2020-12 has it.
func makeNullable(s object) {
	if name := refOf(s); name != "" {
		replace(s, annotate(object{"oneOf": []any{refTo(name), object{"type": "null"}}}, s))
		return
	}
	if values, ok := s["enum"]; ok { // null would have to be one of them
		replace(s, annotate(object{"oneOf": []any{object{"type": s["type"], "enum": values}, object{"type": "null"}}}, s))
		return
	}
	s["type"] = []any{s["type"], "null"}
}

// enumNames returns the schemas of base.yaml that are enumerations, by their
// values.
func enumNames(base object) map[string]string {
	names := map[string]string{}
	schemas := at(base, "components", "schemas")
	for _, name := range sortedKeys(schemas) {
		if values, ok := at(schemas, name)["enum"]; ok {
			names[fmt.Sprint(values)] = name
		}
	}
	return names
}

// shareEnums refers to one schema where several fields take the same values, so
// that a client gets one type for them.
func shareEnums(doc object, names map[string]string) error {
	return walk(doc, "", func(where string, s object) error {
		values, ok := s["enum"]
		if name, shared := names[fmt.Sprint(values)]; ok && shared && where != name {
			replace(s, annotate(refTo(name), s))
		}
		return nil
	})
}

// describeIntegers says how many bits an integer may need. Generators of code
// take 32 where nothing is said.
func describeIntegers(doc object) error {
	return walk(doc, "", func(_ string, s object) error {
		if types, _ := s["type"].([]any); s["type"] == "integer" || slices.Contains(types, any("integer")) {
			s["format"] = "int64"
		}
		return nil
	})
}

// boundChoices says how long a list of choices may be: as long as there are
// choices, because none is taken twice.
func boundChoices(doc object) error {
	schemas := at(doc, "components", "schemas")
	return walk(doc, "", func(_ string, s object) error {
		items := at(s, "items")
		if name := refOf(items); name != "" {
			items = at(schemas, name)
		}
		if choices, ok := items["enum"].([]any); ok {
			s["maxItems"] = len(choices)
		}
		return nil
	})
}

// sentBack describes a field of an edit that only the server sets. It takes any
// value, because the server doesn't look at it; readOnly would have validators
// refuse an edit that holds it.
const sentBack = "Only the server sets this. Sent back in an edit, it is passed over."

// describeSentBack opens the fields of edits that only the server sets. Their
// example is the one of the shape that is edited: of Provider for ProviderUpdate.
func describeSentBack(doc object) error {
	schemas := at(doc, "components", "schemas")
	return walk(doc, "", func(where string, s object) error {
		if s["readOnly"] != true {
			return nil
		}
		schema, field, _ := strings.Cut(where, ".")
		edited, _, _ := strings.Cut(schema, "Update")
		answered := at(schemas, edited, "properties", field)
		if answered == nil {
			return fmt.Errorf("%s is readonly, but %s has no such field", where, edited)
		}
		replace(s, object{"description": sentBack, "example": sample(schemas, answered)})
		return nil
	})
}

// closeRequests closes the objects that are in requests alone: the server
// refuses a field that it does not know. Answers stay open, for fields to come.
func closeRequests(doc object) error {
	sent, answered := map[string]bool{}, map[string]bool{}
	for _, op := range operations(doc) {
		reach(doc, at(op.object, "requestBody"), sent)
		reach(doc, at(op.object, "responses"), answered)
	}
	for name, s := range at(doc, "components", "schemas") {
		s := s.(object)
		if _, said := s["additionalProperties"]; sent[name] && !answered[name] && s["type"] == "object" && !said {
			s["additionalProperties"] = false
		}
	}
	return nil
}

// reach notes the names of the schemas that a part of the description leads to,
// through responses and headers as well.
func reach(doc object, part any, reached map[string]bool) {
	switch part := part.(type) {
	case []any:
		for _, element := range part {
			reach(doc, element, reached)
		}
	case object:
		if ref, ok := part["$ref"].(string); ok {
			name, isSchema := strings.CutPrefix(ref, schemaPrefix)
			if isSchema && reached[name] {
				return
			}
			if isSchema {
				reached[name] = true
			}
			reach(doc, at(doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...), reached)
		}
		for key, inner := range part {
			if key != "example" {
				reach(doc, inner, reached)
			}
		}
	}
}

// checkComplete refuses a description in which an operation or a field is left
// undescribed, or that holds a schema that nothing uses.
func checkComplete(doc object) error {
	var faults []error
	used := map[string]bool{}
	reach(doc, at(doc, "paths"), used)
	schemas := at(doc, "components", "schemas")
	for _, name := range sortedKeys(schemas) {
		s := at(schemas, name)
		if !used[name] {
			faults = append(faults, fmt.Errorf("schema %s is used by nothing", name))
		}
		if s["description"] == nil || s["example"] == nil {
			faults = append(faults, fmt.Errorf("schema %s has no description or no example", name))
		}
		for _, field := range sortedKeys(at(s, "properties")) {
			p := at(s, "properties", field)
			if p["description"] == nil || sample(schemas, p) == nil {
				faults = append(faults, fmt.Errorf("field %s of schema %s has no description or no example", field, name))
			}
		}
	}
	for _, op := range operations(doc) {
		for _, key := range []string{"operationId", "summary", "description", "tags"} {
			if op.object[key] == nil {
				faults = append(faults, fmt.Errorf("%s has no %s", op, key))
			}
		}
	}
	return errors.Join(faults...)
}
