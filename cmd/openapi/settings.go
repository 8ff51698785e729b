package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"modelproviders/pkg/provider"
)

// settingsSchemas returns the schemas of the settings of the provider types: of each
// type, those of the credentials and of the config for each authentication method, and,
// for all types together, what a request to create and an edit may contain. choices has
// the references to the schemas of a type, by its name.
func settingsSchemas(types []*provider.Type) (schemas object, choices map[string]typeChoices, err error) {
	schemas, choices = object{}, map[string]typeChoices{}
	var names, goNames []any // goNames become constants of generated clients
	credentials := settings{schemas: schemas, suffix: "Credentials", edit: object{}, longest: map[string]int{}}
	config := settings{schemas: schemas, suffix: "Config", edit: object{}, longest: map[string]int{}}
	states := object{}
	for _, t := range types {
		form := t.Form()
		names = append(names, form.Type)
		name := schemaName(form.Label)
		goNames = append(goNames, name)
		if schemas[name+"Config"] != nil {
			return nil, nil, fmt.Errorf("two provider types have the schema %sConfig: give them labels that differ before the parenthesis", name)
		}
		choices[form.Type] = typeChoices{
			credentials: credentials.add(form, form.CredentialsSchema, form.Credentials),
			config:      config.add(form, form.ConfigSchema, form.Config),
		}
		for _, f := range form.Credentials {
			states[f.Name] = annotate(refTo("CredentialState"), object{"description": f.Label + "."})
			if f.Kind == provider.KindSecretMap {
				states[f.Name] = object{"type": "object", "description": f.Label + ", by name.", "example": object{}, "additionalProperties": refTo("CredentialState")}
			}
		}
	}
	merge(schemas, object{
		"ProviderTypeName":          object{"enum": names, "x-enum-varnames": goNames, "example": names[0]},
		"ProviderCredentials":       object{"anyOf": credentials.choices},
		"ProviderConfig":            object{"anyOf": config.choices},
		"ProviderCredentialStates":  object{"properties": states},
		"ProviderCredentialsUpdate": object{"properties": credentials.edit},
		"ProviderConfigUpdate":      object{"properties": config.edit},
		"SecretText":                object{"maxLength": credentials.longest["secret"]},
		"SecretJSONText":            object{"maxLength": credentials.longest["secret_json"]},
		"SecretMapText":             object{"maxLength": credentials.longest[provider.KindSecretMap]},
	})
	return schemas, choices, nil
}

// typeChoices are references to the schemas of a type, one for each authentication
// method, or one.
type typeChoices struct{ credentials, config []any }

// splitByType makes a schema with settings of any type a choice of one schema for
// each type. The field `type` tells them apart, so that generated clients refuse
// settings of another type.
func splitByType(schemas object, name string, types []*provider.Type, settings map[string]typeChoices) {
	whole := at(schemas, name)
	var choices []any
	mapping := object{}
	for _, t := range types {
		form := t.Form()
		typeName := schemaName(form.Label)
		choice := maps.Clone(whole)
		choice["description"] = fmt.Sprintf("A provider of the type %s to create.", form.Label)
		properties := maps.Clone(at(whole, "properties"))
		maps.Copy(properties, object{
			"type":        object{"type": "string", "enum": []any{form.Type}, "description": "The type.", "example": form.Type},
			"credentials": annotate(oneOf(settings[form.Type].credentials), object{"description": "The credentials."}),
			"config":      annotate(oneOf(settings[form.Type].config), object{"description": "The config."}),
		})
		choice["properties"] = properties
		required := slices.Clone(whole["required"].([]string))
		for field, refs := range map[string][]any{"credentials": settings[form.Type].credentials, "config": settings[form.Type].config} {
			optional := func(ref any) bool { return at(schemas, refOf(ref.(object)))["required"] == nil }
			if !slices.ContainsFunc(refs, optional) {
				required = append(required, field)
			}
		}
		slices.Sort(required)
		choice["required"] = required
		schemas[typeName+name] = choice
		choices = append(choices, refTo(typeName+name))
		mapping[form.Type] = schemaPrefix + typeName + name
	}
	replace(whole, object{
		"description":   whole["description"],
		"oneOf":         choices,
		"discriminator": object{"propertyName": "type", "mapping": mapping},
	})
}

