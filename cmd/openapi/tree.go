package main

import (
	"maps"
	"slices"
	"strings"
)

// object is a JSON object of the description.
type object = map[string]any

// at descends into nested objects; nil where there is none.
func at(o object, path ...string) object {
	for _, key := range path {
		o, _ = o[key].(object)
	}
	return o
}

// set puts a value under a key of a nested object, and makes the objects on the
// way.
func set(o object, value any, path ...string) {
	for _, key := range path[:len(path)-1] {
		if at(o, key) == nil {
			o[key] = object{}
		}
		o = at(o, key)
	}
	o[path[len(path)-1]] = value
}

// merge lays b over a: objects are merged key by key, anything else replaced.
func merge(a, b object) {
	for key, value := range b {
		inner, both := value.(object)
		if both && at(a, key) != nil {
			merge(at(a, key), inner)
			continue
		}
		a[key] = value
	}
}

// replace makes o hold what b holds, and nothing else.
func replace(o, b object) {
	clear(o)
	maps.Copy(o, b)
}

func sortedKeys(o object) []string { return slices.Sorted(maps.Keys(o)) }

// list makes a JSON array.
func list[T any](values []T) []any {
	out := make([]any, len(values))
	for i, value := range values {
		out[i] = value
	}
	return out
}

const schemaPrefix = "#/components/schemas/"

func refTo(schema string) object { return object{"$ref": schemaPrefix + schema} }

// refOf returns the name of the schema that s refers to, or "".
func refOf(s object) string {
	ref, _ := s["$ref"].(string)
	return strings.TrimPrefix(ref, schemaPrefix)
}

// walk visits every schema under o, which is a part of the description that is
// not itself a schema. A schema is visited before what it holds.
func walk(o object, where string, visit func(where string, s object) error) error {
	for _, key := range sortedKeys(o) {
		here := where + "." + key
		inner, err := at(o, key), error(nil)
		switch {
		case key == "example" || key == "examples":
		case key == "schemas" && inner != nil:
			for _, name := range sortedKeys(inner) {
				if err := walkSchema(at(inner, name), name, visit); err != nil {
					return err
				}
			}
		case key == "schema" && inner != nil:
			err = walkSchema(inner, here, visit)
		case inner != nil:
			err = walk(inner, here, visit)
		default:
			list, _ := o[key].([]any)
			for _, element := range list {
				if inner, ok := element.(object); ok && err == nil {
					err = walk(inner, here, visit)
				}
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func walkSchema(s object, where string, visit func(where string, s object) error) error {
	if err := visit(where, s); err != nil {
		return err
	}
	for _, key := range sortedKeys(at(s, "properties")) {
		if err := walkSchema(at(s, "properties", key), where+"."+key, visit); err != nil {
			return err
		}
	}
	for _, key := range []string{"items", "additionalProperties"} {
		if inner := at(s, key); inner != nil {
			if err := walkSchema(inner, where+"."+key, visit); err != nil {
				return err
			}
		}
	}
	for _, key := range []string{"allOf", "anyOf", "oneOf"} {
		list, _ := s[key].([]any)
		for _, element := range list {
			if inner, ok := element.(object); ok {
				if err := walkSchema(inner, where+"."+key, visit); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// operation is one operation of the description.
type operation struct {
	path, method string
	object
}

func (o operation) String() string { return strings.ToUpper(o.method) + " " + o.path }

// operations returns every operation, ordered by path and method.
func operations(doc object) []operation {
	var all []operation
	paths := at(doc, "paths")
	for _, path := range sortedKeys(paths) {
		for _, method := range sortedKeys(at(paths, path)) {
			all = append(all, operation{path, method, at(paths, path, method)})
		}
	}
	return all
}
