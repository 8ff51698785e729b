package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var bg = context.Background()

// step runs one step of finishing, and returns what it fails with.
func step(t *testing.T, f func(object) error, before string) (object, error) {
	t.Helper()
	doc := parse(t, before)
	return doc, f(doc)
}

// becomes runs a step and compares.
func becomes(t *testing.T, f func(object) error, before, after string) {
	t.Helper()
	doc, err := step(t, f, before)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(parse(t, after), doc); diff != "" {
		t.Error(diff)
	}
}

// fails runs a step that has to fail, saying what.
func fails(t *testing.T, f func(object) error, before, saying string) {
	t.Helper()
	_, err := step(t, f, before)
	if err == nil || !strings.Contains(err.Error(), saying) {
		t.Errorf("got the error %v, want one with %q", err, saying)
	}
}

func TestNullableSchemas(t *testing.T) {
	becomes(t, resolveReferences, `
components: {schemas: {
  A: {properties: {
    text: {type: string, description: d, x-nullable: true},
    choice: {type: string, description: d, enum: [x, y], x-nullable: true},
    other: {$ref: '#/components/schemas/B', description: d, x-nullable: true}}},
  B: {type: object}}}`, `
components: {schemas: {
  A: {properties: {
    text: {type: [string, 'null'], description: d},
    choice: {oneOf: [{type: string, enum: [x, y]}, {type: 'null'}], description: d},
    other: {oneOf: [{$ref: '#/components/schemas/B'}, {type: 'null'}], description: d}}},
  B: {type: object}}}`)
}

func TestSchemasThatSwagCannotMake(t *testing.T) {
	becomes(t, resolveReferences, `
paths: {/x: {get: {parameters: [{name: t, schema: {type: string, x-ref: B}}]}}}
components: {schemas: {
  A: {properties: {b: {type: object, description: d, x-ref: B}, c: {additionalProperties: {}, uniqueItems: false}}},
  B: {type: string}}}`, `
paths: {/x: {get: {parameters: [{name: t, schema: {$ref: '#/components/schemas/B'}}]}}}
components: {schemas: {
  A: {properties: {b: {$ref: '#/components/schemas/B', description: d}, c: {additionalProperties: true}}},
  B: {type: string}}}`)
	fails(t, resolveReferences, `components: {schemas: {A: {properties: {b: {x-ref: B}}}}}`, "A.b: x-ref names the unknown schema B")
}

func TestEnumsOfTheSameValuesAreShared(t *testing.T) {
	share := func(doc object) error { return shareEnums(doc, map[string]string{"[x y]": "E"}) }
	becomes(t, share, `
components: {schemas: {
  A: {properties: {e: {type: string, enum: [x, y], example: y}, f: {type: string, enum: [x]}}},
  E: {type: string, enum: [x, y]}}}`, `
components: {schemas: {
  A: {properties: {e: {$ref: '#/components/schemas/E', example: y}, f: {type: string, enum: [x]}}},
  E: {type: string, enum: [x, y]}}}`)
}

func TestIntegersAreOf64Bits(t *testing.T) {
	becomes(t, describeIntegers, `
components: {schemas: {A: {properties: {n: {type: integer}, m: {type: [integer, 'null']}, s: {type: string}}}}}`, `
components: {schemas: {A: {properties: {n: {type: integer, format: int64}, m: {type: [integer, 'null'], format: int64}, s: {type: string}}}}}`)
}

func TestListsOfChoicesEndWithTheChoices(t *testing.T) {
	becomes(t, boundChoices, `
components: {schemas: {
  A: {properties: {e: {type: array, items: {$ref: '#/components/schemas/E'}}, f: {type: array, items: {type: string, enum: [x]}}, g: {type: array, items: {type: string}}}},
  E: {type: string, enum: [x, y]}}}`, `
components: {schemas: {
  A: {properties: {e: {type: array, maxItems: 2, items: {$ref: '#/components/schemas/E'}}, f: {type: array, maxItems: 1, items: {type: string, enum: [x]}}, g: {type: array, items: {type: string}}}},
  E: {type: string, enum: [x, y]}}}`)
}

