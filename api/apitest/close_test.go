package apitest

import (
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const smallSpec = `
openapi: 3.1.0
info: {title: t, version: "1"}
paths: {}
components:
  schemas:
    Problem: {type: object, properties: {title: {type: string}}}
    Base: {type: object, required: [id], properties: {id: {type: string}}}
    Both: {allOf: [{$ref: '#/components/schemas/Base'}, {properties: {name: {type: string}}}]}
    Maybe: {oneOf: [{$ref: '#/components/schemas/Base'}, {type: 'null'}]}
    List: {type: array, items: {type: object, properties: {a: {type: [object, 'null'], properties: {b: {}}}}}}
    Map: {type: object, additionalProperties: {type: object, properties: {a: {}}}}
    Open: {type: object, additionalProperties: true, properties: {a: {}}}
    Empty: {type: object}
`

func TestObjectsAreClosed(t *testing.T) {
	t.Parallel()
	s, err := newSpec([]byte(smallSpec))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		schema, value string
		passes        bool
	}{
		{"Base", `{"id":"x"}`, true},
		{"Base", `{"id":"x","more":1}`, false},
		{"Both", `{"id":"x","name":"n"}`, true},
		{"Both", `{"name":"n"}`, false},
		{"Both", `{"id":"x","name":"n","more":1}`, false},
		{"Maybe", `null`, true},
		{"Maybe", `{"id":"x","more":1}`, false},
		{"List", `[{"a":{"b":1}},{"a":null}]`, true},
		{"List", `[{"more":1}]`, false},
		{"List", `[{"a":{"more":1}}]`, false},
		{"Map", `{"any":{"a":1}}`, true},
		{"Map", `{"any":{"more":1}}`, false},
		{"Open", `{"a":1,"more":1}`, true},
		{"Empty", `{}`, true},
		{"Empty", `{"more":1}`, false},
	} {
		schema, err := s.compile(schemaPrefix + test.schema)
		if err != nil {
			t.Fatal(err)
		}
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(test.value))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); (err == nil) != test.passes {
			t.Errorf("%s with %s: %v", test.schema, test.value, err)
		}
	}
}

func TestWhatCannotBeClosedIsRefused(t *testing.T) {
	t.Parallel()
	for _, schema := range []string{
		`{type: object, properties: {a: {}}, anyOf: [{required: [a]}]}`,
		`{allOf: [{$ref: '#/components/schemas/Base'}, {if: {}}]}`,
	} {
		if _, err := newSpec([]byte(smallSpec + "    Odd: " + schema + "\n")); err == nil {
			t.Errorf("%s is taken as closed", schema)
		}
	}
}
