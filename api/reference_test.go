package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/auth"
)

// reference is a reference as it is answered.
type reference struct {
	Ref       string  `json:"ref"`
	Label     string  `json:"label"`
	URL       *string `json:"url"`
	CreatedAt string  `json:"created_at"`
	UpdatedAt string  `json:"updated_at"`
}

func referencePath(m apitest.Model, ref string) string {
	return "/models/" + m.ID + "/references/" + url.PathEscape(ref)
}

// refer adds a reference to a model.
func refer(c *apitest.Client, m apitest.Model, ref string) {
	c.Do(http.MethodPut, referencePath(m, ref), object{"label": "Rule: " + ref}).Is(http.StatusCreated)
}

// wantCounts checks the counts of references in every answer that has one.
func wantCounts(t *testing.T, c *apitest.Client, p apitest.Provider, counts ...int) {
	t.Helper()
	sum := 0
	check := func(what string, got, want int) {
		if got != want {
			t.Errorf("%s: reference_count is %d, not %d", what, got, want)
		}
	}
	for i, n := range counts {
		sum += n
		check("a model", c.Model(p.Models[i].ID).ReferenceCount, n)
		check("a model of the provider", c.Get(p.Models[i].Path()).Is(http.StatusOK).Model().ReferenceCount, n)
		check("a model in the provider", c.Provider(p.ID).Models[i].ReferenceCount, n)
	}
	check("the provider", c.Provider(p.ID).ReferenceCount, sum)
	for _, list := range []string{"/providers", "/providers?view=summary"} {
		for _, listed := range walk[apitest.Provider](c, list, 100) {
			if listed.ID == p.ID {
				check(list, listed.ReferenceCount, sum)
			}
		}
	}
	for _, list := range []string{"/models?provider_id=" + p.ID, p.Path() + "/models"} {
		listed := 0
		for _, m := range walk[apitest.Model](c, list, 100) {
			listed += m.ReferenceCount
		}
		check(list, listed, sum)
	}
}

func TestReferences(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		m := p.Models[0]
		path := referencePath(m, "rule-7")
		c.Get(path).Problem(http.StatusNotFound, "not_found")
		c.Get("/models/" + m.ID + "/references").Is(http.StatusOK)

		put := object{"label": "  Rule: EU support\n", "url": "https://routing.example.com/rules/7?a=b#c"}
		answer := c.Do(http.MethodPut, path, put).Is(http.StatusCreated).Has("Location", path).Has("ETag", "")
		var made, again, edited reference
		answer.Into(&made)
		if made.Ref != "rule-7" || made.Label != "Rule: EU support" || made.URL == nil || *made.URL != put["url"] || made.CreatedAt == "" || made.UpdatedAt != made.CreatedAt {
			t.Errorf("the reference is %s", answer.Body)
		}
		if e := newest(t, c, ""); e.Action != "reference.put" || e.Target.Type != "reference" || e.Target.ID != m.ID+"/rule-7" || e.Target.Name != m.ModelID+"/rule-7" || len(e.Changes) != 2 {
			t.Errorf("the event is %+v", e)
		}
		if read := c.Get(path).Is(http.StatusOK); read.Body != answer.Body {
			t.Errorf("it is read as %s", read.Body)
		}

		// The same again changes nothing, and is no event.
		before := newest(t, c, "").ID
		c.Do(http.MethodPut, path, put).Is(http.StatusOK).Into(&again)
		if again.UpdatedAt != made.UpdatedAt || newest(t, c, "").ID != before {
			t.Errorf("repeated, it is %+v", again)
		}
		c.Do(http.MethodPut, path, object{"label": "Rule: support"}).Is(http.StatusOK).Into(&edited)
		if edited.Label != "Rule: support" || edited.URL != nil || edited.CreatedAt != made.CreatedAt {
			t.Errorf("changed, it is %+v", edited)
		}
		if e := newest(t, c, ""); e.Action != "reference.put" || len(e.Changes) != 2 || string(e.Changes[0].New) != `"Rule: support"` || string(e.Changes[1].New) != "" {
			t.Errorf("the event of the change is %+v", e)
		}
		wantCounts(t, c, p, 1)

		c.Delete(path).Is(http.StatusNoContent)
		if e := newest(t, c, ""); e.Action != "reference.delete" || e.Target.ID != m.ID+"/rule-7" || len(e.Changes) != 1 {
			t.Errorf("the event of the deletion is %+v", e)
		}
		c.Delete(path).Problem(http.StatusNotFound, "not_found")
		wantCounts(t, c, p, 0)
		unchanged(t, c, p)
		if after := c.Model(m.ID); after.Version != 1 || after.UpdatedAt != m.UpdatedAt {
			t.Errorf("the model changed: %+v", after)
		}
	})
}

