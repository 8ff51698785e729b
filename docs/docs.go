// Package docs holds what the program serves of its documentation: the OpenAPI
// description, the page that shows it, and the console, which is also the example
// of a page that uses the API.
package docs

import (
	"embed"
	"io/fs"
)

// OpenAPI is openapi.yaml, generated from the annotations of package api.
//
//go:embed openapi.yaml
var OpenAPI []byte

// Reference is the page at /docs, without swagger-ui, which it loads.
//
//go:embed reference
var Reference embed.FS

//go:embed examples/spa/*.html examples/spa/*.css examples/spa/*.js examples/spa/*.svg
var examples embed.FS

// Console returns the files of the console.
func Console() fs.FS {
	console, err := fs.Sub(examples, "examples/spa")
	if err != nil {
		panic(err) // the path is valid
	}
	return console
}
