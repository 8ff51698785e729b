// Package docs holds the OpenAPI description that the program serves, and the page
// that shows it.
package docs

import "embed"

// OpenAPI is openapi.yaml, generated from the annotations of package api.
//
//go:embed openapi.yaml
var OpenAPI []byte

// Reference is the page at /docs, without swagger-ui, which it loads.
//
//go:embed reference
var Reference embed.FS
