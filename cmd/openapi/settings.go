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

// settingsSchemas returns the schemas of the settings of the provider types: one
// for the credentials and one for the config of each type, and, for all types
// together, what a request to create and an edit may contain.
func settingsSchemas(types []provider.Type) (object, error) {
	schemas := object{}
	var names, goNames []any // goNames become constants of generated clients
	credentials := settings{edit: object{}, longest: map[string]int{}}
	config := settings{edit: object{}, longest: map[string]int{}}
	for _, t := range types {
		form := t.Form()
		names = append(names, form.Type)
		name := schemaName(form.Label)
		goNames = append(goNames, name)
		if schemas[name+"Config"] != nil {
			return nil, fmt.Errorf("two provider types have the schema %sConfig: give them labels that differ before the parenthesis", name)
		}
		schemas[name+"Credentials"] = credentials.add(form.Label, name+"Credentials", form.CredentialsSchema, form.Credentials)
		schemas[name+"Config"] = config.add(form.Label, name+"Config", form.ConfigSchema, form.Config)
	}
	merge(schemas, object{
		"ProviderTypeName":          object{"enum": names, "x-enum-varnames": goNames, "example": names[0]},
		"ProviderCredentials":       object{"anyOf": credentials.choices},
		"ProviderConfig":            object{"anyOf": config.choices},
		"ProviderCredentialsUpdate": object{"properties": credentials.edit},
		"ProviderConfigUpdate":      object{"properties": config.edit},
		"SecretText":                object{"maxLength": credentials.longest["secret"]},
		"SecretJSONText":            object{"maxLength": credentials.longest["secret_json"]},
	})
	return schemas, nil
}

// splitByType makes a schema with settings of any type a choice of one schema for
// each type. The field `type` tells them apart, so that generated clients refuse
// settings of another type.
func splitByType(schemas object, name string, types []provider.Type) {
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
			"credentials": annotate(refTo(typeName+"Credentials"), object{"description": "The credentials."}),
			"config":      annotate(refTo(typeName+"Config"), object{"description": "The config."}),
		})
		choice["properties"] = properties
		if at(schemas, typeName+"Config")["required"] != nil {
			choice["required"] = append(slices.Clone(whole["required"].([]string)), "config")
		}
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
// parenthesis.
func schemaName(label string) string {
	label, _, _ = strings.Cut(label, "(")
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, label)
}

// settings gathers the credentials or the configs of all provider types.
type settings struct {
	choices []any          // the schema of each type
	edit    object         // the fields of all types: an edit doesn't name the type
	longest map[string]int // maxLength of the longest field of each kind
}

// add adds the fields of a type and returns the schema of the type.
func (s *settings) add(label, name string, schema object, fields []provider.FormField) object {
	s.choices = append(s.choices, refTo(name))
	delete(schema, "$schema")
	schema["description"] = fmt.Sprintf("The %s.", schema["title"])
	for _, f := range fields {
		property := at(schema, "properties", f.Name)
		s.addToEdit(label, f, property)
		finishField(property, f)
	}
	return schema
}

// addToEdit adds a field to those of an edit. What another type has under the
// same name gets a description for both.
func (s *settings) addToEdit(label string, f provider.FormField, property object) {
	length, _ := property["maxLength"].(int)
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
	if f.Kind == "secret_json" {
		text := maps.Clone(property)
		text["type"] = "string"
		replace(property, object{"anyOf": []any{text, refTo("SecretObject")}})
	}
	merge(property, texts)
}

// cleaned tells why a secret is accepted that does not match its pattern.
const cleaned = "White space around the value, quotes around it and a leading `Bearer ` are removed before it is validated."

// fieldExample returns a value that is accepted, which the placeholder of a secret
// is not.
func fieldExample(f provider.FormField) string {
	example := "your-" + strings.ReplaceAll(f.Name, "_", "-")
	if strings.HasPrefix(f.Kind, "secret") {
		return example
	}
	return cmp.Or(f.Placeholder, example)
}
