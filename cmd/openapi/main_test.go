package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v4"
)

// made is the description as it is generated now; made once for all tests.
var made = sync.OnceValues(func() ([]byte, error) { return generate(bg, root) })

func description(t *testing.T) object {
	t.Helper()
	text, err := made()
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(text))
}

func parse(t *testing.T, text string) object {
	t.Helper()
	var doc object
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestDescriptionIsFresh(t *testing.T) {
	want, err := made()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range outputs() {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is stale: run go generate ./cmd/openapi", name)
		}
	}
}

func TestDescriptionLeavesNothingOfTheMachinery(t *testing.T) {
	text, err := made()
	if err != nil {
		t.Fatal(err)
	}
	for _, trace := range []string{"x-", "readOnly", "writeOnly", "uniqueItems: false", "summary: body"} {
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, trace) && line != "x-enum-varnames:" { // for generated clients
				t.Errorf("the description holds %q: %s", trace, line)
			}
		}
	}
}

// Everything has a description, every schema an example, and nothing is unused.
func TestDescriptionIsComplete(t *testing.T) {
	doc := description(t)
	schemas := at(doc, "components", "schemas")
	used := map[string]bool{"Problem": true}
	for _, op := range operations(doc) {
		collectSchemas(schemas, op.object, used)
		for _, key := range []string{"operationId", "summary", "tags"} {
			if op.object[key] == nil {
				t.Errorf("%s has no %s", op, key)
			}
		}
	}
	collectSchemas(schemas, schemas["Problem"], used)
	for name := range schemas {
		s := at(schemas, name)
		if !used[name] {
			t.Errorf("nothing uses the schema %s", name)
		}
		if s["description"] == nil || s["example"] == nil {
			t.Errorf("the schema %s has no description or no example", name)
		}
		for field, p := range at(s, "properties") {
			if p.(object)["description"] == nil {
				t.Errorf("the field %s of the schema %s has no description", field, name)
			}
			if exampleOf(schemas, p.(object)) == nil && p.(object)["description"] != sentBack {
				t.Errorf("the field %s of the schema %s has no example", field, name)
			}
		}
	}
}

func TestEveryOperationSaysWhatItCanAnswer(t *testing.T) {
	doc := description(t)
	for _, op := range operations(doc) {
		must := []string{"400", "403"}
		if service := op.object["tags"].([]any)[0] == "service"; !service {
			must = append(must, "401", "429", "500", "503")
		}
		if strings.Contains(op.path, "{") {
			must = append(must, "404")
		}
		if op.object["requestBody"] != nil {
			must = append(must, "413", "415", "422")
		}
		parameters, _ := op.object["parameters"].([]any)
		if slices.ContainsFunc(parameters, func(p any) bool { return p.(object)["name"] == "If-Match" }) {
			must = append(must, "412")
		}
		for _, status := range must {
			if at(op.object, "responses", status) == nil {
				t.Errorf("%s does not say that it can answer %s", op, status)
			}
		}
	}
}

func TestEveryAnswerCarriesARequestID(t *testing.T) {
	doc := description(t)
	for _, op := range operations(doc) {
		for status := range at(op.object, "responses") {
			response := at(op.object, "responses", status)
			if ref, ok := response["$ref"].(string); ok {
				response = at(doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
			}
			if at(response, "headers", "X-Request-Id") == nil || at(response, "headers", "Cache-Control") == nil {
				t.Errorf("%s %s: X-Request-Id or Cache-Control is not described", op, status)
			}
		}
	}
}

func TestGenerateOutsideAModuleFails(t *testing.T) {
	if _, err := generate(bg, t.TempDir()); err == nil {
		t.Error("a description was made of nothing")
	}
}

// operation is one operation of the description.
type operation struct {
	name, path string
	object
}

func (o operation) String() string { return o.name }

func operations(doc object) []operation {
	var all []operation
	for path, item := range at(doc, "paths") {
		for method := range item.(object) {
			all = append(all, operation{strings.ToUpper(method) + " " + path, path, at(item.(object), method)})
		}
	}
	return all
}
