package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"modelproviders/api"
)

var bg = context.Background()

// becomes runs a step on a description and compares.
func becomes(t *testing.T, step func(object), before, after string) {
	t.Helper()
	doc := parse(t, before)
	step(doc)
	if diff := cmp.Diff(parse(t, after), doc); diff != "" {
		t.Error(diff)
	}
}

// finish is finishSchemas with an enumeration E of x and y.
func finish(doc object) { finishSchemas(doc, object{"E": object{"enum": []any{"x", "y"}}}) }

func TestNullableSchemas(t *testing.T) {
	becomes(t, finish, `
components: {schemas: {
  A: {properties: {
    text: {type: string, description: d, x-nullable: true},
    choice: {type: string, description: d, x-ref: E, x-nullable: true},
    other: {$ref: '#/components/schemas/B', description: d, x-nullable: true}}},
  B: {type: object}}}`, `
components: {schemas: {
  A: {properties: {
    text: {type: [string, 'null'], description: d},
    choice: {oneOf: [{$ref: '#/components/schemas/E'}, {type: 'null'}], description: d},
    other: {oneOf: [{$ref: '#/components/schemas/B'}, {type: 'null'}], description: d}}},
  B: {type: object}}}`)
}

func TestReferencesToSharedSchemas(t *testing.T) {
	becomes(t, finish, `
paths: {/x: {get: {parameters: [{name: t, schema: {type: string, default: x, x-ref: E}}]}}}
components: {schemas: {
  A: {properties: {b: {type: object, description: d, x-ref: B}, c: {type: array, items: {type: string}, uniqueItems: false}}},
  B: {type: string}}}`, `
paths: {/x: {get: {parameters: [{name: t, schema: {$ref: '#/components/schemas/E', default: x}}]}}}
components: {schemas: {
  A: {properties: {b: {$ref: '#/components/schemas/B', description: d}, c: {type: array, items: {type: string}}}},
  B: {type: string}}}`)
}

func TestListsOfChoicesEndWithTheChoices(t *testing.T) {
	becomes(t, finish, `
components: {schemas: {A: {properties: {e: {type: array, example: [y], items: {type: string}, x-ref: E}}}}}`, `
components: {schemas: {A: {properties: {e: {type: array, example: [y], maxItems: 2, items: {$ref: '#/components/schemas/E'}}}}}}`)
}

func TestIntegersAreOf64Bits(t *testing.T) {
	becomes(t, finish, `
components: {schemas: {A: {properties: {n: {type: integer}, m: {type: integer, x-nullable: true}, s: {type: string}}}}}`, `
components: {schemas: {A: {properties: {n: {type: integer, format: int64}, m: {type: [integer, 'null'], format: int64}, s: {type: string}}}}}`)
}

func TestFieldsSentBackTakeAnything(t *testing.T) {
	becomes(t, finish, `
components: {schemas: {ModelUpdate: {properties: {id: {type: string, readOnly: true}, n: {type: integer, readOnly: true}}}}}`, `
components: {schemas: {ModelUpdate: {properties: {id: {description: '`+sentBack+`'}, n: {description: '`+sentBack+`'}}}}}`)
}

func TestOnlyRequestsAreClosed(t *testing.T) {
	becomes(t, closeRequests, `
paths: {/x: {post: {
  requestBody: {content: {a/b: {schema: {$ref: '#/components/schemas/In'}}}},
  responses: {'200': {content: {a/b: {schema: {$ref: '#/components/schemas/Out'}}}}}}}}
components:
  schemas: {
    In: {type: object, properties: {both: {$ref: '#/components/schemas/Both'}, open: {$ref: '#/components/schemas/Open'}}},
    Out: {type: object, properties: {both: {$ref: '#/components/schemas/Both'}}},
    Open: {type: object, additionalProperties: true}, Both: {type: object}}`, `
paths: {/x: {post: {
  requestBody: {content: {a/b: {schema: {$ref: '#/components/schemas/In'}}}},
  responses: {'200': {content: {a/b: {schema: {$ref: '#/components/schemas/Out'}}}}}}}}
components:
  schemas: {
    In: {type: object, additionalProperties: false, properties: {both: {$ref: '#/components/schemas/Both'}, open: {$ref: '#/components/schemas/Open'}}},
    Out: {type: object, properties: {both: {$ref: '#/components/schemas/Both'}}},
    Open: {type: object, additionalProperties: true}, Both: {type: object}}`)
}

