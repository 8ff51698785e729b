package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"modelproviders/api/apitest"
)

func modelIDs(models []apitest.Model) []string {
	ids := []string{}
	for _, m := range models {
		ids = append(ids, m.ModelID)
	}
	return ids
}

// three creates a provider with the models a, b and c.
func three(c *apitest.Client) apitest.Provider {
	return c.CreateProvider(apitest.OpenAI(object{"models": list{apitest.GPT("a", nil), apitest.GPT("b", nil), apitest.GPT("c", nil)}}))
}

// The models of an edit are the whole wanted list.
func TestWantedModels(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := three(c)
		a, b := p.Models[0], p.Models[1]
		after := c.EditProvider(p.ID, object{"name": "Edited too", "models": list{
			object{"model_id": "new", "supported_stages": list{"guardrail"}, "display_name": "New"}, // created
			object{"id": b.ID, "enabled": false},                                                    // merged by id
			object{"model_id": "a", "supported_stages": list{"summarization", "planning"}},          // matched by model_id
		}}) // c is left out
		wantList(t, "models", modelIDs(after.Models), "a", "b", "new")
		if after.Name != "Edited too" || after.Version != 2 || after.ModelCount != 3 || after.EnabledModelCount != 2 {
			t.Errorf("the provider became %+v", after)
		}
		if m := after.Models[0]; m.ID != a.ID || m.Version != 2 || strings.Join(m.SupportedStages, " ") != "planning summarization" || m.CreatedAt != a.CreatedAt {
			t.Errorf("matched by model_id it became %+v", m)
		}
		if m := after.Models[1]; m.ID != b.ID || m.Version != 2 || m.Enabled || m.DisplayName != "b" || strings.Join(m.SupportedStages, " ") != "planning" {
			t.Errorf("merged by id it became %+v", m)
		}
		if m := after.Models[2]; m.Version != 1 || m.DisplayName != "New" || !m.Enabled || m.CreatedAt != after.UpdatedAt {
			t.Errorf("the new one is %+v", m)
		}
		c.Get(p.Models[2].Path()).Problem(http.StatusNotFound, "not_found")
		wantList(t, "flat", displayNames(walk[apitest.Model](c, "/models?provider_id="+p.ID, 10)), "a", "b", "New")

		wantList(t, "no models in the edit", modelIDs(c.EditProvider(p.ID, object{"status": "inactive"}).Models), "a", "b", "new")
		wantList(t, "an empty list", modelIDs(c.EditProvider(p.ID, object{"models": list{}}).Models))
	})
}

// Models may change places: only what comes out has to be without duplicates.
func TestWantedModelsSwap(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := three(c)
		a, b, d := p.Models[0], p.Models[1], p.Models[2]
		after := c.EditProvider(p.ID, object{"models": list{
			object{"id": a.ID, "model_id": "b"}, object{"id": b.ID, "model_id": "c"}, object{"id": d.ID, "model_id": "a"}}})
		wantList(t, "swapped", modelIDs(after.Models), "b", "c", "a")
		if after.Models[0].ID != a.ID || after.Models[1].ID != b.ID || after.Models[2].ID != d.ID {
			t.Errorf("the models are other ones: %+v", after.Models)
		}
		// One takes the name of another that goes.
		after = c.EditProvider(p.ID, object{"models": list{object{"id": a.ID, "model_id": "c"}, object{"id": d.ID}}})
		wantList(t, "taken over", modelIDs(after.Models), "c", "a")
		// One is renamed, and a new one takes its name.
		after = c.EditProvider(p.ID, object{"models": list{object{"id": a.ID, "model_id": "x"}, object{"id": d.ID}, apitest.GPT("c", nil)}})
		wantList(t, "renamed and followed", modelIDs(after.Models), "x", "a", "c")
		if after.Models[2].ID == a.ID || after.Models[2].Version != 1 {
			t.Errorf("the follower is %+v", after.Models[2])
		}
		// The entry with the id has the first claim, wherever it stands.
		after = c.EditProvider(p.ID, object{"models": list{apitest.GPT("x", nil), object{"id": a.ID, "model_id": "y"}}})
		wantList(t, "claimed by id", modelIDs(after.Models), "y", "x")
		if after.Models[0].ID != a.ID {
			t.Errorf("the entry with an id was merged into %+v", after.Models[0])
		}
	})
}