func TestFieldsSentBackTakeAnything(t *testing.T) {
	becomes(t, describeSentBack, `
components: {schemas: {
  Model: {properties: {id: {type: string, example: m1}}},
  ModelUpdateOfList: {properties: {id: {type: string, readOnly: true}}}}}`, `
components: {schemas: {
  Model: {properties: {id: {type: string, example: m1}}},
  ModelUpdateOfList: {properties: {id: {description: '`+sentBack+`', example: m1}}}}}`)
	fails(t, describeSentBack, `components: {schemas: {ModelUpdate: {properties: {id: {readOnly: true}}}}}`, "Model has no such field")
}

func TestOnlyRequestsAreClosed(t *testing.T) {
	becomes(t, closeRequests, `
paths: {/x: {post: {
  requestBody: {content: {a/b: {schema: {$ref: '#/components/schemas/In'}}}},
  responses: {'200': {$ref: '#/components/responses/R'}}}}}
components:
  responses: {R: {content: {a/b: {schema: {$ref: '#/components/schemas/Out'}}}}}
  schemas: {
    In: {type: object, properties: {both: {$ref: '#/components/schemas/Both'}, open: {$ref: '#/components/schemas/Open'}}},
    Out: {type: object, properties: {both: {$ref: '#/components/schemas/Both'}}},
    Open: {type: object, additionalProperties: true}, Both: {type: object}}`, `
paths: {/x: {post: {
  requestBody: {content: {a/b: {schema: {$ref: '#/components/schemas/In'}}}},
  responses: {'200': {$ref: '#/components/responses/R'}}}}}
components:
  responses: {R: {content: {a/b: {schema: {$ref: '#/components/schemas/Out'}}}}}
  schemas: {
    In: {type: object, additionalProperties: false, properties: {both: {$ref: '#/components/schemas/Both'}, open: {$ref: '#/components/schemas/Open'}}},
    Out: {type: object, properties: {both: {$ref: '#/components/schemas/Both'}}},
    Open: {type: object, additionalProperties: true}, Both: {type: object}}`)
}

func TestEditsHaveOneSchemaInBothMediaTypes(t *testing.T) {
	becomes(t, describeRequests, `
paths: {/x: {patch: {requestBody: {content: {
  application/json: {schema: {$ref: '#/components/schemas/A', summary: body, description: d}},
  application/merge-patch+json: {schema: {type: string}}}}}}}`, `
paths: {/x: {patch: {requestBody: {content: {
  application/json: {schema: {$ref: '#/components/schemas/A'}},
  application/merge-patch+json: {schema: {$ref: '#/components/schemas/A'}}}}}}}`)
	fails(t, describeRequests, `
paths: {/x: {patch: {requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/A'}}}}}}}`, "PATCH /x: edits, and nothing else")
}

func TestEventsOfAStreamHaveTheirData(t *testing.T) {
	becomes(t, describeEvents, `
paths: {/x: {post: {responses: {'200': {}, x-event-stream: {TestEvent: {delta: Delta}}}}}}
components: {schemas: {Delta: {}}}`, `
paths: {/x: {post: {responses: {'200': {content: {text/event-stream: {schema: {$ref: '#/components/schemas/TestEvent'}}}}}}}}
components: {schemas: {Delta: {},
  TestEvent: {oneOf: [{$ref: '#/components/schemas/TestDeltaEvent'}],
    discriminator: {propertyName: event, mapping: {delta: '#/components/schemas/TestDeltaEvent'}}},
  TestDeltaEvent: {type: object, required: [event, data], description: The event `+"`delta`"+` of a stream., properties: {
    event: {type: string, const: delta, description: The name of the event., example: delta},
    data: {$ref: '#/components/schemas/Delta', description: 'The data of the event, parsed.'}}}}}`)
	fails(t, describeEvents, `
paths: {/x: {post: {responses: {x-event-stream: {TestEvent: {delta: Delta}}}}}}
components: {schemas: {}}`, `the unknown schema "Delta"`)
}