func TestExamplesAreMadeOfThoseOfTheFields(t *testing.T) {
	add := func(doc object) { addExamples(at(doc, "components", "schemas")) }
	becomes(t, add, `
components: {schemas: {
  A: {type: object, properties: {b: {oneOf: [{$ref: '#/components/schemas/B'}, {type: 'null'}]}, l: {type: array, items: {type: string, example: e}}, n: {}}},
  B: {type: object, properties: {t: {type: string, example: u}}},
  C: {type: object, example: own, properties: {t: {type: string, example: u}}}}}`, `
components: {schemas: {
  A: {type: object, example: {b: {t: u}, l: [e]}, properties: {b: {oneOf: [{$ref: '#/components/schemas/B'}, {type: 'null'}]}, l: {type: array, items: {type: string, example: e}}, n: {}}},
  B: {type: object, example: {t: u}, properties: {t: {type: string, example: u}}},
  C: {type: object, example: own, properties: {t: {type: string, example: u}}}}}`)
}

// What a route takes decides about access, shared parameters, errors and headers.
func TestOperationsFollowFromTheirRoutes(t *testing.T) {
	complete := func(doc object) {
		completeOperations(doc, handlers{"get /alive": "alive", "post /x": "create", "patch /x/{id}": "edit"}, []api.Group{{Tag: "xs", Routes: []api.Route{
			{Method: "PATCH", Path: "/x/:id", Query: []string{"q", "limit"}, Header: "If-Match"},
			{Method: "POST", Path: "/x", Header: "Idempotency-Key"},
		}}})
	}
	becomes(t, complete, `
paths:
  /alive: {get: {responses: {'200': {}, '503': {}}}}
  /x: {post: {responses: {'201': {content: {application/json: {schema: {$ref: '#/components/schemas/Secret'}}}}}}}
  /x/{id}: {patch: {
    parameters: [{name: q}],
    requestBody: {content: {application/json: {schema: {$ref: '#/components/schemas/Edited'}}}},
    responses: {'200': {content: {application/json: {schema: {$ref: '#/components/schemas/Edited'}}}}}}}
components:
  parameters: {'x/{id}': {name: id}, limit: {name: limit}, If-Match: {name: If-Match}, Other: {name: Other}}
  responses: {Conflict: {description: d, headers: {Retry-After: {}}}}
  schemas: {Edited: {properties: {version: {type: integer}}}, Secret: {properties: {value: {format: password}}}}`, `
paths:
  /alive: {get: {operationId: alive, tags: [service], security: [], responses: {
    '200': {headers: {X-Request-Id: {$ref: '#/components/headers/X-Request-Id'}, Cache-Control: {$ref: '#/components/headers/Cache-Control'}}},
    '400': {$ref: '#/components/responses/BadRequest'}, '403': {$ref: '#/components/responses/Forbidden'},
    '503': {$ref: '#/components/responses/ServiceUnavailable'}}}}
  /x: {post: {operationId: create, tags: [xs], security: [bearer: []], responses: {
    '201': {
      headers: {
        X-Request-Id: {$ref: '#/components/headers/X-Request-Id'}, Cache-Control: {$ref: '#/components/headers/No-Store'},
        Location: {$ref: '#/components/headers/Location'}, Idempotency-Replayed: {$ref: '#/components/headers/Idempotency-Replayed'}},
      content: {application/json: {schema: {$ref: '#/components/schemas/Secret'}}}},
    '400': {$ref: '#/components/responses/BadRequest'}, '401': {$ref: '#/components/responses/Unauthorized'},
    '403': {$ref: '#/components/responses/Forbidden'}, '409': {$ref: '#/components/responses/Conflict'},
    '429': {$ref: '#/components/responses/TooManyRequests'}, '500': {$ref: '#/components/responses/InternalServerError'},
    '503': {$ref: '#/components/responses/ServiceUnavailable'}}}}
  /x/{id}: {patch: {
    operationId: edit, tags: [xs], security: [bearer: []],
    parameters: [{name: id}, {name: q}, {name: limit}, {name: If-Match}],
    requestBody: {content: {
      application/json: {schema: {$ref: '#/components/schemas/Edited'}},
      application/merge-patch+json: {schema: {$ref: '#/components/schemas/Edited'}}}},
    responses: {
      '200': {
        headers: {
          X-Request-Id: {$ref: '#/components/headers/X-Request-Id'}, Cache-Control: {$ref: '#/components/headers/Cache-Control'},
          ETag: {$ref: '#/components/headers/ETag'}},
        content: {application/json: {schema: {$ref: '#/components/schemas/Edited'}}}},
      '400': {$ref: '#/components/responses/BadRequest'}, '401': {$ref: '#/components/responses/Unauthorized'},
      '403': {$ref: '#/components/responses/Forbidden'}, '404': {$ref: '#/components/responses/NotFound'},
      '409': {$ref: '#/components/responses/Conflict'},
      '412': {$ref: '#/components/responses/PreconditionFailed'}, '413': {$ref: '#/components/responses/RequestEntityTooLarge'},
      '415': {$ref: '#/components/responses/UnsupportedMediaTypeOfPatch'}, '422': {$ref: '#/components/responses/UnprocessableEntity'},
      '429': {$ref: '#/components/responses/TooManyRequests'}, '500': {$ref: '#/components/responses/InternalServerError'},
      '503': {$ref: '#/components/responses/ServiceUnavailable'}}}}
components:
  responses: {Conflict: {description: d,
    headers: {Retry-After: {}, X-Request-Id: {$ref: '#/components/headers/X-Request-Id'}, Cache-Control: {$ref: '#/components/headers/Cache-Control'}},
    content: {application/problem+json: {schema: {$ref: '#/components/schemas/Problem'}}}}}
  schemas: {Edited: {properties: {version: {type: integer}}}, Secret: {properties: {value: {format: password}}}}`)
}

