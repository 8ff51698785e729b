package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"modelproviders/api/apitest"
)

func TestModelCreate(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := c.CreateProvider(apitest.OpenAI(object{"name": "Production"}))
		answer := c.Post(p.Path()+"/models", object{"model_id": " gpt-4\n", "supported_stages": list{"guardrail", "tool_call", "planning", "summarization"}}).
			Is(http.StatusCreated).Has("ETag", `"1"`)
		m := answer.Model()
		answer.Has("Location", m.Path())
		if m.ModelID != "gpt-4" || m.DisplayName != "gpt-4" || !m.Enabled || m.LastTest != nil || m.Version != 1 || !madeID.MatchString(m.ID) ||
			strings.Join(m.SupportedStages, " ") != "planning tool_call summarization guardrail" || !timestamp.MatchString(m.CreatedAt) || m.UpdatedAt != m.CreatedAt {
			t.Errorf("the new model is %+v", m)
		}
		if m.ProviderID != p.ID || *m.ProviderName != "Production" || *m.ProviderType != "openai" || *m.ProviderStatus != "active" || !*m.ProviderEnabled {
			t.Errorf("the new model tells of its provider %+v", m)
		}
		for _, path := range []string{m.Path(), "/models/" + m.ID} {
			if read := c.Get(path).Is(http.StatusOK).Has("ETag", `"1"`); read.Body != answer.Body {
				t.Errorf("read at %s it is %s, not %s", path, read.Body, answer.Body)
			}
		}
		for _, path := range []string{p.Path() + "/models", "/models"} {
			if listed := c.Get(path).Is(http.StatusOK).Body; !strings.Contains(listed, strings.TrimSpace(answer.Body)) {
				t.Errorf("listed at %s it is %s", path, listed)
			}
		}
		for _, modelID := range []string{
			"m", strings.Repeat("m", 256), strings.Repeat("語", 256), "meta-llama/Llama-3.1-8B", "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude:0",
			"claude@2024", "a..b", "...", "/", "a b", `"`, "?x=1#y", "%2e%2e", "GPT-4",
		} {
			if m := c.CreateModel(p.ID, apitest.GPT(modelID, nil)); m.ModelID != modelID || m.DisplayName != modelID {
				t.Errorf("the model %q became %q, called %q", modelID, m.ModelID, m.DisplayName)
			}
		}
		if m := c.CreateModel(p.ID, apitest.GPT("off", object{"enabled": false, "display_name": " " + strings.Repeat("語", 100) + " "})); m.Enabled || m.DisplayName != strings.Repeat("語", 100) {
			t.Errorf("switched off from the start it is %+v", m)
		}
	})
}