func TestReferenceFields(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		m := blockedProvider(c).Models[0]
		refused := func(body any, fields ...string) {
			t.Helper()
			c.Do(http.MethodPut, referencePath(m, "r"), body).Problem(http.StatusUnprocessableEntity, "validation_failed", fields...)
		}
		refused(object{}, "label required")
		refused(object{"label": " ", "url": "ftp://example.com"}, "label required", "url invalid")
		refused(object{"label": "a\nb"}, "label invalid")
		refused(object{"label": strings.Repeat("é", 201)}, "label too_long")
		refused(object{"label": "a", "url": "https://" + strings.Repeat("a", 2048)}, "url too_long")
		for _, address := range []string{"example.com", "//example.com/a", "/a", "javascript:alert(1)", "https://", "https://:443", "https://u:p@example.com", "http://a b", "https://a\x00"} {
			refused(object{"label": "a", "url": address}, "url invalid")
		}
		c.Do(http.MethodPut, referencePath(m, "r"), object{"label": "a", "ref": "r"}).Problem(http.StatusBadRequest, "malformed_request", "ref unknown")
		refused(object{"label": "a", "url": ""}, "url required")
		refused(object{"label": "a", "url": nil}, "url required")
		for _, address := range []string{"http://localhost:3000", "HTTPS://example.com/ü?x", "http://10.0.0.1/"} {
			c.Do(http.MethodPut, referencePath(m, "r"+address), object{"label": strings.Repeat("é", 200), "url": address}).Is(http.StatusCreated)
		}
		c.Do(http.MethodPut, referencePath(apitest.Model{ID: unknownID}, "r"), object{"label": "a"}).Problem(http.StatusNotFound, "not_found")
		c.Get("/models/"+unknownID+"/references").Problem(http.StatusNotFound, "not_found")
		c.Get(referencePath(apitest.Model{ID: unknownID}, "r")).Problem(http.StatusNotFound, "not_found")
	})
}

