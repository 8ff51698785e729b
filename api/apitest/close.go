package apitest

import (
	"fmt"
	"maps"
	"slices"
)

// closeObjects closes every object schema of a description that does not say which
// other fields it allows. The published schemas allow any other field, so a leaked
// one would pass.
func closeObjects(document map[string]any) error {
	c := closer{schemas: object(object(document["components"])["schemas"])}
	for _, name := range slices.Sorted(maps.Keys(c.schemas)) {
		if err := c.close(object(c.schemas[name])); err != nil {
			return fmt.Errorf("schema %s: %w", name, err)
		}
	}
	return c.closeWithin(document)
}

type closer struct{ schemas map[string]any }

// closeWithin closes the schemas of parameters, headers and bodies.
func (c closer) closeWithin(part any) error {
	if list, ok := part.([]any); ok {
		for _, element := range list {
			if err := c.closeWithin(element); err != nil {
				return err
			}
		}
	}
	for key, inner := range object(part) {
		var err error
		switch key {
		case "schemas", "example", "examples":
		case "schema":
			err = c.close(object(inner))
		default:
			err = c.closeWithin(inner)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c closer) close(s map[string]any) error {
	if s == nil {
		return nil
	}
	if s["allOf"] != nil {
		if err := c.mergeAllOf(s); err != nil {
			return err
		}
	}
	_, hasFields := s["properties"]
	_, said := s["additionalProperties"]
	choice := s["anyOf"] != nil || s["oneOf"] != nil
	switch {
	case hasFields && choice:
		return fmt.Errorf("an object with fields beside a choice can't be closed: %v", s)
	case !said && (hasFields || hasType(s, "object")) && !choice:
		s["additionalProperties"] = false
	}
	var inner []any
	for _, p := range object(s["properties"]) {
		inner = append(inner, p)
	}
	inner = append(inner, s["items"], s["additionalProperties"])
	for _, key := range []string{"anyOf", "oneOf"} {
		choices, _ := s[key].([]any)
		inner = append(inner, choices...)
	}
	for _, schema := range inner {
		if err := c.close(object(schema)); err != nil {
			return err
		}
	}
	return nil
}

// mergeAllOf merges several objects into one. If each were closed by itself, it would
// refuse the fields of the others.
func (c closer) mergeAllOf(s map[string]any) error {
	parts, _ := s["allOf"].([]any)
	delete(s, "allOf")
	fields, required := map[string]any{}, []any{}
	for _, part := range append(parts, maps.Clone(s)) {
		whole := object(part)
		for ref, ok := whole["$ref"].(string); ok; ref, ok = whole["$ref"].(string) {
			whole = object(c.schemas[ref[len(schemaPrefix):]])
		}
		whole = maps.Clone(whole)
		if whole["allOf"] != nil {
			if err := c.mergeAllOf(whole); err != nil {
				return err
			}
		}
		for key, value := range whole {
			switch key {
			case "properties":
				maps.Copy(fields, object(value))
			case "required":
				more, _ := value.([]any)
				required = append(required, more...)
			case "type", "description", "title", "example", "additionalProperties":
			default:
				return fmt.Errorf("allOf with %s can't be merged", key)
			}
		}
	}
	s["type"], s["properties"], s["required"] = "object", fields, required
	return nil
}
