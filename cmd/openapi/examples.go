package main

// giveExamples gives every schema that has none an example, made of those of
// its fields.
func giveExamples(doc object) error {
	schemas := at(doc, "components", "schemas")
	for _, name := range sortedKeys(schemas) {
		if s := at(schemas, name); s["example"] == nil {
			if example := sample(schemas, s); example != nil {
				s["example"] = example
			}
		}
	}
	return nil
}

// sample returns an example of a schema, nil when nothing makes one.
func sample(schemas, s object) any {
	if example, ok := s["example"]; ok {
		return example
	}
	if name := refOf(s); name != "" {
		return sample(schemas, at(schemas, name))
	}
	for _, key := range []string{"oneOf", "anyOf"} {
		if choices, ok := s[key].([]any); ok && len(choices) > 0 {
			return sample(schemas, choices[0].(object))
		}
	}
	if value, ok := s["const"]; ok {
		return value
	}
	switch s["type"] {
	case "array":
		if element := sample(schemas, at(s, "items")); element != nil {
			return []any{element}
		}
	case "object":
		return sampleObject(schemas, s)
	}
	return nil
}

// sampleObject leaves out what a client has no reason to send.
func sampleObject(schemas, s object) any {
	if s["properties"] == nil && s["additionalProperties"] != false {
		return nil
	}
	example := object{}
	for field := range at(s, "properties") {
		p := at(s, "properties", field)
		if value := sample(schemas, p); value != nil && p["description"] != sentBack {
			example[field] = value
		}
	}
	return example
}