// A ref is any text, escaped as one segment of the path.
func TestRef(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		m := blockedProvider(c).Models[0]
		refs := []string{"a", "A", " a ", "a/b", "/", "a//b/", "a/../b", "%2F", "%", "?", "#", "a+b", "ä", "日本", "a;b", "*", "...", "'", `"`, strings.Repeat("日", 200)}
		slices.Sort(refs)
		for _, ref := range refs {
			var put, read reference
			location := referencePath(m, ref)
			c.Do(http.MethodPut, location, object{"label": "a"}).Is(http.StatusCreated).Has("Location", location).Into(&put)
			c.Get(location).Is(http.StatusOK).Into(&read)
			if put.Ref != ref || read != put {
				t.Errorf("the ref %q is stored as %q and read as %q", ref, put.Ref, read.Ref)
			}
		}
		var listed []string
		for _, r := range walk[reference](c, "/models/"+m.ID+"/references", 3) {
			listed = append(listed, r.Ref)
		}
		if !slices.Equal(listed, refs) {
			t.Errorf("the list has %q", listed)
		}
		c.Get("/models/"+m.ID+"/references?limit=101").Problem(http.StatusBadRequest, "malformed_request", "limit invalid")
		c.Get("/models/"+m.ID+"/references?cursor=x").Problem(http.StatusBadRequest, "malformed_request", "cursor invalid")
		for _, ref := range refs {
			c.Delete(referencePath(m, ref)).Is(http.StatusNoContent)
			c.Delete(referencePath(m, ref)).Problem(http.StatusNotFound, "not_found")
		}

		for segment, code := range map[string]string{
			strings.Repeat("%E6%97%A5", 201): "too_long", "a%00": "invalid", "a%0A": "invalid", "%FF": "invalid", "%E2%80%A8": "invalid",
			"%2E": "invalid", "%2E%2E": "invalid",
		} {
			path := "/models/" + m.ID + "/references/" + segment
			c.Do(http.MethodPut, path, object{"label": "a"}).Problem(http.StatusUnprocessableEntity, "validation_failed", "ref "+code)
			c.Get(path).Problem(http.StatusNotFound, "not_found")
			c.Delete(path).Problem(http.StatusNotFound, "not_found")
		}
		for _, path := range []string{"a/b", "a/"} {
			c.Do(http.MethodPut, "/models/"+m.ID+"/references/"+path, object{"label": "a"}).Problem(http.StatusNotFound, "not_found")
		}
	})
}

func TestReferenceLimit(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		m := p.Models[0]
		for i := range 100 {
			refer(c, m, fmt.Sprint("rule ", i))
		}
		c.Do(http.MethodPut, referencePath(m, "one more"), object{"label": "a"}).Problem(http.StatusUnprocessableEntity, "validation_failed", "ref too_many")
		c.Do(http.MethodPut, referencePath(m, "rule 7"), object{"label": "Changed"}).Is(http.StatusOK)
		other := c.CreateModel(p.ID, apitest.GPT("other", nil))
		refer(c, other, "a")

		use := c.Delete(p.Path()).InUse()
		if len(use.References) != 100 || use.Count != 101 {
			t.Errorf("%d of %d references are listed", len(use.References), use.Count)
		}
		c.Delete(referencePath(m, "rule 7")).Is(http.StatusNoContent)
		refer(c, m, "one more")
	})
}

