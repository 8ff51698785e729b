package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"modelproviders/api/apitest"
)

// If-Match names the versions that the edit is meant for.
func TestIfMatch(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		match := func(value string) apitest.Edit { return apitest.Header("If-Match", value) }
		// targets are a provider and a model of version 2, and how to edit them without a change.
		p := c.CreateProvider(apitest.OpenAI(object{"models": list{apitest.GPT("a", nil)}}))
		c.Patch(p.Models[0].Path(), object{"display_name": "Second"}).Is(http.StatusOK).Has("ETag", `"2"`)
		for _, path := range []string{p.Path(), p.Models[0].Path()} {
			t.Run(strings.NewReplacer(p.ID, "id", p.Models[0].ID, "id").Replace(path), func(t *testing.T) {
				c := c.In(t)
				for _, holds := range []string{
					`"2"`, ` "2" `, `*`, `W/"2"`, `"1", "2"`, `"1","2"`, `W/"1", W/"2"`, `, "2",`, `"x", "2"`, `"", "2"`, `"a,b", "2"`,
				} {
					c.Patch(path, object{}, match(holds)).Is(http.StatusOK).Has("ETag", `"2"`)
				}
				for _, stale := range []string{
					`"1"`, `"3"`, `W/"1"`, `"1", "3"`, `"02"`, `"+2"`, `" 2"`, `"2 "`, `"0"`, `"-2"`, `"x"`, `""`, `"2a"`, `"1,2"`, `"99999999999999999999"`, `"２"`,
				} {
					c.Patch(path, object{"enabled": true}, match(stale)).Problem(http.StatusPreconditionFailed, "version_mismatch")
					c.Delete(path, match(stale)).Problem(http.StatusPreconditionFailed, "version_mismatch")
				}
				for _, broken := range []string{`2`, `'2'`, `"2`, `2"`, `w/"2"`, `W/2`, `*, "2"`, `"2" "3"`, `"2"x`, `none`} {
					c.Patch(path, object{}, match(broken)).Problem(http.StatusBadRequest, "malformed_request")
					c.Delete(path, match(broken)).Problem(http.StatusBadRequest, "malformed_request")
				}
				several := func(r *http.Request) { r.Header["If-Match"] = []string{`"1"`, `"2"`} }
				c.Patch(path, object{}, several).Is(http.StatusOK)
			})
		}
		c.Get(p.Path(), match(`"99"`)).Is(http.StatusOK)
		c.Get(p.Path(), apitest.Header("If-None-Match", `"2"`)).Is(http.StatusOK)
		c.Patch(p.Path(), object{}, apitest.Header("If-None-Match", "*")).Is(http.StatusOK)
		c.Patch("/providers/"+unknownID, object{}, match("*")).Problem(http.StatusNotFound, "not_found")
		c.Delete(p.Models[0].Path(), match(`"2"`)).Is(http.StatusNoContent)
		c.Delete(p.Path(), match(`"3"`)).Is(http.StatusNoContent)
	})
}

// A version that is sent back in the body is checked like If-Match.
func TestVersionInBody(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := c.CreateProvider(apitest.OpenAI(object{"models": list{apitest.GPT("a", nil), apitest.GPT("b", nil)}}))
		a, b := p.Models[0], p.Models[1]
		c.Patch(a.Path(), object{"enabled": false, "version": 1}).Is(http.StatusOK) // a and p are of version 2 now

		for _, stale := range []int{1, 3, 0, -1} {
			c.Patch(p.Path(), object{"name": "x", "version": stale}).Problem(http.StatusPreconditionFailed, "version_mismatch")
			c.Patch(a.Path(), object{"enabled": true, "version": stale}).Problem(http.StatusPreconditionFailed, "version_mismatch")
			c.Patch(p.Path(), object{"models": list{object{"id": a.ID, "version": stale}, object{"id": b.ID, "version": 1}}}).
				Problem(http.StatusPreconditionFailed, "version_mismatch")
			c.Patch(p.Path(), object{"models": list{object{"model_id": "a", "version": stale}, object{"id": b.ID}}}).
				Problem(http.StatusPreconditionFailed, "version_mismatch")
		}
		// Both have to hold.
		c.Patch(p.Path(), object{"name": "x", "version": 2}, apitest.IfMatch(1)).Problem(http.StatusPreconditionFailed, "version_mismatch")
		c.Patch(p.Path(), object{"name": "x", "version": 1}, apitest.IfMatch(2)).Problem(http.StatusPreconditionFailed, "version_mismatch")
		if after := c.Provider(p.ID); after.Version != 2 || after.Name != p.Name || after.Models[0].Version != 2 || after.Models[0].Enabled {
			t.Errorf("stale edits changed the provider to %+v", after)
		}
		c.Patch(p.Path(), object{"name": "New name", "version": 2, "models": list{object{"id": a.ID, "version": 2}, object{"id": b.ID, "version": 1}}},
			apitest.IfMatch(2)).Is(http.StatusOK).Has("ETag", `"3"`)
	})
}

// A client that sends back what it received before somebody else's edit learns that it
// is outdated, although its read-only fields differ too.
func TestStaleRoundTrip(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := c.CreateProvider(apitest.OpenAI(object{"models": list{apitest.GPT("a", nil)}}))
		provider, model := c.Get(p.Path()).Object(), c.Get("/models/"+p.Models[0].ID).Object()
		c.Patch(p.Path(), object{"name": apitest.UniqueName("Renamed"), "status": "inactive"}).Is(http.StatusOK)
		c.Patch(p.Models[0].Path(), object{"display_name": "Second"}).Is(http.StatusOK)
		stale := func(path string, body object, edits ...apitest.Edit) {
			t.Helper()
			c.Patch(path, body, edits...).Problem(http.StatusPreconditionFailed, "version_mismatch")
		}
		stale(p.Path(), provider)
		stale(p.Models[0].Path(), model)
		stale(p.Path(), object{"models": list{model}})
		delete(provider, "version")
		delete(model, "version")
		stale(p.Path(), provider, apitest.IfMatch(1))
		stale(p.Models[0].Path(), model, apitest.IfMatch(1))
	})
}

