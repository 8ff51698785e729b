package api

import (
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"
	"sigs.k8s.io/yaml"

	"modelproviders/docs"
)

// spec serves the OpenAPI description of this API.
type spec struct{ asYAML, asJSON []byte }

// newSpec makes the description for the prefix that the API is mounted under.
func newSpec(basePath string) (*spec, error) {
	if basePath == "" {
		asJSON, err := yaml.YAMLToJSON(docs.OpenAPI)
		return &spec{asYAML: docs.OpenAPI, asJSON: asJSON}, err
	}
	var document map[string]any
	if err := yaml.Unmarshal(docs.OpenAPI, &document); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	document["servers"] = []map[string]string{{"url": basePath}}
	asYAML, err := yaml.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	asJSON, err := yaml.YAMLToJSON(asYAML)
	return &spec{asYAML: asYAML, asJSON: asJSON}, err
}

// yaml answers the description as YAML.
//
//	@Summary		Read this API's description as YAML
//	@Description	The OpenAPI 3.1 document that clients are generated from.
//	@ID				getOpenAPIYAML
//	@Tags			service
//	@Produce		application/yaml
//	@Success		200	{string}	string
//	@Failure		403	{object}	problem
//	@Router			/openapi.yaml [get]
func (s *spec) yaml(c echo.Context) error {
	return c.Blob(http.StatusOK, "application/yaml", s.asYAML)
}

// json answers the description as JSON.
//
//	@Summary		Read this API's description as JSON
//	@Description	The OpenAPI 3.1 document that clients are generated from.
//	@ID				getOpenAPIJSON
//	@Tags			service
//	@Produce		json
//	@Success		200	{object}	map[string]any
//	@Failure		403	{object}	problem
//	@Router			/openapi.json [get]
func (s *spec) json(c echo.Context) error {
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, s.asJSON)
}
