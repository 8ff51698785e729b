package main

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"modelproviders/api"
)

const (
	mediaJSON       = "application/json"
	mediaMergePatch = "application/merge-patch+json"
	mediaProblem    = "application/problem+json"
)

// completeOperations adds to every operation what follows from its handler and its route:
// id, tag, access, shared parameters, errors and the headers of answers. Operations that
// are not in the route table need no token, and have the tag service.
func completeOperations(doc object, ids handlers, groups []api.Group) {
	routes, tags := map[string]api.Route{}, map[string]string{}
	braces := regexp.MustCompile(`:(\w+)`)
	for _, g := range groups {
		for _, r := range g.Routes {
			operation := strings.ToLower(r.Method) + " " + braces.ReplaceAllString(r.Path, "{$1}")
			routes[operation], tags[operation] = r, g.Tag
		}
	}
	components := at(doc, "components")
	for path, item := range at(doc, "paths") {
		for method := range item.(object) {
			op, operation := at(item.(object), method), method+" "+path
			route := routes[operation]
			op["operationId"] = ids[operation]
			op["tags"] = []any{cmp.Or(tags[operation], "service")}
			op["security"] = []any{}
			if route.Path != "" {
				op["security"] = []any{object{"bearer": []any{}}}
			}
			addParameters(op, path, route, at(components, "parameters"))
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

// pathParameter is a parameter of a path with the segment before it.
var pathParameter = regexp.MustCompile(`[a-z-]+/\{\w+\}`)

// addParameters adds the parameters of an operation that base.yaml describes for all
// routes: those of the path, with the segment before each, in front of the others. A
// parameter of the path that an annotation describes is left as it is.
func addParameters(op object, path string, r api.Route, shared object) {
	own, _ := op["parameters"].([]any)
	var parameters []any
	for _, name := range pathParameter.FindAllString(path, -1) {
		same := func(p any) bool { return p.(object)["in"] == "path" && p.(object)["name"] == at(shared, name)["name"] }
		if !slices.ContainsFunc(own, same) {
			parameters = append(parameters, shared[name])
		}
	}
	parameters = append(parameters, own...)
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
		{r.Header != "", []int{409}},
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
