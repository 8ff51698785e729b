package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"modelproviders/api/apitest"
)

// Query parameters that a route does not know, that come twice or make no sense
// are refused, all of them at once.
func TestQueryParameters(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		for _, o := range operations(p) {
			refused := func(query string, fields ...string) {
				t.Helper()
				c.Do(o.method, o.path+"?"+query, o.body).Problem(http.StatusBadRequest, "malformed_request", fields...)
			}
			refused("bogus=1", "bogus unknown")
			refused("Limit=1&x=&x=", "Limit unknown", "x unknown")
			refused("=1", " unknown")
			refused("a%00b=1", "a\x00b unknown")
			refused("limit%20=1", "limit  unknown")
			refused("bogus", "bogus unknown")
			refused("q=%zz")
			refused("a;b=1")
		}
		unchanged(t, c, p)
		for _, path := range []string{"/providers", "/models", p.Path() + "/models"} {
			refused := func(query string, fields ...string) {
				t.Helper()
				c.Get(path+"?"+query).Problem(http.StatusBadRequest, "malformed_request", fields...)
			}
			refused("limit=5&limit=5", "limit duplicate")
			refused("q=a&q=a&q=b", "q duplicate")
			refused("q=%ff", "q invalid")
			refused("q=%00", "q invalid")
			refused("q=a%0ab", "q invalid")
			refused("q="+strings.Repeat("x", 5000), "q too_long")
			refused("sort=bogus", "sort invalid")
			refused("sort=", "sort invalid")
			refused("sort=NAME", "sort invalid")
			refused("sort=name,created_at", "sort invalid")
			refused("sort=x&limit=0", "sort invalid", "limit invalid")
			refused("offset=1&limit=1&limit=2", "offset unknown", "limit duplicate")
			c.Get(path + "?").Is(http.StatusOK)
			c.Get(path + "?&").Is(http.StatusOK)
			c.Get(path + "?q=").Is(http.StatusOK)
		}
		c.Get("/providers?type=bogus&status=on&sort=x&limit=x").Problem(http.StatusBadRequest, "malformed_request",
			"type invalid", "status invalid", "sort invalid", "limit invalid")
		c.Get("/providers?type=&status=").Problem(http.StatusBadRequest, "malformed_request", "type invalid", "status invalid")
		c.Get("/providers?stage=planning&available=true").Problem(http.StatusBadRequest, "malformed_request", "stage unknown", "available unknown")
		c.Get("/models?stage=dreaming&enabled=1&available=yes&provider_id=x&provider_type=x&provider_status=x").Problem(http.StatusBadRequest, "malformed_request",
			"stage invalid", "enabled invalid", "available invalid", "provider_id invalid", "provider_type invalid", "provider_status invalid")
		c.Get("/models?stage=&enabled=&available=&provider_id=&provider_type=&provider_status=").Problem(http.StatusBadRequest, "malformed_request",
			"stage invalid", "enabled invalid", "available invalid", "provider_id invalid", "provider_type invalid", "provider_status invalid")
		c.Get(p.Path()+"/models?provider_id="+p.ID).Problem(http.StatusBadRequest, "malformed_request", "provider_id unknown")
		c.Get("/models?enabled=TRUE").Problem(http.StatusBadRequest, "malformed_request", "enabled invalid")
		for _, id := range []string{strings.ReplaceAll(p.ID, "-", ""), "{" + p.ID + "}", "urn:uuid:" + p.ID} {
			c.Get("/models?provider_id="+url.QueryEscape(id)).Problem(http.StatusBadRequest, "malformed_request", "provider_id invalid")
		}
	})
}

