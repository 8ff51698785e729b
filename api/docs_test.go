package api_test

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
)

// referenceCSP is the Content-Security-Policy of the page at /docs.
const referenceCSP = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self'; " +
	"object-src 'none'; base-uri 'none'; frame-ancestors 'none'"

// browse requests a URL as a browser does, without a token, and returns the answer
// and its body. Redirects are followed.
func browse(t *testing.T, method, url string, edits ...apitest.Edit) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, edit := range edits {
		edit(request)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// The reference and everything that it loads come from the service, under any
// prefix, and with or without a slash at the end.
func TestReference(t *testing.T) {
	for _, prefix := range []string{"", "/api/v1"} {
		t.Run("prefix "+prefix, func(t *testing.T) {
			s := apitest.Start(t, checker.RoundTripper, "SQLite", func(cfg *app.Config) { cfg.BasePath = prefix })
			for _, path := range []string{"/docs", "/docs/"} {
				response, page := browse(t, http.MethodGet, s.URL+path)
				if response.StatusCode != http.StatusOK || response.Request.URL.String() != s.URL+"/docs" {
					t.Fatalf("%s leads to %s with the status %d", path, response.Request.URL, response.StatusCode)
				}
				if got := response.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
					t.Errorf("%s is %s", path, got)
				}
				loaded := regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page, -1)
				if len(loaded) < 4 {
					t.Fatalf("the page loads only %v", loaded)
				}
				for _, match := range loaded {
					checkLoaded(t, s, response.Request.URL, match[1])
				}
			}
		})
	}
}

// checkLoaded checks one URL of the page.
func checkLoaded(t *testing.T, s *apitest.Server, page *url.URL, reference string) {
	t.Helper()
	if reference == "data:," {
		return
	}
	target, err := page.Parse(reference)
	if err != nil || !strings.HasPrefix(target.String(), s.URL+"/") {
		t.Errorf("the page loads %s from outside of the service: %v", reference, err)
		return
	}
	response, _ := browse(t, http.MethodGet, target.String())
	if response.StatusCode != http.StatusOK {
		t.Errorf("%s: status %d", target, response.StatusCode)
	}
	if kind := response.Header.Get("Content-Type"); strings.HasSuffix(target.Path, ".js") && kind != "text/javascript; charset=utf-8" {
		t.Errorf("%s is %s, which browsers do not run", target, kind)
	}
}

// The page runs no inline script, and neither stores tokens nor takes settings from
// its URL.
func TestReferenceIsSafe(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		response, page := browse(t, http.MethodGet, s.URL+"/docs")
		if got := response.Header.Get("Content-Security-Policy"); got != referenceCSP {
			t.Errorf("the policy is %s", got)
		}
		if inline := regexp.MustCompile(`<script[^>]*>[^<]|\son\w+=`).FindString(page); inline != "" {
			t.Errorf("the page has an inline script: %s", inline)
		}
		_, script := browse(t, http.MethodGet, s.URL+"/docs/reference.js")
		for _, setting := range []string{"persistAuthorization: false", "queryConfigEnabled: false", "validatorUrl: null"} {
			if !strings.Contains(script, setting) {
				t.Errorf("the script does not set %s", setting)
			}
		}
	})
}

func TestReferenceFiles(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Admin(t).With("")
		for _, path := range []string{"/docs", "/docs/reference.js", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"} {
			plain, body := browse(t, http.MethodGet, s.URL+path, apitest.Header("Accept-Encoding", "gzip;q=0"))
			etag := plain.Header.Get("ETag")
			if plain.StatusCode != http.StatusOK || etag == "" || plain.Header.Get("Content-Encoding") != "" {
				t.Errorf("%s: status %d, headers %v", path, plain.StatusCode, plain.Header)
			}
			if _, unpacked := browse(t, http.MethodGet, s.URL+path); unpacked != body {
				t.Errorf("%s is another file if it is compressed", path)
			}
			if head, none := browse(t, http.MethodHead, s.URL+path); head.StatusCode != http.StatusOK || none != "" {
				t.Errorf("HEAD %s: status %d and %d bytes", path, head.StatusCode, len(none))
			}
			if again, _ := browse(t, http.MethodGet, s.URL+path,
				apitest.Header("Accept-Encoding", "identity"), apitest.Header("If-None-Match", etag)); again.StatusCode != http.StatusNotModified {
				t.Errorf("%s has not changed, but the status is %d", path, again.StatusCode)
			}
			refused, _ := browse(t, http.MethodPost, s.URL+path)
			if allow := refused.Header.Get("Allow"); refused.StatusCode != http.StatusMethodNotAllowed || !strings.Contains(allow, "GET") {
				t.Errorf("POST %s: status %d, Allow: %s", path, refused.StatusCode, allow)
			}
		}
		packed, _ := browse(t, http.MethodGet, s.URL+"/docs/swagger-ui-bundle.js", apitest.Header("Accept-Encoding", "br, gzip"))
		if packed.Header.Get("Content-Encoding") != "gzip" || !strings.Contains(strings.Join(packed.Header.Values("Vary"), ","), "Accept-Encoding") {
			t.Errorf("the script is not compressed: %v", packed.Header)
		}
		for _, path := range []string{"/docs/nothing", "/docs/index.html", "/docs/..%2fopenapi.yaml", "/docs/reference.js/"} {
			c.Get(path).Problem(http.StatusNotFound, "not_found")
		}
	})
}