// schemaName makes a name of the letters and digits of a label, up to a
// parenthesis. Each word begins with a capital letter.
func schemaName(label string) string {
	label, _, _ = strings.Cut(label, "(")
	words := strings.FieldsFunc(label, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for i, word := range words {
		words[i] = strings.ToUpper(word[:1]) + word[1:]
	}
	return strings.Join(words, "")
}

// oneOf is a choice of schemas, or the only one.
func oneOf(refs []any) object {
	if len(refs) == 1 {
		return maps.Clone(refs[0].(object))
	}
	return object{"oneOf": refs}
}

// settings gathers the credentials or the configs of all provider types.
type settings struct {
	schemas object         // to add to
	suffix  string         // of their names
	choices []any          // references to the schemas of all types
	edit    object         // the fields of all types: an edit doesn't name the type
	longest map[string]int // maxLength of the longest field of each kind
}

// add adds the schemas and the fields of a type. It returns references to the schemas:
// the first one is named after the type, and others after their authentication method,
// too.
func (s *settings) add(form provider.Form, schema object, fields []provider.FormField) []any {
	delete(schema, "$schema")
	choices, hasMethods := schema["oneOf"].([]object)
	if !hasMethods {
		choices = []object{schema}
	}
	var refs []any
	inEdit := map[string]bool{}
	for i, choice := range choices {
		name := schemaName(form.Label)
		if i > 0 {
			name += schemaName(form.AuthMethods[i].Label)
		}
		choice["description"] = fmt.Sprintf("The %s.", choice["title"])
		required, _ := choice["required"].([]string)
		for _, f := range fields {
			property := at(choice, "properties", f.Name)
			if property == nil {
				continue
			}
			if !inEdit[f.Name] {
				inEdit[f.Name] = true
				s.addToEdit(form.Label, f, property)
			}
			f.Required = slices.Contains(required, f.Name)
			finishField(property, f)
		}
		s.schemas[name+s.suffix] = choice
		refs = append(refs, refTo(name+s.suffix))
	}
	s.choices = append(s.choices, refs...)
	return refs
}

// addToEdit adds a field to those of an edit. What another type has under the
// same name gets a description for both.
func (s *settings) addToEdit(label string, f provider.FormField, property object) {
	length, _ := property["maxLength"].(int)
	if f.Kind == provider.KindSecretMap {
		length, _ = at(property, "additionalProperties")["maxLength"].(int)
	}
	s.longest[f.Kind] = max(s.longest[f.Kind], length)
	help := label + ": " + cmp.Or(f.Help, f.Label+".")
	edited := at(s.edit, f.Name)
	switch {
	case edited != nil:
		help = fmt.Sprintf("%s %s", edited["description"], help)
		keepShared(edited, property)
	case f.Kind == "secret_json":
		edited = refTo("CredentialObjectUpdate")
	case f.Kind == "secret":
		edited = refTo("CredentialUpdate")
	case f.Kind == provider.KindSecretMap:
		edited = maps.Clone(property)
		finishField(edited, f)
		edited["additionalProperties"] = refTo("SecretMapValueUpdate")
		help += " The complete list: entries that are not in it are removed. Null keeps the stored list."
	default:
		edited = maps.Clone(property)
		finishField(edited, f)
		delete(edited, "title")
	}
	edited["description"] = help
	s.edit[f.Name] = edited
}

// keepShared relaxes the rules of a field to those that another type's field of
// the same name has too.
func keepShared(edited, property object) {
	if before, _ := edited["maxLength"].(int); before > 0 {
		length, _ := property["maxLength"].(int)
		edited["maxLength"] = max(before, length)
	}
	for _, rule := range []string{"pattern", "format", "minLength"} {
		if edited[rule] != property[rule] {
			delete(edited, rule)
		}
	}
}

// finishField describes a field for readers and code generators. Generators make
// writeOnly fields optional, so writeOnly goes. They understand a choice of
// schemas, but not a choice of types.
func finishField(property object, f provider.FormField) {
	delete(property, "writeOnly")
	delete(property, "examples")
	delete(property, "title")
	delete(property, "description")
	texts := object{"title": f.Label, "description": cmp.Or(f.Help, f.Label+"."), "example": fieldExample(f)}
	if f.Kind == "secret" {
		texts["description"] = fmt.Sprintf("%s %s", texts["description"], cleaned)
	}
	switch {
	case f.Kind == provider.KindSecretMap:
		property["type"] = []string{"object", "null"}
		value := maps.Clone(at(property, "additionalProperties"))
		delete(value, "writeOnly")
		delete(value, "title")
		value["description"], value["example"] = "The value.", "your-value"
		property["additionalProperties"] = value
	case f.Kind == "secret_json":
		text := maps.Clone(property)
		text["type"] = "string"
		replace(property, object{"anyOf": []any{text, refTo("SecretObject")}})
	case f.Kind == "secret" && !f.Required:
		property["type"] = []string{"string", "null"}
	}
	merge(property, texts)
}

// cleaned tells why a secret is accepted that does not match its pattern.
const cleaned = "White space around the value, quotes around it and a leading `Bearer ` are removed before it is validated."

// fieldExample returns a value that is accepted, which the placeholder of a secret
// is not.
func fieldExample(f provider.FormField) any {
	example := "your-" + strings.ReplaceAll(f.Name, "_", "-")
	if f.Kind == provider.KindSecretMap {
		return object{f.Placeholder: "your-value"}
	}
	if strings.HasPrefix(f.Kind, "secret") {
		return example
	}
	return cmp.Or(f.Placeholder, example)
}