func TestModelRefused(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := c.CreateProvider(apitest.OpenAI(object{"models": list{apitest.GPT("a", nil)}}))
		for _, test := range []struct {
			change object
			field  string
		}{
			{object{"model_id": ""}, "model_id required"}, {object{"model_id": " \n"}, "model_id required"},
			{object{"model_id": strings.Repeat("m", 257)}, "model_id too_long"},
			{object{"model_id": "a\x00"}, "model_id invalid"}, {object{"model_id": "a\nb"}, "model_id invalid"},
			{object{"model_id": ".."}, "model_id invalid"}, {object{"model_id": "."}, "model_id invalid"},
			{object{"model_id": "a/../b"}, "model_id invalid"}, {object{"model_id": "../b"}, "model_id invalid"}, {object{"model_id": "a/."}, "model_id invalid"},
			{object{"display_name": ""}, "display_name required"}, {object{"display_name": "  "}, "display_name required"},
			{object{"display_name": strings.Repeat("d", 101)}, "display_name too_long"}, {object{"display_name": "a\rb"}, "display_name invalid"},
			{object{"supported_stages": list{}}, "supported_stages required"},
			{object{"supported_stages": list{"dreaming"}}, "supported_stages[0] invalid"}, {object{"supported_stages": list{""}}, "supported_stages[0] invalid"},
			{object{"supported_stages": list{"planning", "Planning"}}, "supported_stages[1] invalid"},
			{object{"supported_stages": list{"planning", "planning"}}, "supported_stages[1] duplicate"},
		} {
			c.Post(p.Path()+"/models", apitest.GPT("m", test.change)).Problem(http.StatusUnprocessableEntity, "validation_failed", test.field)
			c.Patch(p.Models[0].Path(), test.change).Problem(http.StatusUnprocessableEntity, "validation_failed", test.field)
			c.Patch(p.Path(), object{"models": list{apitest.GPT("m", test.change)}}).Problem(http.StatusUnprocessableEntity, "validation_failed", "models[0]."+test.field)
			c.Post("/providers", apitest.OpenAI(object{"models": list{apitest.GPT("m", test.change)}})).
				Problem(http.StatusUnprocessableEntity, "validation_failed", "models[0]."+test.field)
		}
		c.Post(p.Path()+"/models", object{}).Problem(http.StatusUnprocessableEntity, "validation_failed", "model_id required", "supported_stages required")
		for _, modelID := range []string{"a", " a\n"} {
			c.Post(p.Path()+"/models", apitest.GPT(modelID, nil)).Problem(http.StatusConflict, "model_exists", "model_id duplicate")
		}
		c.Post("/providers/"+unknownID+"/models", apitest.GPT("m", nil)).Problem(http.StatusNotFound, "not_found")
		unchanged(t, c, p)
	})
}

func TestModelEdit(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := c.CreateProvider(apitest.OpenAI(object{"models": list{apitest.GPT("a", object{"display_name": "A"}), apitest.GPT("b", nil)}}))
		path := p.Models[0].Path()
		edit := func(body object) apitest.Model {
			t.Helper()
			answer := c.Patch(path, body).Is(http.StatusOK)
			if read := c.Get(path).Is(http.StatusOK); read.Body != answer.Body {
				t.Errorf("edited it is %s, read %s", answer.Body, read.Body)
			}
			return answer.Model()
		}
		if m := edit(object{"display_name": " New name "}); m.DisplayName != "New name" || m.ModelID != "a" || m.Version != 2 {
			t.Errorf("renamed it is %+v", m)
		}
		if m := edit(object{"enabled": false, "supported_stages": list{"guardrail", "tool_call"}}); m.Enabled || strings.Join(m.SupportedStages, " ") != "tool_call guardrail" || m.DisplayName != "New name" {
			t.Errorf("with other stages it is %+v", m)
		}
		if m := edit(object{"model_id": "c"}); m.ModelID != "c" || m.DisplayName != "New name" {
			t.Errorf("with another model_id it is %+v", m)
		}
		c.Patch(path, object{"model_id": "b"}).Problem(http.StatusConflict, "model_exists", "model_id duplicate")
		if after := c.Provider(p.ID); after.Version != 4 || after.EnabledModelCount != 1 || after.Models[0].UpdatedAt != after.UpdatedAt {
			t.Errorf("the provider is %+v", after)
		}
		c.Patch(p.Path()+"/models/"+unknownID, object{"enabled": true}).Problem(http.StatusNotFound, "not_found")

		c.Delete(path).Is(http.StatusNoContent)
		c.Delete(path).Problem(http.StatusNotFound, "not_found")
		c.Get("/models/"+p.Models[0].ID).Problem(http.StatusNotFound, "not_found")
		wantList(t, "models that stay", modelIDs(c.Provider(p.ID).Models), "b")
	})
}

