package provider

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The kinds of a form field.
const (
	kindSecret     = "secret"
	kindSecretJSON = "secret_json"
	kindText       = "text"
	kindURL        = "url"
)

// field is one setting of a type, as its tags describe it.
type field struct {
	FormField
	index     int    // in the Go struct
	rules     string // of the validator
	maxLength int    // in characters, or bytes for a secret_json; 0: no bound
	ascii     bool
	pattern   *regexp.Regexp // nil: any
	message   string         // about a value that does not match the pattern
}

// fieldsOf reads the tags of a settings struct whose fields are all of one
// type.
func fieldsOf(t, of reflect.Type) []field {
	fields := make([]field, t.NumField())
	for i := range fields {
		f := t.Field(i)
		if f.Type != of {
			panic(fmt.Sprintf("provider: field %s of %s is not a %s", f.Name, t, of))
		}
		fields[i] = fieldOf(i, f.Tag)
	}
	return fields
}

func fieldOf(index int, tag reflect.StructTag) field {
	f := field{
		FormField: FormField{
			Name: tag.Get("json"), Label: tag.Get("label"), Help: tag.Get("help"),
			Kind: tag.Get("kind"), Placeholder: tag.Get("placeholder"), Pattern: tag.Get("pattern"),
			Suggestions: strings.Fields(tag.Get("suggestions")),
		},
		index:   index,
		rules:   tag.Get("validate"),
		message: tag.Get("message"),
	}
	f.Group.Name, f.Group.Label, _ = strings.Cut(tag.Get("group"), ",")
	if !slices.Contains([]string{kindSecret, kindSecretJSON, kindText, kindURL}, f.Kind) {
		panic(fmt.Sprintf("provider: field %s has the unknown kind %q", f.Name, f.Kind))
	}
	if f.Pattern != "" {
		f.pattern = regexp.MustCompile(f.Pattern)
	}
	for rule := range strings.SplitSeq(f.rules, ",") {
		name, param, _ := strings.Cut(rule, "=")
		switch name {
		case "required":
			f.Required = true
		case "printascii":
			f.ascii = true
		case "max", "max_bytes":
			n, err := strconv.Atoi(param)
			if err != nil {
				panic(fmt.Sprintf("provider: field %s: %v", f.Name, err))
			}
			f.maxLength = n
		default:
			panic(fmt.Sprintf("provider: field %s has the unknown rule %q", f.Name, rule))
		}
	}
	return f
}

// schemaOf is the JSON Schema (draft 2020-12) of a settings object. Secrets are
// write-only strings of format `password`.
func schemaOf(title string, fields []field) map[string]any {
	properties := make(map[string]any, len(fields))
	var required []string
	for _, f := range fields {
		properties[f.Name] = f.schema()
		if f.Required {
			required = append(required, f.Name)
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

func (f field) schema() map[string]any {
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
	case f.Pattern != "":
		property["pattern"] = f.Pattern
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
