// Package docs holds the OpenAPI description that the program serves.
package docs

import _ "embed" // for the description

// OpenAPI is openapi.yaml, generated from the annotations of package api.
//
//go:embed openapi.yaml
var OpenAPI []byte
