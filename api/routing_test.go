package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
)

func TestUnknownPath(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		for _, path := range []string{
			"/", "/provider", "/Providers", "/providers/", "//providers", "/api/v1/providers", "/providers/" + p.ID + "/",
			"/providers/" + p.ID + "/model", "/providers/" + p.ID + "/credentials", "/providers/" + p.ID + "/credentials/api_key",
			"/providers/" + p.ID + "/models/" + p.Models[0].ID + "/x", "/models/" + p.Models[0].ID + "/references/a/b", "/stages/planning", "/healthz/x", "/openapi.yml", "/..%2fproviders",
			"/%00", "/" + strings.Repeat("x", 5000),
		} {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete, http.MethodPut} {
				c.Do(method, path, nil).Problem(http.StatusNotFound, "not_found")
			}
			c.With("").Get(path).Problem(http.StatusNotFound, "not_found")
		}
	})
}

func TestWrongMethod(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		m := p.Models[0]
		for path, allowed := range map[string][]string{
			"/me":                               {"GET", "HEAD"},
			"/tokens":                           {"GET", "HEAD", "POST"},
			"/tokens/" + unknownID:              {"DELETE"},
			"/changes":                          {"GET", "HEAD"},
			"/audit-events":                     {"GET", "HEAD"},
			"/metrics":                          {"GET", "HEAD"},
			"/healthz":                          {"GET", "HEAD"},
			"/readyz":                           {"GET", "HEAD"},
			"/openapi.yaml":                     {"GET", "HEAD"},
			"/openapi.json":                     {"GET", "HEAD"},
			"/console/config.json":              {"GET", "HEAD"},
			"/provider-types":                   {"GET", "HEAD"},
			"/provider-types/openai":            {"GET", "HEAD"},
			"/stages":                           {"GET", "HEAD"},
			"/providers":                        {"GET", "HEAD", "POST"},
			p.Path():                            {"GET", "HEAD", "PATCH", "DELETE"},
			p.Path() + "/clone":                 {"POST"},
			p.Path() + "/test":                  {"POST"},
			p.Path() + "/models":                {"GET", "HEAD", "POST"},
			m.Path():                            {"GET", "HEAD", "PATCH", "DELETE"},
			"/models":                           {"GET", "HEAD"},
			"/models/" + m.ID:                   {"GET", "HEAD"},
			"/models/" + m.ID + "/test":         {"POST"},
			"/models/" + m.ID + "/verify":       {"POST"},
			"/models/" + m.ID + "/references":   {"GET", "HEAD"},
			"/models/" + m.ID + "/references/x": {"GET", "HEAD", "PUT", "DELETE"},
			"/provider-types/openai/test":       {"POST"},
			"/provider-types/openai/check":      {"POST"},
			"/icons/openai.svg":                 {"GET", "HEAD"},
			"/provider-types/openai/available-models": {"POST"},
			p.Path() + "/check":                       {"POST"},
			p.Path() + "/test-models":                 {"POST"},
			p.Path() + "/credentials/api_key/reveal":  {"POST"},
			p.Path() + "/available-models":            {"GET", "HEAD", "POST"},
			"/credentials/lookup":                     {"POST"},
		} {
			for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
				if slices.Contains(allowed, method) {
					continue
				}
				answer := c.Do(method, path, nil)
				detail := answer.Problem(http.StatusMethodNotAllowed, "method_not_allowed")
				if want := method + " is not allowed here; use "; !strings.HasPrefix(detail, want) || !strings.Contains(detail, allowed[0]) {
					t.Errorf("%s %s: got the detail %q, want %q and the methods", method, path, detail, want)
				}
				told := strings.FieldsFunc(answer.Header.Get("Allow"), func(r rune) bool { return r == ',' || r == ' ' })
				if !sameMembers(without(told, "OPTIONS"), allowed) {
					t.Errorf("%s %s tells Allow: %s, which should be %v", method, path, answer.Header.Get("Allow"), allowed)
				}
			}
			c.Do("BREW", path, nil).Problem(http.StatusMethodNotAllowed, "method_not_allowed")
		}
	})
}

func sameMembers(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func without(all []string, one string) []string {
	return slices.DeleteFunc(all, func(s string) bool { return s == one })
}

// HEAD is GET without the body.
func TestHead(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		paths := []string{"/healthz", "/readyz", "/openapi.yaml", "/openapi.json", "/nothing", "/providers/" + unknownID, "/providers?bogus=1"}
		for _, o := range operations(p) {
			if o.method == http.MethodGet && !strings.HasSuffix(o.path, "/available-models") {
				paths = append(paths, o.path)
			}
		}
		for _, path := range paths {
			get, head := c.Get(path), c.Do(http.MethodHead, path, nil)
			head.Is(get.Status)
			for _, header := range []string{"Content-Type", "ETag", "Cache-Control"} {
				head.Has(header, get.Header.Get(header))
			}
			if head.Body != "" {
				t.Errorf("HEAD %s has a body: %s", path, head.Body)
			}
		}
		c.With("").Do(http.MethodHead, "/providers", nil).Is(http.StatusUnauthorized)
	})
}