// What removes or disables a model that is used needs force, and its event says so.
func TestInUse(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		newProvider := func() apitest.Provider {
			p := c.CreateProvider(apitest.Custom(blockedURL, object{"models": list{apitest.GPT("a", nil), apitest.GPT("b", nil), apitest.GPT("unused", nil)}}))
			refer(c, p.Models[0], "one")
			c.Do(http.MethodPut, referencePath(p.Models[1], "two"), object{"label": "Two", "url": "https://example.com/2"}).Is(http.StatusCreated)
			refer(c, p.Models[1], "three")
			return c.Provider(p.ID)
		}
		for name, test := range map[string]struct {
			action string
			used   int
			method string
			path   func(p apitest.Provider) string
			body   func(p apitest.Provider) any
		}{
			"delete a model": {"model.delete", 2, http.MethodDelete,
				func(p apitest.Provider) string { return p.Models[1].Path() }, nil},
			"disable a model": {"model.update", 2, http.MethodPatch,
				func(p apitest.Provider) string { return p.Models[1].Path() },
				func(apitest.Provider) any { return object{"enabled": false, "display_name": "Off"} }},
			"delete the provider":  {"provider.delete", 3, http.MethodDelete, apitest.Provider.Path, nil},
			"disable the provider": {"provider.update", 3, http.MethodPatch, apitest.Provider.Path, func(apitest.Provider) any { return object{"status": "inactive"} }},
			"leave a model out of the list": {"provider.update", 1, http.MethodPatch, apitest.Provider.Path,
				func(p apitest.Provider) any { return object{"models": list{object{"id": p.Models[1].ID}}} }},
			"disable a model in the list": {"provider.update", 2, http.MethodPatch, apitest.Provider.Path,
				func(p apitest.Provider) any {
					return object{"models": list{object{"id": p.Models[0].ID}, object{"id": p.Models[1].ID, "enabled": false}, object{"id": p.Models[2].ID}}}
				}},
			"replace a model in the list": {"provider.update", 1, http.MethodPatch, apitest.Provider.Path,
				func(p apitest.Provider) any {
					return object{"models": list{apitest.GPT("new", nil), object{"id": p.Models[1].ID}, object{"id": p.Models[2].ID}}}
				}},
		} {
			t.Run(name, func(t *testing.T) {
				c := c.In(t)
				p := newProvider()
				var body any
				if test.body != nil {
					body = test.body(p)
				}
				send := func(query string, edits ...apitest.Edit) *apitest.Answer {
					t.Helper()
					return c.Do(test.method, test.path(p)+query, body, edits...)
				}
				for _, query := range []string{"", "?force=false"} {
					use := send(query).InUse()
					if use.Count != test.used || len(use.References) != test.used {
						t.Errorf("it is used by %+v", use)
					}
					for _, r := range use.References {
						if r.Ref == "two" && (r.ID != p.Models[1].ID || r.ModelID != "b" || r.Label != "Two" || r.URL != "https://example.com/2") {
							t.Errorf("the reference in the problem is %+v", r)
						}
					}
				}
				unchanged(t, c, p)
				wantCounts(t, c, p, 1, 2, 0)
				for _, value := range []string{"", "1", "yes", "TRUE"} {
					send("?force="+value).Problem(http.StatusBadRequest, "malformed_request", "force invalid")
				}
				send("?force=true", apitest.IfMatch(99)).Problem(http.StatusPreconditionFailed, "version_mismatch")

				if status := send("?force=true").Status; status != http.StatusOK && status != http.StatusNoContent {
					t.Errorf("with force it is %d", status)
				}
				e := newest(t, c, "")
				if last := e.Changes[len(e.Changes)-1]; e.Action != test.action || last.Field != "force" || string(last.New) != "true" || last.Old != nil {
					t.Errorf("the event is %+v", e)
				}
			})
		}
	})
}

// What takes no model away from those who use it needs no force.
func TestNotInUse(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := c.CreateProvider(apitest.Custom(blockedURL, object{"models": list{apitest.GPT("a", nil), apitest.GPT("off", object{"enabled": false}), apitest.GPT("c", nil)}}))
		used, off, unused := p.Models[0], p.Models[1], p.Models[2]
		refer(c, used, "one")
		refer(c, off, "two")

		c.Patch(used.Path(), object{"model_id": "renamed", "display_name": "Renamed", "supported_stages": list{"guardrail"}}).Is(http.StatusOK)
		c.Patch(p.Path(), object{"name": apitest.UniqueName("Renamed"), "credentials": object{"api_key": "sk-new-" + apitest.Secret}}).Is(http.StatusOK)
		c.Patch(p.Path(), object{"config": object{"base_url": blockedURL + "/v2"}, "credentials": object{"api_key": "sk-new-" + apitest.Secret}}).Is(http.StatusOK)
		c.Patch(off.Path(), object{"enabled": false, "display_name": "Still off"}).Is(http.StatusOK)
		c.Patch(off.Path(), object{"enabled": true}).Is(http.StatusOK)
		c.Patch(off.Path(), object{"enabled": false}).InUse()
		wantCounts(t, c, p, 1, 1, 0)

		// An edit may send back what it received, and force says nothing where nothing is used.
		answered := c.Get(p.Path()).Object()
		delete(answered, "credentials")
		c.Patch(p.Path(), answered).Is(http.StatusOK).Has("ETag", fmt.Sprintf(`"%d"`, c.Provider(p.ID).Version))
		c.Patch(used.Path(), c.Get(used.Path()).Object()).Is(http.StatusOK)
		c.Delete(unused.Path() + "?force=true").Is(http.StatusNoContent)
		for _, change := range newest(t, c, "").Changes {
			if change.Field == "force" {
				t.Error("the deletion of an unused model is recorded as forced")
			}
		}

		clone := cloneOf(c, p, apitest.UniqueName("Clone"))
		if clone.ReferenceCount != 0 || len(walk[reference](c, "/models/"+clone.Models[0].ID+"/references", 100)) != 0 {
			t.Errorf("the clone has %d references", clone.ReferenceCount)
		}
		c.Patch(p.Path()+"?force=true", object{"status": "inactive"}).Is(http.StatusOK)
		refer(c, off, "while it is off")
		c.Patch(p.Path(), object{"status": "inactive", "name": apitest.UniqueName("Off")}).Is(http.StatusOK)
		c.Patch(p.Path(), object{"status": "active"}).Is(http.StatusOK)
		c.Delete(p.Path()).InUse()
		for _, m := range []apitest.Model{used, off} {
			for _, r := range walk[reference](c, "/models/"+m.ID+"/references", 100) {
				c.Delete(referencePath(m, r.Ref)).Is(http.StatusNoContent)
			}
		}
		c.Delete(p.Path()).Is(http.StatusNoContent)
	})
}