func TestSchemasOfStructs(t *testing.T) {
	dir := t.TempDir()
	source := "package p\n" +
		"// inner is inside.\ntype inner struct {\n\tA string `json:\"a\"`\n\tB string `json:\"b,omitempty\"`\n}\n" +
		"// outer is one page\n// of things.\ntype outer struct {\n\tinner\n\tC *string `json:\"c\"`\n\tD string `json:\"-\"`\n} //\t@name\tOuter\n" +
		"type other struct{ E int `json:\"e\"` }\n" +
		"// @Summary Get\n// @Router /x/{id} [get]\nfunc getX() {}\nfunc helper() {}\n"
	if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	structs, found, err := readSource(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(handlers{"get /x/{id}": "getX"}, found); diff != "" {
		t.Error(diff)
	}
	schemas := object{"Outer": object{"type": "object"}}
	if err := structs.complete(schemas); err != nil {
		t.Fatal(err)
	}
	want := object{"Outer": object{"type": "object", "description": "One page of things.", "required": []string{"a", "c"}}}
	if diff := cmp.Diff(want, schemas); diff != "" {
		t.Error(diff)
	}
	if err := structs.complete(object{}); err == nil || !strings.Contains(err.Error(), "no operation uses") {
		t.Errorf("got the error %v for a schema that nothing uses", err)
	}
}

func TestEncodingSortsKeys(t *testing.T) {
	encoded, err := encode(parse(t, `{paths: {/b: {}, /a: {}}, openapi: 3.1.0}`))
	if err != nil {
		t.Fatal(err)
	}
	_, got, _ := strings.Cut(string(encoded), "\n")
	if diff := cmp.Diff("openapi: 3.1.0\npaths:\n  /a: {}\n  /b: {}\n", got); diff != "" {
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
