package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	swaggerui "github.com/swaggest/swgui/v5/static"

	"modelproviders/docs"
)

// referencePolicy is the Content-Security-Policy of the page at /docs. swagger-ui
// needs styles in elements, and images in its style sheet.
const referencePolicy = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self'; " +
	"object-src 'none'; base-uri 'none'; frame-ancestors 'none'"

// reference returns the routes of the interactive reference: a page that loads
// swagger-ui, which reads /openapi.json. The page has relative URLs only, so that
// it works under any prefix; /docs/ is redirected because they are relative to /docs.
func reference() []service {
	services := []service{{"/docs/", func(c echo.Context) error { return c.Redirect(http.StatusPermanentRedirect, "../docs") }}}
	for path, name := range map[string]string{"/docs": "index.html", "/docs/reference.js": "reference.js"} {
		read := func() ([]byte, error) { return docs.Reference.ReadFile("reference/" + name) }
		services = append(services, service{path, referenceFile(name, read)})
	}
	for _, name := range []string{"swagger-ui.css", "swagger-ui-bundle.js"} {
		// Unpack a file only once: that takes 10 ms, and anyone can request it.
		read := sync.OnceValues(func() ([]byte, error) { return unpack(name + ".gz") })
		services = append(services, service{"/docs/" + name, referenceFile(name, read)})
	}
	return services
}

// referenceFile answers with a file of the reference.
func referenceFile(name string, read func() ([]byte, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		content, err := read()
		if err != nil {
			return err
		}
		return serveAsset(c, referencePolicy, name, content)
	}
}

// unpack returns a file of swagger-ui, which the program contains in compressed form.
func unpack(name string) ([]byte, error) {
	packed, err := swaggerui.FS.Open(name)
	if err != nil {
		return nil, err
	}
	unpacker, err := gzip.NewReader(packed)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(unpacker)
}

// serveAsset answers with a file of a page. Browsers revalidate it by its ETag.
func serveAsset(c echo.Context, policy, name string, content []byte) error {
	header := c.Response().Header()
	header.Set(echo.HeaderContentSecurityPolicy, policy)
	header.Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(content)))
	http.ServeContent(c.Response(), c.Request(), name, time.Time{}, bytes.NewReader(content))
	return nil
}