// A search is for a substring, without regard to case, in the name as people
// read it: characters have no special meaning, and composed and decomposed
// letters are the same.
func TestSearch(t *testing.T) {
	names := []string{"Große Straße", "Café Zürich", "Cafe\u0301 Paris", "100%", "100 percent", "snake_case", "snakeXcase", `back\slash`, "O'Brien", "ΣΊΣΥΦΟΣ", "İstanbul", "日本語モデル", "a b", "😀 model"}
	found := map[string][]string{
		"strasse":         {"Große Straße"},
		"STRASSE":         {"Große Straße"},
		"straße":          {"Große Straße"},
		"ß":               {"Große Straße"},
		"GROSSE":          {"Große Straße"},
		"café":            {"Cafe\u0301 Paris", "Café Zürich"},
		"CAFE\u0301":      {"Cafe\u0301 Paris", "Café Zürich"},
		"zu\u0308rich":    {"Café Zürich"},
		"%":               {"100%"},
		"100%":            {"100%"},
		"1%":              {},
		"_":               {"snake_case"},
		"e_c":             {"snake_case"},
		`\`:               {`back\slash`},
		`\s`:              {`back\slash`},
		"'":               {"O'Brien"},
		"' OR 1=1 --":     {},
		"*":               {},
		"σίσυφος":         {"ΣΊΣΥΦΟΣ"},
		"ΣΊΣΥΦΟς":         {"ΣΊΣΥΦΟΣ"},
		"語モ":              {"日本語モデル"},
		"a b":             {"a b"},
		"a  b":            {},
		"😀":               {"😀 model"},
		"snake":           {"snake_case", "snakeXcase"},
		"nothing of them": {},
	}
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		models := list{}
		for _, name := range names {
			c.CreateProvider(apitest.OpenAI(object{"name": name}))
			models = append(models, apitest.GPT("id of "+name, object{"display_name": name, "supported_stages": list{"planning"}}))
		}
		p := c.CreateProvider(apitest.OpenAI(object{"name": "-", "models": models}))
		for q, want := range found {
			wantList(t, "providers, q="+q, providerNames(walk[apitest.Provider](c, "/providers?q="+url.QueryEscape(q), 2)), want...)
			for _, path := range []string{"/models", p.Path() + "/models"} {
				wantList(t, path+", q="+q, displayNames(walk[apitest.Model](c, path+"?q="+url.QueryEscape(q), 2)), want...)
			}
		}
		// Models are found by their id too.
		wantList(t, "by model id", displayNames(walk[apitest.Model](c, "/models?q="+url.QueryEscape("ID OF BACK"), 2)), `back\slash`)
		wantList(t, "percent in a model id", displayNames(walk[apitest.Model](c, "/models?q="+url.QueryEscape("of 100%"), 2)), "100%")
	})
}

func TestProviderFilters(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		settings := apitest.Settings(t)
		for _, typ := range []string{"openai", "anthropic", "custom"} {
			c.CreateProvider(object{"name": typ + " on", "type": typ, "credentials": settings[typ]["credentials"], "config": settings[typ]["config"]})
			off := c.CreateProvider(object{"name": typ + " off", "type": typ, "credentials": settings[typ]["credentials"], "config": settings[typ]["config"]})
			c.EditProvider(off.ID, object{"status": "inactive"})
		}
		broken := blockedProvider(c)
		c.EditProvider(broken.ID, object{"name": "custom broken"})
		c.Post("/models/"+broken.Models[0].ID+"/test", object{"prompt": "Hi"}).Is(http.StatusOK)
		for query, want := range map[string][]string{
			"?type=openai":                        {"openai off", "openai on"},
			"?type=gcp_vertex_ai":                 {},
			"?status=active":                      {"anthropic on", "custom on", "openai on"},
			"?status=inactive":                    {"anthropic off", "custom off", "openai off"},
			"?status=error":                       {"custom broken"},
			"?type=custom&status=error":           {"custom broken"},
			"?type=custom&status=active":          {"custom on"},
			"?type=custom&status=inactive&q=OFF":  {"custom off"},
			"?q=o&type=custom&sort=-name":         {"custom on", "custom off", "custom broken"},
			"?q=broken&status=active":             {},
			"?status=inactive&sort=created_at":    {"openai off", "anthropic off", "custom off"},
			"?type=custom&sort=-created_at&q=%20": {"custom broken", "custom off", "custom on"},
		} {
			wantList(t, query, providerNames(walk[apitest.Provider](c, "/providers"+query, 1)), want...)
		}
		// Switched off, a broken provider is inactive; what was observed stays.
		c.EditProvider(broken.ID, object{"status": "inactive"})
		wantList(t, "error", providerNames(walk[apitest.Provider](c, "/providers?status=error", 5)))
		c.EditProvider(broken.ID, object{"status": "active"})
		wantList(t, "error", providerNames(walk[apitest.Provider](c, "/providers?status=error", 5)), "custom broken")
	})
}