// References need a scope of their own to write, and none but that.
func TestReferenceScope(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		m := blockedProvider(c).Models[0]
		made := c.Post("/tokens", object{"name": "routing", "scopes": list{"references:write"}}).Is(http.StatusCreated).Object()
		routing := c.With(made["token"].(string))
		refer(routing, m, "one")
		routing.Get(referencePath(m, "one")).Problem(http.StatusForbidden, "forbidden")
		routing.Delete(m.Path()+"?force=true").Problem(http.StatusForbidden, "forbidden")
		viewer := c.As(auth.Viewer)
		viewer.Get(referencePath(m, "one")).Is(http.StatusOK)
		viewer.Delete(referencePath(m, "one")).Problem(http.StatusForbidden, "forbidden")
		routing.Delete(referencePath(m, "one")).Is(http.StatusNoContent)

		theirs := s.Workspace(t)
		theirs.Do(http.MethodPut, referencePath(m, "one"), object{"label": "a"}).Problem(http.StatusNotFound, "not_found")
	})
}

// Whoever comes second learns of the first: a reference is never to a model that is gone,
// and a model that was given one is not removed without force.
func TestReferenceWhileRemoved(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		for round := range 12 {
			p := blockedProvider(c)
			m := p.Models[0]
			remove := []func() *apitest.Answer{
				func() *apitest.Answer { return c.Delete(m.Path()) },
				func() *apitest.Answer { return c.Delete(p.Path()) },
				func() *apitest.Answer { return c.Patch(p.Path(), object{"models": list{}}) },
				func() *apitest.Answer { return c.Patch(p.Path(), object{"status": "inactive"}) },
			}[round%4]
			var removed int
			got := atOnce(6, func(i int) *apitest.Answer {
				if i == 0 {
					answer := remove()
					removed = answer.Status
					return answer
				}
				return c.Do(http.MethodPut, referencePath(m, "same"), object{"label": "Same"})
			})
			got[removed]--
			switch first := got[http.StatusCreated] == 1 && got[http.StatusOK] == 4; {
			case removed == http.StatusConflict && first:
				wantCounts(t, c, p, 1)
			case removed == http.StatusOK && first && round%4 == 3: // a model that is off can get references
				wantCounts(t, c, p, 1)
			case removed != http.StatusConflict && got[http.StatusNotFound] == 5:
				c.Get("/models/"+m.ID+"/references").Problem(http.StatusNotFound, "not_found")
			default:
				t.Errorf("the removal is answered with %d, references with %v", removed, got)
			}
		}
	})
}
