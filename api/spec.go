package api

import (
	"fmt"
	"net/http"
	"sync"

	"github.com/labstack/echo/v4"
	"sigs.k8s.io/yaml"

	"modelproviders/docs"
)

// spec serves the OpenAPI description of this API. It is prepared on the first
// request because that takes longer than the rest of the start.
type spec struct{ asYAML, asJSON func() ([]byte, error) }

func newSpec(basePath string) *spec {
	asYAML := sync.OnceValues(func() ([]byte, error) { return describe(basePath) })
	asJSON := sync.OnceValues(func() ([]byte, error) {
		description, err := asYAML()
		if err != nil {
			return nil, err
		}
		return yaml.YAMLToJSON(description)
	})
	return &spec{asYAML, asJSON}
}

// describe returns openapi.yaml with the prefix that the API is mounted under.
func describe(basePath string) ([]byte, error) {
	if basePath == "" {
		return docs.OpenAPI, nil
	}
	var document map[string]any
	if err := yaml.Unmarshal(docs.OpenAPI, &document); err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	document["servers"] = []map[string]string{{"url": basePath}}
	return yaml.Marshal(document)
}

// @Summary	Get this API description as YAML
// @Produce	application/yaml
// @Success	200	{string}	string
// @Router		/openapi.yaml [get]
func (s *spec) getOpenAPIYAML(c echo.Context) error {
	description, err := s.asYAML()
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, "application/yaml", description)
}

// @Summary	Get this API description as JSON
// @Success	200	{object}	map[string]any
// @Router		/openapi.json [get]
func (s *spec) getOpenAPIJSON(c echo.Context) error {
	description, err := s.asJSON()
	if err != nil {
		return err
	}
	return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, description)
}
