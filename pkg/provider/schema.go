package provider

import "slices"

// schemaOf is the JSON Schema (draft 2020-12) of a settings object. Secrets are
// write-only strings of format `password`. It is a choice of one schema for each
// authentication method if the fields that a method requires tell which one is used.
func schemaOf(title string, fields []field, methods []AuthMethod) map[string]any {
	schema := map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   title,
		"type":    "object",
	}
	if !tellApart(fields, methods) {
		addFields(schema, fields)
		return schema
	}
	var choices []map[string]any
	for _, m := range methods {
		choice := map[string]any{"title": title + ", " + m.Label, "type": "object"}
		var own []field
		for _, f := range fields {
			if f.isFor(m.Name) {
				f.AuthMethod = "" // required
				own = append(own, f)
			}
		}
		addFields(choice, own)
		choices = append(choices, choice)
	}
	schema["oneOf"] = choices
	return schema
}

// tellApart reports whether the fields that a method requires are missing in all
// others: at most one method requires none of its own.
func tellApart(fields []field, methods []AuthMethod) bool {
	requiring := map[string]bool{}
	for _, f := range fields {
		if f.Required && f.AuthMethod != "" {
			requiring[f.AuthMethod] = true
		}
	}
	return len(requiring) > 0 && len(requiring) >= len(methods)-1
}

func addFields(schema map[string]any, fields []field) {
	properties := make(map[string]any, len(fields))
	needs := map[string]any{}
	var required []string
	for _, f := range fields {
		f.Required = f.Required && f.AuthMethod == ""
		properties[f.Name] = f.schema()
		if f.Required {
			required = append(required, f.Name)
		}
		if slices.ContainsFunc(fields, func(needed field) bool { return needed.Name == f.Needs }) {
			needs[f.Name] = []string{f.Needs}
		}
	}
	schema["properties"], schema["additionalProperties"] = properties, false
	if len(required) > 0 {
		schema["required"] = required
	}
	if len(needs) > 0 {
		schema["dependentRequired"] = needs
	}
}

func (f field) schema() map[string]any {
	if f.Kind == KindSecretMap {
		return f.mapSchema()
	}
	property := map[string]any{"type": "string", "title": f.Label}
	if f.Help != "" {
		property["description"] = f.Help
	}
	if f.Required {
		property["minLength"] = 1
	}
	if f.maxLength > 0 {
		property["maxLength"] = f.maxLength
	}
	switch {
	case f.Pattern != "" && !f.Required:
		property["pattern"] = "^$|" + f.Pattern
	case f.Pattern != "":
		property["pattern"] = f.Pattern
	case f.ascii && !f.Required:
		property["pattern"] = "^[ -~]*$"
	case f.ascii:
		property["pattern"] = "^[ -~]+$"
	}
	switch f.Kind {
	case kindSecretJSON:
		property["type"] = []string{"string", "object"}
		fallthrough
	case kindSecret:
		property["format"] = "password"
		property["writeOnly"] = true
		return property
	case kindURL:
		property["format"] = "uri"
	}
	switch {
	case len(f.Suggestions) > 0:
		property["examples"] = f.Suggestions
	case f.Placeholder != "":
		property["examples"] = []string{f.Placeholder}
	}
	return property
}