func TestAnswersShareTheirProblems(t *testing.T) {
	becomes(t, describeAnswers, `
paths: {/x: {patch: {responses: {
  '200': {headers: {ETag: {schema: {type: string}}}, content: {application/json: {schema: {$ref: '#/components/schemas/Key'}}}},
  '415': {description: from swag}}}}}
components: {headers: {ETag: {}}, schemas: {Key: {properties: {value: {format: password}}}}, responses: {UnsupportedMediaTypeOfPatch: {description: d}}}`, `
paths: {/x: {patch: {responses: {
  '200': {headers: {ETag: {$ref: '#/components/headers/ETag'}, X-Request-Id: {$ref: '#/components/headers/RequestId'}, Cache-Control: {$ref: '#/components/headers/CacheControlOfSecret'}},
    content: {application/json: {schema: {$ref: '#/components/schemas/Key'}}}},
  '415': {$ref: '#/components/responses/UnsupportedMediaTypeOfPatch'}}}}}
components: {headers: {ETag: {}}, schemas: {Key: {properties: {value: {format: password}}}}, responses: {UnsupportedMediaTypeOfPatch: {description: d,
  headers: {X-Request-Id: {$ref: '#/components/headers/RequestId'}, Cache-Control: {$ref: '#/components/headers/CacheControl'}},
  content: {application/problem+json: {schema: {$ref: '#/components/schemas/Problem'}}}}}}`)
	fails(t, describeAnswers, `{paths: {/x: {get: {responses: {'418': {}}}}}}`, "GET /x: base.yaml has no answer I'mateapot")
	fails(t, describeAnswers, `{paths: {}, components: {responses: {NotFound: {}}}}`, "nothing answers NotFound")
}

func TestIncompleteDescriptionsAreRefused(t *testing.T) {
	const op = `paths: {/x: {get: {operationId: a, summary: b, description: c, tags: [d], responses: {'200': {$ref: '#/components/schemas/A'}}}}}
`
	complete := op + `components: {schemas: {A: {description: d, example: {}, properties: {f: {description: d, example: e}}}}}`
	if _, err := step(t, checkComplete, complete); err != nil {
		t.Error(err)
	}
	fails(t, checkComplete, op+`components: {schemas: {A: {example: e}}}`, "schema A has no description")
	fails(t, checkComplete, op+`components: {schemas: {A: {description: d}}}`, "schema A has no description or no example")
	fails(t, checkComplete, op+`components: {schemas: {A: {description: d, example: e, properties: {f: {description: d}}}}}`, "field f of schema A")
	fails(t, checkComplete, op+`components: {schemas: {A: {description: d, example: e}, B: {description: d, example: e}}}`, "schema B is used by nothing")
	fails(t, checkComplete, `paths: {/x: {get: {operationId: a}}}`, "GET /x has no summary")
}

func TestShapesOfStructs(t *testing.T) {
	dir := t.TempDir()
	source := "package p\n" +
		"// inner is inside.\ntype inner struct {\n\tA string `json:\"a\"`\n\tB string `json:\"b,omitempty\"`\n}\n" +
		"// outer is one page\n// of things.\ntype outer struct {\n\tinner\n\tC *string `json:\"c\"`\n\tD string `json:\"-\"`\n} //\t@name\tOuter\n" +
		"type other struct{ E int `json:\"e\"` }\n"
	if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	shapes, err := readShapes(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(shapes) != 1 || shapes["Outer"].description != "One page of things." || cmp.Diff([]string{"a", "c"}, shapes["Outer"].required) != "" {
		t.Errorf("got %v", shapes)
	}
	apply := func(doc object) error { return applyShapes(doc, shapes) }
	becomes(t, apply, `components: {schemas: {Outer: {type: object}}}`,
		`components: {schemas: {Outer: {type: object, description: One page of things., required: [a, c]}}}`)
	fails(t, apply, `components: {schemas: {}}`, "no operation uses it")
}

func TestEncodingOrdersWordsAndNames(t *testing.T) {
	text, err := encode(parse(t, `{paths: {/b: {}, /a: {}}, components: {schemas: {A: {properties: {type: {}, a: {}}, type: object, example: {type: 1, a: 2}}}}, openapi: 3.1.0}`))
	if err != nil {
		t.Fatal(err)
	}
	_, text2, _ := strings.Cut(string(text), "\n")
	want := `openapi: 3.1.0
paths:
  /a: {}
  /b: {}
components:
  schemas:
    A:
      type: object
      properties:
        a: {}
        type: {}
      example:
        a: 2
        type: 1
`
	if diff := cmp.Diff(want, text2); diff != "" {
		t.Error(diff)
	}
}

func TestInvalidDescriptionsAreNotWritten(t *testing.T) {
	for _, invalid := range []string{
		`{`,
		`{openapi: 3.1.0, info: {title: t}, paths: {}}`,
		`{openapi: 3.1.0, info: {title: t, version: '1'}, paths: {}, components: {schemas: {A: {type: integer, example: text}}}}`,
	} {
		if err := validate(bg, []byte(invalid)); err == nil {
			t.Errorf("%s is taken for a valid description", invalid)
		}
	}
}
