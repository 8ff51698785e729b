package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"modelproviders/api/apitest"
	"modelproviders/docs"
)

// describedOperation is an operation as openapi.yaml describes it. One whose body
// is a choice by provider type is several: one for each type.
type describedOperation struct {
	typ              string // of the body; empty: any
	id, method, path string
	parameters       openapi3.Parameters
	body             *openapi3.Schema // nil: it takes none
	required         bool             // the body
	creates          bool             // answers 201
}

func describedOperations(t *testing.T) (operations []describedOperation) {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromData(docs.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range document.Paths.Map() {
		for method, described := range item.Operations() {
			op := describedOperation{id: described.OperationID, method: method, path: path}
			op.parameters = slices.Concat(item.Parameters, described.Parameters)
			op.creates = described.Responses.Status(http.StatusCreated) != nil
			if body := described.RequestBody; body != nil {
				op.body, op.required = body.Value.Content["application/json"].Schema.Value, body.Value.Required
			}
			operations = append(operations, op.byType()...)
		}
	}
	slices.SortFunc(operations, func(a, b describedOperation) int { return strings.Compare(a.id, b.id) })
	return operations
}

// byType returns an operation for each provider type that the body tells apart.
func (op describedOperation) byType() []describedOperation {
	if op.body == nil || op.body.Discriminator == nil {
		return []describedOperation{op}
	}
	var all []describedOperation
	for typ, ref := range op.body.Discriminator.Mapping {
		of := op
		of.typ = typ
		for _, choice := range op.body.OneOf {
			if choice.Ref == ref.Ref {
				of.body = choice.Value
			}
		}
		all = append(all, of)
	}
	return all
}

// example returns the example of the body, with the field that a bound is about.
func (op describedOperation) example(b bound) any {
	body := clone(op.body.Example)
	if b.in != "body" || len(b.at) == 0 {
		return body
	}
	name := b.at[0].(string)
	if _, has := get(body, place{name}); !has {
		body = set(body, place{name}, exampleOf(op.body.Properties[name].Value))
	}
	return body
}

// exampleOf returns a valid value of a schema, nil for none.
func exampleOf(s *openapi3.Schema) any {
	switch {
	case s.Example != nil:
		return clone(s.Example)
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Items != nil && exampleOf(s.Items.Value) != nil:
		return []any{exampleOf(s.Items.Value)}
	}
	return nil
}

// withFormats replaces the texts of some formats, such as ids.
func (op describedOperation) withFormats(body any, values map[string]string) any {
	return withFormats(op.body, body, values)
}

func withFormats(s *openapi3.Schema, value any, formats map[string]string) any {
	switch v := value.(type) {
	case string:
		if other := formats[s.Format]; other != "" {
			return other
		}
	case []any:
		for i := range v {
			if s.Items != nil {
				v[i] = withFormats(s.Items.Value, v[i], formats)
			}
		}
	case apitest.Object:
		for name, property := range s.Properties {
			if inner, ok := v[name]; ok {
				v[name] = withFormats(property.Value, inner, formats)
			}
		}
	}
	return value
}

// bound is a rule of openapi.yaml for a part of a request.
type bound struct {
	op     describedOperation
	in     string // body, path, query or header
	at     place  // empty: the whole body
	rule   string
	schema *openapi3.Schema
	title  string // of the schema of a provider type that it is part of, if any
	whole  place  // of the value that has several forms, if the bound is about one of them
	// prepare changes a valid body so that only this bound matters.
	prepare []func(body any) any
	valid   any // for a parameter
}

func (b bound) String() string { return fmt.Sprintf("%s %s %s", b.op.id, b.field(), b.rule) }

// field is the name of the field in errors.
func (b bound) field() string { return b.at.String() }

// ofSettings reports whether a bound is about one setting of a provider, or about those
// of a type.
func (b bound) ofSettings() bool {
	return (len(b.at) > 1 || b.title != "") && (b.at[0] == "credentials" || b.at[0] == "config")
}

// probes returns the probes of a bound, given a valid body.
func (b bound) probes(body any) []probe {
	valid := b.valid
	if b.in == "body" {
		valid, _ = get(body, b.at)
	}
	return boundRules[b.rule](b.schema, valid)
}

// bounds returns all bounds of what an operation takes.
func (op describedOperation) bounds() (all []bound) {
	for _, parameter := range op.parameters {
		p := parameter.Value
		b := bound{op: op, in: p.In, at: place{p.Name}, valid: p.Example}
		if b.valid == nil {
			b.valid = exampleOf(p.Schema.Value)
		}
		if p.Required && p.In != "path" {
			all = append(all, b.with("required", p.Schema.Value))
		}
		all = append(all, b.below(p.Schema.Value)...)
	}
	if op.body == nil {
		return all
	}
	b := bound{op: op, in: "body"}
	if op.required {
		all = append(all, b.with("required", op.body))
	}
	return append(all, b.below(op.body)...)
}

func (b bound) with(rule string, s *openapi3.Schema) bound {
	b.rule, b.schema = rule, s
	return b
}

func (b bound) prepared(f func(body any) any) bound {
	b.prepare = append(slices.Clone(b.prepare), f)
	return b
}

// below returns the bounds of a schema and its parts, for the value at b.at.
func (b bound) below(s *openapi3.Schema) (all []bound) {
	for _, rule := range slices.Sorted(maps.Keys(keywords(s))) {
		if boundRules[rule] != nil && rule != "required" {
			all = append(all, b.with(rule, s))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		property := b
		property.at = b.at.field(name)
		if slices.Contains(s.Required, name) {
			all = append(all, property.with("required", s.Properties[name].Value))
		}
		all = append(all, property.below(s.Properties[name].Value)...)
	}
	for name := range entryOf(s) {
		entry := b
		entry.at = b.at.field(name)
		all = append(all, entry.below(s.AdditionalProperties.Schema.Value)...)
	}
	if s.Items != nil {
		item := b.prepared(func(body any) any { // alone, so that it is no duplicate
			first, _ := get(body, b.at.index())
			return set(body, b.at, []any{first})
		})
		item.at = b.at.index()
		all = append(all, item.below(s.Items.Value)...)
	}
	for _, part := range s.AllOf {
		all = append(all, b.below(part.Value)...)
	}
	for _, choice := range slices.Concat(s.AnyOf, s.OneOf) {
		all = append(all, b.choose(choice.Value).below(choice.Value)...)
	}
	return all
}

// entryOf returns the example of an object whose fields may have any name.
func entryOf(s *openapi3.Schema) apitest.Object {
	if s.AdditionalProperties.Schema == nil {
		return nil
	}
	return s.Example.(apitest.Object)
}

// choose returns b for one of several schemas of a value. A schema with a title is
// a provider type's, and the sample has the settings of that type. For any other,
// the value is converted first.
func (b bound) choose(choice *openapi3.Schema) bound {
	if choice.Title != "" {
		b.title = choice.Title
		return b
	}
	b.whole = b.at
	return b.prepared(func(body any) any {
		present, _ := get(body, b.at)
		_, isText := present.(string)
		switch {
		case isText && choice.Type.Is("string"):
			return body
		case choice.Type.Is("string"): // a JSON object may be sent as its text
			text, err := json.Marshal(present)
			if err != nil {
				panic(err)
			}
			return set(body, b.at, string(text))
		}
		return set(body, b.at, exampleOf(choice))
	})
}

// keywords returns a schema as JSON.
func keywords(s *openapi3.Schema) map[string]any {
	text, err := s.MarshalJSON()
	if err != nil {
		panic(err)
	}
	var words map[string]any
	if err := json.Unmarshal(text, &words); err != nil {
		panic(err)
	}
	return words
}

// unknownRules returns the keywords in the schemas of the operation's requests that
// boundRules doesn't have and that set a rule.
func (op describedOperation) unknownRules() []string {
	known := []string{
		"type", "format", "title", "description", "example", "default", "deprecated", "$ref",
		"properties", "items", "additionalProperties", "allOf", "anyOf", "oneOf",
		"x-enum-varnames", // names of constants in generated clients
	}
	var unknown []string
	var look func(s *openapi3.SchemaRef)
	look = func(s *openapi3.SchemaRef) {
		if s == nil {
			return
		}
		for word := range keywords(s.Value) {
			if boundRules[word] == nil && !slices.Contains(known, word) {
				unknown = append(unknown, word)
			}
		}
		look(s.Value.Items)
		look(s.Value.PropertyNames)
		look(s.Value.AdditionalProperties.Schema)
		for _, part := range slices.Concat(slices.Collect(maps.Values(s.Value.Properties)), s.Value.AllOf, s.Value.AnyOf, s.Value.OneOf) {
			look(part)
		}
	}
	for _, p := range op.parameters {
		look(p.Value.Schema)
	}
	if op.body != nil {
		look(&openapi3.SchemaRef{Value: op.body})
	}
	return unknown
}