// What a client accepts is never a reason to refuse it.
func TestAccept(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		for _, accept := range []string{"", "*/*", "text/html", "application/xml", "application/json;q=0", "nonsense", "text/event-stream"} {
			c.Get("/providers", apitest.Header("Accept", accept)).Is(http.StatusOK).Has("Content-Type", "application/json")
			c.Get("/providers/"+unknownID, apitest.Header("Accept", accept)).Problem(http.StatusNotFound, "not_found")
			c.Post("/providers", apitest.OpenAI(nil), apitest.Header("Accept", accept)).Is(http.StatusCreated)
		}
	})
}

// An id that is no UUID is the id of nothing; upper case is the same id.
func TestIDs(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		m := p.Models[0]
		for _, id := range []string{
			unknownID, "1", "x", "null", "undefined", "..", "%2e%2e", "a%2Fb", "%00", "%ff", "%0a", "'", "*", "{" + p.ID + "}", "urn:uuid:" + p.ID,
			strings.ReplaceAll(p.ID, "-", ""), p.ID + "0", p.ID + "%20", "%20" + p.ID, p.ID[:35] + "g", "00000000-0000-0000-0000-000000000000",
			p.Name, strings.Repeat("9", 5000), "１２３４",
		} {
			for _, o := range operations(p) {
				for _, path := range []string{strings.ReplaceAll(o.path, p.ID, id), strings.ReplaceAll(o.path, m.ID, id)} {
					if path == o.path {
						continue
					}
					c.Do(o.method, path, o.body).Problem(http.StatusNotFound, "not_found")
				}
			}
		}
		unchanged(t, c, p)

		upper := func(path string) string {
			return strings.NewReplacer(p.ID, strings.ToUpper(p.ID), m.ID, strings.ToUpper(m.ID)).Replace(path)
		}
		for _, o := range operations(p) {
			answer := c.Do(o.method, upper(o.path), o.body)
			if answer.Status == http.StatusNotFound && !strings.HasSuffix(o.path, unknownID) {
				t.Errorf("%s is not found in upper case", o)
			}
		}
		c.Get(p.Path()).Problem(http.StatusNotFound, "not_found")
	})
}

// A model is not found under another provider than its own.
func TestModelOfAnotherProvider(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p, other := blockedProvider(c), blockedProvider(c)
		path := other.Path() + "/models/" + p.Models[0].ID
		c.Get(path).Problem(http.StatusNotFound, "not_found")
		c.Patch(path, object{"enabled": false}).Problem(http.StatusNotFound, "not_found")
		c.Delete(path).Problem(http.StatusNotFound, "not_found")
		unchanged(t, c, p)
		unchanged(t, c, other)
	})
}

// With a base path the whole API is under it, and nothing is anywhere else.
func TestBasePath(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		answer := c.Post("/providers", apitest.OpenAI(object{"models": list{apitest.GPT("a", nil)}})).Is(http.StatusCreated)
		p := answer.Provider()
		answer.Has("Location", "/api/v1"+p.Path())
		c.Post(p.Path()+"/models", apitest.GPT("b", nil)).Is(http.StatusCreated).
			Has("Location", "/api/v1"+p.Path()+"/models/"+c.Provider(p.ID).Models[1].ID)
		c.Post(p.Path()+"/models/bulk", object{"models": list{apitest.GPT("c", nil)}}).Is(http.StatusCreated).
			Has("Location", "/api/v1"+p.Path()+"/models")
		c.Get("/healthz").Is(http.StatusOK)
		if servers, _ := c.Get("/openapi.json").Is(http.StatusOK).Object()["servers"].(list); len(servers) != 1 || servers[0].(object)["url"] != "/api/v1" {
			t.Errorf("the description names the servers %v", servers)
		}
		c.Get("/nothing").Problem(http.StatusNotFound, "not_found")
		for _, path := range []string{"/healthz", "/providers", "/openapi.yaml"} {
			request, err := http.NewRequest(http.MethodGet, strings.TrimSuffix(s.URL, "/api/v1")+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != http.StatusNotFound {
				t.Errorf("%s outside the base path is answered with %d", path, response.StatusCode)
			}
		}
	}, func(cfg *app.Config) { cfg.BasePath = "/api/v1" })
}
