package main

import (
	"fmt"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"

	"modelproviders/pkg/provider"
)

// settingsSchemas makes the schemas of what the provider types need, from their
// forms: for each type one of its credentials and one of its config, and, for
// all types together, what a request to create and what an edit may hold. No
// type is named here.
func settingsSchemas(types []provider.Type) (object, error) {
	schemas := object{}
	var names, credentials, configs []any
	longestSecret := 0
	credentialsEdit, configEdit := edit{object{}, object{}}, edit{object{}, object{}}
	for _, t := range types {
		form := t.Form()
		names = append(names, form.Type)
		for _, part := range []struct {
			suffix, what string
			schema       map[string]any
			fields       []provider.FormField
			all          *[]any
		}{
			{"Credentials", "The credentials of a provider of the type ", form.CredentialsSchema, form.Credentials, &credentials},
			{"Config", "The config of a provider of the type ", form.ConfigSchema, form.Config, &configs},
		} {
			s, err := settingsSchema(part.schema, part.fields)
			if err != nil {
				return nil, fmt.Errorf("type %s: %w", form.Type, err)
			}
			name := schemaName(form.Label) + part.suffix
			if schemas[name] != nil {
				return nil, fmt.Errorf("two provider types would have the schema %s: give them labels that differ before the parenthesis", name)
			}
			s["description"] = part.what + "`" + form.Type + "`."
			schemas[name] = s
			*part.all = append(*part.all, refTo(name))
		}
		longestSecret = max(longestSecret, maxLength(at(schemas, schemaName(form.Label)+"Credentials")))
		credentialsEdit.addAll(form.Label, form.Credentials, credentialUpdate)
		configEdit.addAll(form.Label, form.Config, func(f provider.FormField) object {
			return configUpdate(f, at(schemas, schemaName(form.Label)+"Config", "properties", f.Name))
		})
	}
	merge(schemas, object{
		"ProviderTypeName":          object{"enum": names, "example": names[0]},
		"ProviderCredentials":       object{"description": "The credentials of a provider; which ones, its type says.", "anyOf": credentials},
		"ProviderConfig":            object{"description": "The config of a provider; which fields, its type says.", "anyOf": configs},
		"SecretText":                object{"maxLength": longestSecret},
		"ProviderCredentialsUpdate": credentialsEdit.schema("The credentials that an edit replaces; which ones there are, the provider's type says."),
		"ProviderConfigUpdate":      configEdit.schema("The fields of the config that an edit changes; which ones there are, the provider's type says."),
	})
	return schemas, nil
}

// schemaName makes a name of a label: letters and digits, up to a parenthesis.
func schemaName(label string) string {
	label, _, _ = strings.Cut(label, "(")
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, label)
}

// settingsSchema is the JSON Schema of settings as a component of the
// description.
func settingsSchema(schema map[string]any, fields []provider.FormField) (object, error) {
	s, err := plain(schema)
	if err != nil {
		return nil, err
	}
	delete(s, "$schema")
	for _, f := range fields {
		p := at(s, "properties", f.Name)
		if p == nil {
			return nil, fmt.Errorf("the schema has no field %s", f.Name)
		}
		finishField(p, f)
	}
	return s, nil
}

// plain makes generic JSON of a value.
func plain(value any) (object, error) {
	data, err := yaml.Marshal(value)
	if err != nil {
		return nil, err
	}
	var o object
	err = yaml.Unmarshal(data, &o)
	return o, err
}

// finishField describes a field for readers and generators of code. writeOnly
// goes: the schema is in requests alone, and generators make optional what has
// it. A choice of types becomes a choice of schemas, which they understand.
// Among the types an object is always that of a secret.
func finishField(p object, f provider.FormField) {
	delete(p, "writeOnly")
	delete(p, "examples")
	p["example"] = exampleOf(f)
	if p["description"] == nil {
		p["description"] = f.Label + "."
	}
	types, several := p["type"].([]any)
	if !several {
		return
	}
	rest := object{}
	for _, key := range []string{"description", "example", "title"} {
		if value, ok := p[key]; ok {
			rest[key] = value
			delete(p, key)
		}
	}
	var choices []any
	for _, t := range types {
		if t == "object" {
			choices = append(choices, refTo("SecretObject"))
			continue
		}
		choice := object{}
		merge(choice, p)
		choice["type"] = t
		choices = append(choices, choice)
	}
	rest["anyOf"] = choices
	replace(p, rest)
}

// exampleOf is an example value of a field.
func exampleOf(f provider.FormField) string {
	if f.Placeholder != "" {
		return f.Placeholder
	}
	return "your-" + strings.ReplaceAll(f.Name, "_", "-")
}

// edit gathers the fields of all types for edits, which don't say the type.
type edit struct{ properties, example object }

// add adds a field of a type, or, to a field that another type has too, what
// this type says of it. The example has the fields of the first type alone.
func (e *edit) add(label string, f provider.FormField, s object) {
	said := strings.TrimSpace(label + ": " + f.Help)
	if present := at(e.properties, f.Name); present != nil {
		if longest := max(maxLength(present), maxLength(s)); longest > 0 {
			present["maxLength"] = longest
		}
		present["description"] = fmt.Sprintf("%s %s", present["description"], said)
		return
	}
	s["description"] = said
	e.properties[f.Name] = s
}

func (e *edit) schema(description string) object {
	return object{
		"type": "object", "additionalProperties": false,
		"description": description, "properties": e.properties, "example": e.example,
	}
}

func (e *edit) addAll(label string, fields []provider.FormField, schemaOf func(provider.FormField) object) {
	for _, f := range fields {
		e.add(label, f, schemaOf(f))
	}
	if len(e.example) == 0 {
		for _, f := range fields {
			e.example[f.Name] = exampleOf(f)
		}
	}
}

// credentialUpdate is what an edit may say of a credential.
func credentialUpdate(f provider.FormField) object {
	if f.Kind == "secret_json" {
		return refTo("CredentialObjectUpdate")
	}
	return refTo("CredentialUpdate")
}

// configUpdate is what an edit may say of a field of the config; s is its schema
// for the type.
func configUpdate(f provider.FormField, s object) object {
	update := object{"type": "string", "example": exampleOf(f)}
	if longest := maxLength(s); longest > 0 {
		update["maxLength"] = longest
	}
	return update
}

// maxLength is how long the longest text may be that a schema takes; 0 where it
// does not say.
func maxLength(s object) int {
	longest, _ := s["maxLength"].(int)
	for _, inner := range at(s, "properties") {
		longest = max(longest, maxLength(inner.(object)))
	}
	choices, _ := s["anyOf"].([]any)
	for _, choice := range choices {
		longest = max(longest, maxLength(choice.(object)))
	}
	return longest
}
