package main

import (
	"net/http"
	"strconv"
	"strings"

	"modelproviders/api"
)

const (
	mediaJSON       = "application/json"
	mediaMergePatch = "application/merge-patch+json"
	mediaProblem    = "application/problem+json"
)

// completeOperations adds to every operation what follows from its route: access,
// shared parameters, errors and the headers of answers.
func completeOperations(doc object, routes []api.Route) {
	byOperation := map[string]api.Route{}
	for _, r := range routes {
		byOperation[strings.ToLower(r.Method)+" "+r.Path] = r
	}
	colons := strings.NewReplacer("{", ":", "}", "")
	components := at(doc, "components")
	for path, item := range at(doc, "paths") {
		for method := range item.(object) {
			op := at(item.(object), method)
			route := byOperation[method+" "+colons.Replace(path)]
			addParameters(op, route, at(components, "parameters"))
			if content := at(op, "requestBody", "content"); content != nil && method == "patch" {
				content[mediaMergePatch] = content[mediaJSON]
			}
			addErrors(op, route)
			addSuccessHeaders(op, route, at(components, "schemas"))
		}
	}
	delete(components, "parameters")
	for _, response := range at(components, "responses") {
		merge(response.(object), object{
			"content": object{mediaProblem: object{"schema": refTo("Problem")}},
			"headers": commonHeaders(),
		})
	}
}

// addParameters adds the parameters of a route that base.yaml describes for all
// routes, and says whether a token is needed. Operations that are not in the
// route table need none.
func addParameters(op object, r api.Route, shared object) {
	op["security"] = []any{}
	if r.Path != "" {
		op["security"] = []any{object{"bearer": []any{}}}
	}
	parameters, _ := op["parameters"].([]any)
	for _, name := range append(r.Query, r.Header) {
		if shared[name] != nil {
			parameters = append(parameters, shared[name])
		}
	}
	if len(parameters) > 0 {
		op["parameters"] = parameters
	}
}

// addErrors adds the errors that follow from what a route takes, each a shared
// response of base.yaml. Annotations name the others.
func addErrors(op object, r api.Route) {
	responses := at(op, "responses")
	for _, rule := range []struct {
		applies  bool
		statuses []int
	}{
		{true, []int{400, 403}},
		{r.Path != "", []int{401, 429, 500, 503}},
		{strings.Contains(r.Path, ":"), []int{404}},
		{r.Header == "If-Match", []int{412}},
		{op["requestBody"] != nil, []int{413, 415, 422}},
	} {
		for _, status := range rule.statuses {
			if rule.applies {
				responses[strconv.Itoa(status)] = object{}
			}
		}
	}
	for status := range responses {
		code, _ := strconv.Atoi(status)
		if code < 400 {
			continue
		}
		name := strings.ReplaceAll(http.StatusText(code), " ", "")
		if code == http.StatusUnsupportedMediaType && r.Method == http.MethodPatch {
			name += "OfPatch"
		}
		responses[status] = object{"$ref": "#/components/responses/" + name}
	}
}

// addSuccessHeaders adds the headers of the answers that are not errors.
func addSuccessHeaders(op object, r api.Route, schemas object) {
	for status, response := range at(op, "responses") {
		if status >= "400" {
			continue
		}
		schema := refOf(at(response.(object), "content", mediaJSON, "schema"))
		fields := at(schemas, schema, "properties")
		headers := commonHeaders()
		for field := range fields {
			if at(fields, field)["format"] == "password" {
				headers["Cache-Control"] = headerRef("No-Store")
			}
		}
		if strings.HasPrefix(r.Path, "/credentials/") { // says who has a secret
			headers["Cache-Control"] = headerRef("No-Store")
		}
		if at(response.(object), "content")["image/svg+xml"] != nil {
			headers["Cache-Control"] = headerRef("Public")
		}
		if at(fields, "version")["type"] == "integer" { // that of a resource, not of the program
			headers["ETag"] = headerRef("ETag")
		}
		if status == "201" {
			headers["Location"] = headerRef("Location")
		}
		if r.Header == "Idempotency-Key" {
			headers["Idempotency-Replayed"] = headerRef("Idempotency-Replayed")
		}
		response.(object)["headers"] = headers
	}
}

// commonHeaders are the headers of every answer.
func commonHeaders() object {
	return object{"X-Request-Id": headerRef("X-Request-Id"), "Cache-Control": headerRef("Cache-Control")}
}

func headerRef(name string) object { return object{"$ref": "#/components/headers/" + name} }