// Every edit raises the version of what it changes by one, and an edit of a
// model its provider's too.
func TestVersions(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := c.CreateProvider(apitest.Custom("https://a.example.com", object{"models": list{apitest.GPT("a", nil), apitest.GPT("b", nil)}}))
		a, b := p.Models[0], p.Models[1]
		wantVersions := func(what string, provider, modelA, modelB int64) {
			t.Helper()
			now := c.Provider(p.ID)
			if now.Version != provider || now.Models[0].Version != modelA || now.Models[1].Version != modelB {
				t.Fatalf("%s: the versions are %d, %d, %d, not %d, %d, %d", what,
					now.Version, now.Models[0].Version, now.Models[1].Version, provider, modelA, modelB)
			}
			c.Get(p.Path()).Has("ETag", tag(provider))
			c.Get(a.Path()).Has("ETag", tag(modelA))
			c.Get("/models/"+b.ID).Has("ETag", tag(modelB))
		}
		wantVersions("created", 1, 1, 1)

		for i, edit := range []object{
			{"name": "Renamed"}, {"status": "inactive"}, {"status": "active"},
			{"credentials": object{"api_key": "sk-2-" + apitest.Secret}}, {"config": object{"base_url": "https://a.example.com/v1"}},
		} {
			c.Patch(p.Path(), edit).Is(http.StatusOK).Has("ETag", tag(int64(i+2)))
		}
		wantVersions("provider edited", 6, 1, 1)
		for i, edit := range []object{{"display_name": "A"}, {"enabled": false}, {"supported_stages": list{"guardrail"}}, {"model_id": "a2"}} {
			c.Patch(a.Path(), edit).Is(http.StatusOK).Has("ETag", tag(int64(i+2)))
		}
		wantVersions("model edited", 10, 5, 1)
		c.Patch(p.Path(), object{"models": list{object{"id": a.ID}, object{"id": b.ID, "enabled": false}}}).Is(http.StatusOK)
		wantVersions("one of the models edited with the provider", 11, 5, 2)
		added := c.CreateModel(p.ID, apitest.GPT("c", nil))
		wantVersions("model added", 12, 5, 2)
		c.Delete(added.Path()).Is(http.StatusNoContent)
		wantVersions("model removed", 13, 5, 2)
		c.Post(p.Path()+"/models/bulk", object{"models": list{apitest.GPT("d", nil), apitest.GPT("e", nil)}}).Is(http.StatusCreated)
		wantVersions("two models added at once", 14, 5, 2)
		c.Patch(p.Path(), object{"models": list{object{"id": a.ID}, object{"id": b.ID}}}).Is(http.StatusOK)
		wantVersions("two models removed at once", 15, 5, 2)
		c.Post("/models/"+a.ID+"/test", object{"prompt": "Hi"}).Is(http.StatusOK)
		c.Post(p.Path()+"/credentials/api_key/reveal", nil).Is(http.StatusOK)
		wantVersions("tested and revealed", 15, 5, 2)
	})
}

// An edit that changes nothing raises no version and touches no time.
func TestEditWithoutChange(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := c.CreateProvider(apitest.Custom("https://a.example.com", object{"models": list{
			apitest.GPT("a", object{"display_name": "A", "supported_stages": list{"planning", "guardrail"}}), apitest.GPT("b", nil)}}))
		a, b := p.Models[0], p.Models[1]
		time.Sleep(5 * time.Millisecond) // a touched updated_at shows
		for _, same := range []any{
			"{}", object{"name": p.Name}, object{"name": "  " + p.Name + "\n"}, object{"status": "active"}, object{"type": "custom"},
			object{"config": object{}}, object{"config": object{"base_url": "https://a.example.com"}}, object{"config": object{"base_url": " https://a.example.com "}},
			object{"credentials": object{}}, object{"credentials": object{"api_key": ""}}, object{"credentials": object{"api_key": nil}},
			object{"credentials": object{"api_key": "••••••••"}}, object{"credentials": p.Credentials}, object{"version": 1},
			object{"models": list{object{"id": a.ID}, object{"id": b.ID}}},
			object{"models": list{object{"id": b.ID}, object{"id": a.ID}}}, // the order is the service's
			object{"models": list{object{"model_id": "a"}, object{"model_id": " b "}}},
			object{"models": list{object{"id": a.ID, "supported_stages": list{"guardrail", "planning"}, "enabled": true, "display_name": " A "}, object{"id": b.ID}}},
		} {
			c.Patch(p.Path(), same).Is(http.StatusOK).Has("ETag", `"1"`)
			unchanged(t, c, p)
		}
		for _, same := range []object{
			{}, {"model_id": "a"}, {"model_id": " a "}, {"display_name": "A"}, {"enabled": true},
			{"supported_stages": list{"guardrail", "planning"}}, {"version": 1}, {"id": a.ID, "provider_id": p.ID, "last_test": object{}},
		} {
			if after := c.Patch(a.Path(), same).Is(http.StatusOK).Has("ETag", `"1"`).Model(); after.UpdatedAt != a.UpdatedAt {
				t.Errorf("the edit %v that changes nothing touches updated_at", same)
			}
		}
		unchanged(t, c, p)
	})
}

func tag(version int64) string { return fmt.Sprintf(`"%d"`, version) }
