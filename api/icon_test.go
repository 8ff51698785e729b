package api_test

import (
	"encoding/xml"
	"net/http"
	"strings"
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
)

// The icon of every type is where the type says, for anyone, as an image that a
// browser may cache but runs nothing of.
func TestIcons(t *testing.T) {
	for _, prefix := range []string{"", "/api/v1"} {
		t.Run("prefix "+prefix, func(t *testing.T) {
			s := apitest.Start(t, checker.RoundTripper, "SQLite", func(cfg *app.Config) { cfg.BasePath = prefix })
			c := s.Admin(t)
			var answer struct{ Data []form }
			c.Get("/provider-types").Is(http.StatusOK).Into(&answer)
			for _, f := range answer.Data {
				path, underPrefix := strings.CutPrefix(f.IconURL, prefix)
				if want := "/icons/" + f.Type + ".svg"; !underPrefix || path != want || f.Icon != f.Type {
					t.Errorf("the icon of %s is %s at %s", f.Type, f.Icon, f.IconURL)
				}
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					image := c.With("").Do(method, path, nil).Is(http.StatusOK).
						Has("Content-Type", "image/svg+xml").
						Has("Cache-Control", "public, max-age=86400").
						Has("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox").
						Has("X-Content-Type-Options", "nosniff")
					var root struct{ XMLName xml.Name }
					if err := xml.Unmarshal([]byte(image.Body), &root); method == http.MethodGet && (err != nil || root.XMLName.Local != "svg") {
						t.Errorf("the icon of %s is no SVG image: %v %q", f.Type, err, image.Body)
					}
				}
			}
			for _, name := range []string{"nothing.svg", "openai", "openai.png", "OPENAI.svg", ".svg", "..%2fopenapi.yaml", "openai.svg%00"} {
				c.With("").Get("/icons/"+name).Problem(http.StatusNotFound, "not_found")
			}
			c.Get("/icons/nothing.svg").Has("Cache-Control", "private, no-cache")
			c.Get("/icons/openai.svg?size=48").Problem(http.StatusBadRequest, "malformed_request", "size unknown")
		})
	}
}