// A new model_id is another model, and new credentials are another account: the
// last test says nothing of them.
func TestModelLastTest(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		m := p.Models[0]
		tested := func() *apitest.LastTest {
			t.Helper()
			c.Post("/models/"+m.ID+"/test", object{"prompt": "Hi"}).Is(http.StatusOK)
			return c.Model(m.ID).LastTest
		}
		last := tested()
		if last == nil || last.Status != "failed" || last.Kind != "blocked" || !timestamp.MatchString(last.At) || last.LatencyMS < 0 {
			t.Fatalf("last_test is %+v", last)
		}
		c.Patch(m.Path(), object{"display_name": "Other", "enabled": false, "model_id": "gpt-4"}).Is(http.StatusOK)
		if kept := c.Model(m.ID).LastTest; kept == nil || *kept != *last {
			t.Errorf("after another edit last_test is %+v", kept)
		}
		if cleared := c.Patch(m.Path(), object{"model_id": "gpt-5"}).Is(http.StatusOK).Model().LastTest; cleared != nil {
			t.Errorf("of another model_id last_test is %+v", cleared)
		}
		if tested() == nil {
			t.Fatal("no last_test after a test")
		}
		c.EditProvider(p.ID, object{"models": list{object{"id": m.ID, "model_id": "gpt-6"}}})
		if cleared := c.Model(m.ID).LastTest; cleared != nil {
			t.Errorf("of another model_id in the provider's edit last_test is %+v", cleared)
		}
		if tested() == nil {
			t.Fatal("no last_test after a test")
		}
		// Other credentials may have another outcome, and no error any more.
		p = c.Patch(p.Path(), object{"credentials": object{"api_key": "sk-another-0123456789"}}).Is(http.StatusOK).Provider()
		if cleared := p.Models[0].LastTest; cleared != nil || p.Error != nil {
			t.Errorf("answered with other credentials are last_test %+v and error %+v", cleared, p.Error)
		}
		if cleared := c.Model(m.ID).LastTest; cleared != nil {
			t.Errorf("with other credentials last_test is %+v", cleared)
		}
		if tested() == nil {
			t.Error("no last_test of the other credentials")
		}
	})
}

// Models are added together, or none of them.
func TestModelBulk(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := c.CreateProvider(apitest.OpenAI(object{"name": "P", "models": list{apitest.GPT("a", nil)}}))
		path := p.Path() + "/models/bulk"
		many := func(from, n int) list {
			models := list{}
			for i := range n {
				models = append(models, apitest.GPT(fmt.Sprintf("m-%03d", from+n-i), nil))
			}
			return models
		}
		invalid := func(body any, fields ...string) {
			t.Helper()
			c.Post(path, body).Problem(http.StatusUnprocessableEntity, "validation_failed", fields...)
			unchanged(t, c, p)
		}
		invalid("{}", "models required")
		invalid(object{"models": nil}, "models required")
		invalid(object{"models": list{}}, "models required")
		invalid(object{"models": many(0, 101)}, "models too_many")
		invalid(object{"models": list{apitest.GPT("x", nil), apitest.GPT("a", nil), object{}, apitest.GPT("x", nil), apitest.GPT("..", object{"supported_stages": list{"x"}})}},
			"models[1].model_id duplicate", "models[2].model_id required", "models[2].supported_stages required",
			"models[3].model_id duplicate", "models[4].model_id invalid", "models[4].supported_stages[0] invalid")
		twice := c.Post(path, object{"models": list{apitest.GPT("x", nil), apitest.GPT("x", nil)}})
		if detail := twice.Body; !strings.Contains(detail, "is used by another model in this request") {
			t.Errorf("a model twice in the list is told as %s", detail)
		}
		invalid(object{"models": list{nil}}, "models[0] required", "models[0].model_id required", "models[0].supported_stages required")
		c.Post("/providers/"+unknownID+"/models/bulk", object{"models": many(0, 1)}).Problem(http.StatusNotFound, "not_found")

		answer := c.Post(path, object{"models": many(0, 100)}).Is(http.StatusCreated).Has("Location", p.Path()+"/models")
		var added struct{ Data []apitest.Model }
		answer.Into(&added)
		if len(added.Data) != 100 || added.Data[0].ModelID != "m-100" || added.Data[99].ModelID != "m-001" || *added.Data[0].ProviderName != "P" || added.Data[0].Version != 1 {
			t.Errorf("added were %d models: %s", len(added.Data), answer.Body[:500])
		}
		after := c.Provider(p.ID)
		if after.Version != 2 || after.ModelCount != 101 || after.Models[1].ModelID != "m-100" {
			t.Errorf("the provider has version %d, %d models, the second is %s", after.Version, after.ModelCount, after.Models[1].ModelID)
		}
	})
}

