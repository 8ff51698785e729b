package main

import (
	"maps"
	"strings"
)

// object is a JSON object of the description.
type object = map[string]any

// at descends into nested objects; it returns nil where there is none.
func at(o object, path ...string) object {
	for _, key := range path {
		o, _ = o[key].(object)
	}
	return o
}

// merge lays b over a: objects are merged key by key, anything else is replaced.
func merge(a, b object) {
	for key, value := range b {
		inner, isObject := value.(object)
		if isObject && at(a, key) != nil {
			merge(at(a, key), inner)
			continue
		}
		a[key] = value
	}
}

// replace makes o equal to b.
func replace(o, b object) {
	clear(o)
	maps.Copy(o, b)
}

// walk visits every object in a part of the description except examples. An
// object is visited before what it contains.
func walk(part any, visit func(object)) {
	switch part := part.(type) {
	case object:
		visit(part)
		for key, inner := range part {
			if key != "example" {
				walk(inner, visit)
			}
		}
	case []any:
		for _, element := range part {
			walk(element, visit)
		}
	}
}

const schemaPrefix = "#/components/schemas/"

func refTo(schema string) object { return object{"$ref": schemaPrefix + schema} }

// refOf returns the name of the schema that o refers to, or "".
func refOf(o object) string {
	ref, _ := o["$ref"].(string)
	name, isSchema := strings.CutPrefix(ref, schemaPrefix)
	if !isSchema {
		return ""
	}
	return name
}