func TestWantedModelsRefused(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p, other := three(c), three(c)
		a, b := p.Models[0], p.Models[1]
		invalid := func(models list, fields ...string) {
			t.Helper()
			c.Patch(p.Path(), object{"name": "Not to be", "models": models}).Problem(http.StatusUnprocessableEntity, "validation_failed", fields...)
			unchanged(t, c, p)
		}
		gpt := func(id string) object { return apitest.GPT("new", object{"id": id}) }
		invalid(list{gpt(unknownID)}, "models[0].id not_found")
		invalid(list{object{"id": unknownID, "supported_stages": list{"x"}}}, "models[0].id not_found", "models[0].supported_stages[0] invalid")
		invalid(list{gpt("x"), gpt("")}, "models[0].id not_found", "models[1].id not_found", "models[1].model_id duplicate")
		invalid(list{object{"id": a.ID}, gpt(other.Models[0].ID)}, "models[1].id not_found")
		invalid(list{object{"id": a.ID}, object{"id": a.ID, "model_id": "z", "supported_stages": list{"planning"}}}, "models[1].id duplicate")
		invalid(list{object{"id": a.ID}, object{"id": strings.ToUpper(a.ID), "model_id": "z", "supported_stages": list{"planning"}}}, "models[1].id duplicate")
		invalid(list{object{"id": a.ID}, object{"id": b.ID, "model_id": "a"}}, "models[1].model_id duplicate")
		invalid(list{apitest.GPT("n", nil), apitest.GPT(" n ", nil)}, "models[1].model_id duplicate")
		invalid(list{apitest.GPT("a", nil), object{"id": a.ID}}, "models[1].model_id duplicate")
		invalid(list{object{"model_id": "n"}, object{"supported_stages": list{"planning"}}}, "models[0].supported_stages required", "models[1].model_id required")
		invalid(list{object{"id": a.ID, "model_id": "", "display_name": "", "supported_stages": list{}}},
			"models[0].model_id required", "models[0].display_name required", "models[0].supported_stages required")
	})
}

// A provider holds at most 500 models, whichever way they come.
func TestMaxModels(t *testing.T) {
	models := list{}
	for i := range 501 {
		models = append(models, apitest.GPT(fmt.Sprintf("m-%03d", i), nil))
	}
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		c.Post("/providers", apitest.OpenAI(object{"models": models})).Problem(http.StatusUnprocessableEntity, "validation_failed", "models too_many")
		p := c.CreateProvider(apitest.OpenAI(object{"models": models[:500]}))
		if p.ModelCount != 500 || len(p.Models) != 500 || p.EnabledModelCount != 500 {
			t.Errorf("the provider has %d models, %d listed", p.ModelCount, len(p.Models))
		}
		c.Patch(p.Path(), object{"models": models}).Problem(http.StatusUnprocessableEntity, "validation_failed", "models too_many")
		c.Post(p.Path()+"/models", models[500]).Problem(http.StatusUnprocessableEntity, "validation_failed", "models too_many")
		c.Post(p.Path()+"/models/bulk", object{"models": models[500:]}).Problem(http.StatusUnprocessableEntity, "validation_failed", "models too_many")
		unchanged(t, c, p)
		if after := c.EditProvider(p.ID, object{"models": append(slices.Clone(models[:499]), models[500])}); after.ModelCount != 500 || after.Version != 2 {
			t.Errorf("after one of 500 was replaced there are %d models, version %d", after.ModelCount, after.Version)
		}
		c.Delete(p.Models[0].Path()).Is(http.StatusNoContent)
		c.CreateModel(p.ID, apitest.GPT("the last one", nil))
	})
}