func TestModelFilters(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		settings := apitest.Settings(t)
		on := c.CreateProvider(apitest.OpenAI(object{"models": list{
			apitest.GPT("plan", nil), apitest.GPT("plan-off", object{"enabled": false}),
			apitest.GPT("guard", object{"supported_stages": list{"guardrail", "tool_call"}})}}))
		off := c.CreateProvider(object{"name": "Off", "type": "anthropic", "credentials": settings["anthropic"]["credentials"], "models": list{
			apitest.GPT("claude", object{"supported_stages": list{"planning", "guardrail"}}), apitest.GPT("claude-off", object{"enabled": false})}})
		c.EditProvider(off.ID, object{"status": "inactive"})
		failing := blockedProvider(c)
		c.Post("/models/"+failing.Models[0].ID+"/test", object{"prompt": "Hi"}).Is(http.StatusOK)

		for query, want := range map[string][]string{
			"?":                          {"claude", "claude-off", "gpt-4", "guard", "plan", "plan-off"},
			"?stage=planning":            {"claude", "claude-off", "gpt-4", "plan", "plan-off"},
			"?stage=guardrail":           {"claude", "guard"},
			"?stage=tool_call":           {"guard"},
			"?stage=summarization":       {},
			"?enabled=true":              {"claude", "gpt-4", "guard", "plan"},
			"?enabled=false":             {"claude-off", "plan-off"},
			"?available=true":            {"gpt-4", "guard", "plan"}, // a failing provider is switched on
			"?available=false":           {"claude", "claude-off", "plan-off"},
			"?provider_id=" + off.ID:     {"claude", "claude-off"},
			"?provider_id=" + unknownID:  {},
			"?provider_type=openai":      {"guard", "plan", "plan-off"},
			"?provider_type=aws_bedrock": {},
			"?provider_status=inactive":  {"claude", "claude-off"},
			"?provider_status=error":     {"gpt-4"},
			"?provider_status=active":    {"guard", "plan", "plan-off"},
			"?stage=planning&available=true&provider_status=active&q=PLAN&sort=-name": {"plan"},
			"?stage=guardrail&available=false":                                        {"claude"},
			"?enabled=true&available=false":                                           {"claude"},
			"?q=off&sort=-created_at":                                                 {"claude-off", "plan-off"},
			"?provider_id=" + on.ID + "&enabled=true":                                 {"guard", "plan"},
		} {
			wantList(t, "/models"+query, modelIDs(walk[apitest.Model](c, "/models"+query, 2)), want...)
		}
		for query, want := range map[string][]string{
			"?":                            {"guard", "plan", "plan-off"},
			"?stage=planning&enabled=true": {"plan"},
			"?q=Plan&sort=-name":           {"plan-off", "plan"},
			"?enabled=false":               {"plan-off"},
		} {
			wantList(t, "nested"+query, modelIDs(walk[apitest.Model](c, on.Path()+"/models"+query, 1)), want...)
		}
		// What models tell of their provider follows its edits.
		c.EditProvider(off.ID, object{"name": "On again", "status": "active"})
		for _, m := range walk[apitest.Model](c, "/models?provider_id="+off.ID+"&provider_status=active", 5) {
			if *m.ProviderName != "On again" || *m.ProviderStatus != "active" || !*m.ProviderEnabled {
				t.Errorf("the model tells %q, %q, %t", *m.ProviderName, *m.ProviderStatus, *m.ProviderEnabled)
			}
		}
	})
}
