package provider

// schemaOf is the JSON Schema (draft 2020-12) of a settings object. Secrets are
// strings of format `password` that are only ever written.
func schemaOf(title string, fields []field) map[string]any {
	properties := make(map[string]any, len(fields))
	required := make([]string, 0, len(fields))
	for _, f := range fields {
		properties[f.name] = propertyOf(f)
		if f.required {
			required = append(required, f.name)
		}
	}
	schema := map[string]any{
		"$schema":              "https://json-schema.org/draft/2020-12/schema",
		"title":                title,
		"type":                 "object",
		"properties":           properties,
		"additionalProperties": false,
	}
	if len(required) > 0 {
		schema["required"] = required
	}
	return schema
}

func propertyOf(f field) map[string]any {
	property := map[string]any{"type": "string", "title": f.label}
	if f.help != "" {
		property["description"] = f.help
	}
	if f.required {
		property["minLength"] = 1
	}
	if f.maxLength > 0 {
		property["maxLength"] = f.maxLength
	}
	switch {
	case f.pattern != nil:
		property["pattern"] = f.pattern.String()
	case f.ascii:
		property["pattern"] = "^[ -~]+$"
	}
	switch f.kind {
	case kindSecretJSON:
		property["type"] = []string{"string", "object"}
		fallthrough
	case kindSecret:
		property["format"] = "password"
		property["writeOnly"] = true
	case kindURL:
		property["format"] = "uri"
	}
	if f.placeholder != "" && property["writeOnly"] == nil {
		property["examples"] = []string{f.placeholder}
	}
	return property
}
