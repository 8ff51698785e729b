package apitest

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"
)

// spec is the description of the API, ready to check exchanges against. Every
// object in it is closed: what the description does not name is a leak.
type spec struct {
	document map[string]any
	requests *jsonschema.Compiler // of what clients send: any valid time or id will do
	compiler *jsonschema.Compiler // of what the service answers

	operations []*operation
	problem    *jsonschema.Schema
}

// operation is one documented operation.
type operation struct {
	id       string
	method   string
	segments []string // of its path; `{name}` stands for any
	query    map[string]*value
	body     map[string]*jsonschema.Schema // by media type; empty: it takes none
	optional bool                          // the body
	answers  map[int]*answer
}

// answer is what an operation documents for one status.
type answer struct {
	content map[string]*jsonschema.Schema // by media type; empty: no body
	headers map[string]*value
}

// value is a documented query parameter or header.
type value struct {
	required bool
	typ      string // of JSON
	schema   *jsonschema.Schema
}

// check tells whether the text of a parameter or header is a value of the
// documented type and schema.
func (v *value) check(text string) error {
	var instance any = text
	switch v.typ {
	case "integer", "number":
		number, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("%q is no number", text)
		}
		instance = number
	case "boolean":
		truth, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		instance = truth
	}
	return v.schema.Validate(instance)
}

// newSpec reads a description, in YAML, and closes its objects.
func newSpec(description []byte) (*spec, error) {
	asJSON, err := yaml.YAMLToJSON(description)
	if err != nil {
		return nil, err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		return nil, err
	}
	s := &spec{document: document.(map[string]any), requests: jsonschema.NewCompiler(), compiler: jsonschema.NewCompiler()}
	if err := closeObjects(s.document); err != nil {
		return nil, err
	}
	for _, format := range formats() {
		s.compiler.RegisterFormat(format)
	}
	for _, compiler := range []*jsonschema.Compiler{s.requests, s.compiler} {
		compiler.DefaultDraft(jsonschema.Draft2020)
		compiler.AssertFormat()
		if err := compiler.AddResource(resource, document); err != nil {
			return nil, err
		}
	}
	if s.problem, err = s.compile(schemaPrefix + "Problem"); err != nil {
		return nil, err
	}
	for path, item := range object(s.document["paths"]) {
		for method := range object(item) {
			op, err := s.operation(path, method)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
			s.operations = append(s.operations, op)
		}
	}
	return s, nil
}

const (
	resource     = "mem:///openapi.yaml"
	schemaPrefix = "#/components/schemas/"
)

// compile makes a schema of the part of the description that a JSON pointer, as
// a fragment, leads to.
func (s *spec) compile(pointer string) (*jsonschema.Schema, error) {
	return s.compiler.Compile(resource + pointer)
}

// resolve follows the references of a part of the description to where it is.
func (s *spec) resolve(pointer string) (string, map[string]any) {
	var at any = s.document
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "#/"), "/") {
		if list, ok := at.([]any); ok {
			i, _ := strconv.Atoi(part) // the pointers into lists are our own
			at = list[i]
			continue
		}
		at = object(at)[unescape(part)]
	}
	if ref, ok := object(at)["$ref"].(string); ok {
		return s.resolve(ref)
	}
	return pointer, object(at)
}

func (s *spec) operation(path, method string) (*operation, error) {
	at := "#/paths/" + escape(path) + "/" + method
	_, described := s.resolve(at)
	op := &operation{
		method: strings.ToUpper(method), segments: strings.Split(path, "/"),
		query: map[string]*value{}, answers: map[int]*answer{},
	}
	op.id, _ = described["operationId"].(string)
	parameters, _ := described["parameters"].([]any)
	for i, parameter := range parameters {
		name, _ := object(parameter)["name"].(string)
		if object(parameter)["in"] != "query" {
			continue
		}
		v, err := s.value(fmt.Sprintf("%s/parameters/%d", at, i))
		if err != nil {
			return nil, err
		}
		op.query[name] = v
	}
	_, body := s.resolve(at + "/requestBody")
	op.optional = body["required"] != true
	var err error
	if op.body, err = content(s.requests, at+"/requestBody", body); err != nil {
		return nil, err
	}
	for status := range object(described["responses"]) {
		code, err := strconv.Atoi(status)
		if err != nil {
			return nil, err
		}
		if op.answers[code], err = s.answer(at + "/responses/" + status); err != nil {
			return nil, err
		}
	}
	return op, nil
}

func (s *spec) answer(pointer string) (*answer, error) {
	pointer, described := s.resolve(pointer)
	a := &answer{headers: map[string]*value{}}
	for name := range object(described["headers"]) {
		v, err := s.value(pointer + "/headers/" + escape(name))
		if err != nil {
			return nil, err
		}
		a.headers[name] = v
	}
	var err error
	a.content, err = content(s.compiler, pointer, described)
	return a, err
}

func content(compiler *jsonschema.Compiler, pointer string, described map[string]any) (map[string]*jsonschema.Schema, error) {
	content := map[string]*jsonschema.Schema{}
	for media := range object(described["content"]) {
		schema, err := compiler.Compile(resource + pointer + "/content/" + escape(media) + "/schema")
		if err != nil {
			return nil, err
		}
		content[media] = schema
	}
	return content, nil
}

func (s *spec) value(pointer string) (*value, error) {
	pointer, described := s.resolve(pointer)
	schema, err := s.compile(pointer + "/schema")
	if err != nil {
		return nil, err
	}
	_, plain := s.resolve(pointer + "/schema")
	typ, _ := plain["type"].(string)
	return &value{required: described["required"] == true, typ: typ, schema: schema}, nil
}

// find returns the documented operation of a request, nil for none. Of two whose
// paths fit, the one with more literal segments is meant. Known says that the
// path has an operation, of whatever method.
func (s *spec) find(method, path string) (found *operation, known bool) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	segments := strings.Split(path, "/")
	literals := -1
	for _, op := range s.operations {
		n := op.fit(segments)
		known = known || n >= 0
		if op.method == method && n > literals {
			found, literals = op, n
		}
	}
	return found, known
}

// fit returns how many segments of the operation's path are literally those of
// a request's, -1 when the paths don't fit.
func (op *operation) fit(segments []string) int {
	if len(segments) != len(op.segments) {
		return -1
	}
	literals := 0
	for i, want := range op.segments {
		switch {
		case want == segments[i]:
			literals++
		case !strings.HasPrefix(want, "{") || segments[i] == "":
			return -1
		}
	}
	return literals
}

// object returns a JSON object, nil where the value is none.
func object(v any) map[string]any {
	o, _ := v.(map[string]any)
	return o
}

// escape and unescape write a token of a JSON pointer (RFC 6901) in a fragment.
func escape(token string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(token)
}

func unescape(token string) string {
	return strings.NewReplacer("~1", "/", "~0", "~", "%7B", "{", "%7D", "}").Replace(token)
}

// hasType tells whether a schema allows a type of JSON.
func hasType(schema map[string]any, typ string) bool {
	types, several := schema["type"].([]any)
	return schema["type"] == typ || several && slices.Contains(types, any(typ))
}
