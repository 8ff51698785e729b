package api_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"modelproviders/api/apitest"
)

// Large answers to GET are compressed for clients that accept gzip; those with a
// secret, errors and small ones are not.
func TestCompression(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := c.CreateProvider(apitest.OpenAI(object{"models": list{apitest.GPT("a", nil), apitest.GPT("b", nil), apitest.GPT("c", nil)}}))
		call := func(method, path, body, encoding string) *http.Response {
			r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+c.Token)
			r.Header.Set("Content-Type", "application/json")
			if encoding != "" {
				r.Header.Set("Accept-Encoding", encoding)
			}
			answer, err := (&http.Transport{DisableCompression: true}).RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = answer.Body.Close() })
			return answer
		}
		for _, path := range []string{"/providers", p.Path(), "/models", "/provider-types", "/openapi.yaml", "/openapi.json"} {
			answer := call(http.MethodGet, path, "", "br, gzip")
			if answer.Header.Get("Content-Encoding") != "gzip" || !strings.Contains(strings.Join(answer.Header.Values("Vary"), ","), "Accept-Encoding") {
				t.Fatalf("GET %s is answered with %v", path, answer.Header)
			}
			plain, err := gzip.NewReader(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(plain)
			if want := c.Get(path); err != nil || string(text) != want.Body || answer.Header.Get("ETag") != want.Header.Get("ETag") {
				t.Errorf("GET %s decompressed is %d bytes (%v), ETag %q, not %d bytes, ETag %q", path, len(text), err,
					answer.Header.Get("ETag"), len(want.Body), want.Header.Get("ETag"))
			}
		}
		long := strings.Repeat("x", 2000)
		for _, plain := range []struct{ method, path, body, encoding string }{
			{http.MethodGet, "/providers", "", ""},
			{http.MethodGet, "/providers", "", "gzip;q=0, br, zstd"},
			{http.MethodGet, "/me", "", "gzip"}, // small
			{http.MethodGet, "/providers?" + strings.Repeat("x=1&", 10) + "y" + long, "", "gzip"},
			{http.MethodGet, "/models/" + long, "", "gzip"},
			{http.MethodHead, "/providers", "", "gzip"},
			{http.MethodPost, p.Path() + "/credentials/api_key/reveal", "{}", "gzip"},
			{http.MethodPost, "/tokens", `{"name":"` + apitest.UniqueName("t") + `","role":"viewer"}`, "gzip"},
			{http.MethodPatch, p.Path(), `{}`, "gzip"},
		} {
			answer := call(plain.method, plain.path, plain.body, plain.encoding)
			if got := answer.Header.Get("Content-Encoding"); got != "" {
				t.Errorf("%s %.40s with Accept-Encoding %q: status %d, Content-Encoding %q", plain.method, plain.path, plain.encoding, answer.StatusCode, got)
			}
		}
	})
}
