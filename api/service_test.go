package api_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"modelproviders/api/apitest"
	"modelproviders/docs"
	"modelproviders/pkg/version"
)

func TestHealth(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Admin(t).With("")
		if body := c.Get("/readyz").Is(http.StatusOK).Has("Content-Type", "application/json").Body; strings.TrimSpace(body) != `{"status":"ok"}` {
			t.Errorf("/readyz says %s", body)
		}
		want := `{"status":"ok","version":"` + version.Read().Version + `"`
		if body := c.Get("/healthz").Is(http.StatusOK).Has("Content-Type", "application/json").Body; !strings.HasPrefix(body, want) {
			t.Errorf("/healthz says %s", body)
		}
	})
}

func TestServiceRoutesTakeNoQuery(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Admin(t).With("")
		for _, path := range []string{"/healthz", "/readyz", "/openapi.yaml", "/openapi.json", "/icons/openai.svg", "/console/config.json"} {
			c.Get(path+"?x=1").Problem(http.StatusBadRequest, "malformed_request", "x unknown")
		}
	})
}

// The description is served as it lies in the repository, as YAML and as JSON.
func TestDescription(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Admin(t).With("")
		if c.Get("/openapi.yaml").Is(http.StatusOK).Has("Content-Type", "application/yaml").Body != string(docs.OpenAPI) {
			t.Error("openapi.yaml is another than the one of the repository")
		}
		var served, want any
		if err := json.Unmarshal([]byte(c.Get("/openapi.json").Is(http.StatusOK).Has("Content-Type", "application/json").Body), &served); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(docs.OpenAPI, &want); err != nil {
			t.Fatal(err)
		}
		if !equalJSON(served, want) {
			t.Error("openapi.json is another description than openapi.yaml")
		}
	})
}
