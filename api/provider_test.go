package api_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"modelproviders/api/apitest"
)

// A time as it is answered: UTC, RFC 3339 with milliseconds.
var timestamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)

func TestProviderCreate(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		answer := c.Post("/providers", object{
			"name": "  Production OpenAI\n", "type": "openai", "credentials": object{"api_key": "sk-" + apitest.Secret}, "config": object{},
			"models": list{
				object{"model_id": "gpt-4-turbo", "display_name": "GPT-4 Turbo", "supported_stages": list{"tool_call", "planning"}},
				object{"model_id": "gpt-3", "supported_stages": list{"summarization"}, "enabled": false},
			},
		}).Is(http.StatusCreated).Has("Content-Type", "application/json").Has("ETag", `"1"`)
		p := answer.Provider()
		answer.Has("Location", "/providers/"+p.ID)
		if !madeID.MatchString(p.ID) {
			t.Errorf("the id %q is no UUIDv7", p.ID)
		}
		if p.Name != "Production OpenAI" || p.Type != "openai" || p.TypeLabel != "OpenAI" || p.Status != "active" || !p.Enabled || p.Error != nil || p.Version != 1 {
			t.Errorf("the new provider is %+v", p)
		}
		if len(p.Config) != 0 || !strings.Contains(answer.Body, `"config":{}`) || !strings.Contains(answer.Body, `"error":null`) {
			t.Errorf("config and error are answered as %s", answer.Body)
		}
		if key := p.Credentials["api_key"]; len(p.Credentials) != 1 || !key.Set || key.Masked != "••••••••" || key.UpdatedAt != p.CreatedAt {
			t.Errorf("the credentials are answered as %+v", p.Credentials)
		}
		if !timestamp.MatchString(p.CreatedAt) || p.UpdatedAt != p.CreatedAt {
			t.Errorf("the times are %s and %s", p.CreatedAt, p.UpdatedAt)
		}
		if p.ModelCount != 2 || p.EnabledModelCount != 1 || len(p.Models) != 2 {
			t.Fatalf("there are %d models, %d switched on, %d listed", p.ModelCount, p.EnabledModelCount, len(p.Models))
		}
		m := p.Models[0]
		if m.ModelID != "gpt-4-turbo" || m.DisplayName != "GPT-4 Turbo" || strings.Join(m.SupportedStages, " ") != "planning tool_call" ||
			!m.Enabled || m.LastTest != nil || m.Version != 1 || m.ProviderID != p.ID || m.ProviderName != nil || !madeID.MatchString(m.ID) {
			t.Errorf("the first model is %+v", m)
		}
		if m := p.Models[1]; m.DisplayName != "gpt-3" || m.Enabled {
			t.Errorf("the second model is %+v", m)
		}
		if read := c.Get(p.Path()).Is(http.StatusOK).Has("ETag", `"1"`); read.Body != answer.Body {
			t.Errorf("read it is\n%s\nnot\n%s", read.Body, answer.Body)
		}
		if listed := c.Get("/providers").Is(http.StatusOK).Body; !strings.Contains(listed, strings.TrimSpace(answer.Body)) {
			t.Errorf("listed it is %s", listed)
		}
	})
}

// The name is for people: 1 to 100 characters after trimming.
func TestProviderName(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		kept := c.CreateProvider(apitest.OpenAI(nil))
		for _, test := range []struct{ name, code string }{
			{"", "required"}, {"   ", "required"}, {"\t\n", "required"}, {"\u00a0\u2003", "required"},
			{strings.Repeat("n", 101), "too_long"}, {strings.Repeat("語", 101), "too_long"}, {strings.Repeat("n", 100_000), "too_long"},
			{"a\x00b", "invalid"}, {"a\nb", "invalid"}, {"a\tb", "invalid"}, {"a\x7fb", "invalid"}, {"a\u0085b", "invalid"}, {"a\u2028b", "invalid"}, {"\x1b[31mred", "invalid"},
		} {
			c.Post("/providers", apitest.OpenAI(object{"name": test.name})).Problem(http.StatusUnprocessableEntity, "validation_failed", "name "+test.code)
			c.Patch(kept.Path(), object{"name": test.name}).Problem(http.StatusUnprocessableEntity, "validation_failed", "name "+test.code)
		}
		unchanged(t, c, kept)
		for _, name := range []string{
			"n", strings.Repeat("n", 100), "  " + strings.Repeat("語", 100) + "  ", `"quoted" \ <b>&amp;`, "😀", "👩‍👩‍👧", "%s %d", "'; DROP TABLE providers; --", "null",
		} {
			p := c.CreateProvider(apitest.OpenAI(object{"name": name}))
			if want := strings.TrimSpace(name); p.Name != want || c.Provider(p.ID).Name != want {
				t.Errorf("the name %q became %q", want, p.Name)
			}
		}
	})
}

// A name is taken whatever its case, and however its letters are composed.
func TestProviderNameTaken(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c, neighbour := s.Workspace(t), s.Workspace(t)
		other := c.CreateProvider(apitest.OpenAI(object{"name": "Other"}))
		for _, same := range [][]string{
			{"Production", "production", "PRODUCTION", " Production "},
			{"Große Straße", "GROSSE STRASSE", "grosse strasse"},
			{"Café", "Cafe\u0301", "CAFÉ", "CAFE\u0301"},
			{"ΣΊΣΥΦΟΣ", "σίσυφος"},
			{"ﬁsh", "FISH"},
		} {
			first := c.CreateProvider(apitest.OpenAI(object{"name": same[0]}))
			for _, name := range same {
				c.Post("/providers", apitest.OpenAI(object{"name": name})).Problem(http.StatusConflict, "name_taken", "name duplicate")
				c.Patch(other.Path(), object{"name": name}).Problem(http.StatusConflict, "name_taken", "name duplicate")
				// Its own name in another case is no conflict.
				if got := c.EditProvider(first.ID, object{"name": name}).Name; got != strings.TrimSpace(name) {
					t.Errorf("renamed to %q it is called %q", name, got)
				}
			}
			neighbour.CreateProvider(apitest.OpenAI(object{"name": same[0]}))
			c.Delete(first.Path()).Is(http.StatusNoContent)
			c.CreateProvider(apitest.OpenAI(object{"name": same[1]}))
		}
		unchanged(t, c, other)
		for _, different := range []string{"Oth er", "Othe", "Öther", "Other.", "0ther"} {
			c.CreateProvider(apitest.OpenAI(object{"name": different}))
		}
	})
}

func TestProviderType(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		for _, typ := range []string{"OpenAI", "OPENAI", " openai", "open_ai", "x", "openai\u0000"} {
			c.Post("/providers", apitest.OpenAI(object{"type": typ})).Problem(http.StatusUnprocessableEntity, "validation_failed", "type invalid")
		}
		c.Post("/providers", apitest.OpenAI(object{"type": ""})).Problem(http.StatusUnprocessableEntity, "validation_failed", "type required")

		p := c.CreateProvider(apitest.OpenAI(nil))
		for _, typ := range []string{"anthropic", "custom", "x", "OpenAI", ""} {
			c.Patch(p.Path(), object{"type": typ}).Problem(http.StatusUnprocessableEntity, "type_immutable", "type invalid")
			c.Patch(p.Path(), object{"type": typ, "name": "New", "credentials": object{"api_key": "sk-" + apitest.Secret}}).
				Problem(http.StatusUnprocessableEntity, "type_immutable", "type invalid")
		}
		c.Patch(p.Path(), object{"type": "custom", "name": ""}).Problem(http.StatusUnprocessableEntity, "validation_failed", "type invalid", "name required")
		unchanged(t, c, p)
		c.Patch(p.Path(), object{"type": "openai", "name": "Renamed"}).Is(http.StatusOK)
	})
}

// The status is the admin's switch and what was observed, stored apart.
func TestProviderStatus(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		want := func(what string, p apitest.Provider, status string, enabled, failing bool) {
			t.Helper()
			if p.Status != status || p.Enabled != enabled || (p.Error != nil) != failing {
				t.Errorf("%s: status %s, enabled %t, error %+v", what, p.Status, p.Enabled, p.Error)
			}
			m := c.Model(p.Models[0].ID)
			if *m.ProviderStatus != status || *m.ProviderEnabled != enabled {
				t.Errorf("%s: the model tells status %s, enabled %t", what, *m.ProviderStatus, *m.ProviderEnabled)
			}
		}
		for _, status := range []string{"error", "", "Active", "on", "disabled"} {
			c.Patch(p.Path(), object{"status": status}).Problem(http.StatusUnprocessableEntity, "validation_failed", "status invalid")
		}
		want("new", p, "active", true, false)
		want("switched off", c.EditProvider(p.ID, object{"status": "inactive"}), "inactive", false, false)
		c.Patch(p.Path(), object{"status": "error"}).Problem(http.StatusUnprocessableEntity, "validation_failed", "status invalid")

		// What is observed while it is off is remembered, and doesn't switch it.
		before := c.Provider(p.ID)
		c.Post("/models/"+p.Models[0].ID+"/test", object{"prompt": "Hi"}).Is(http.StatusOK)
		failing := c.Provider(p.ID)
		want("failing while off", failing, "inactive", false, true)
		if e := failing.Error; e.Kind != "blocked" || e.Message == "" || e.ModelID == nil || *e.ModelID != "gpt-4" || !timestamp.MatchString(e.Since) {
			t.Errorf("the error is %+v", e)
		}
		if failing.Version != before.Version || failing.UpdatedAt != before.UpdatedAt {
			t.Error("a test raised the edit version")
		}
		c.Patch(p.Path(), object{"status": "error"}).Problem(http.StatusUnprocessableEntity, "validation_failed", "status invalid")
		want("switched on", c.EditProvider(p.ID, object{"status": "active"}), "error", true, true)
		want("error as it is", c.EditProvider(p.ID, object{"status": "error"}), "error", true, true)
		want("active", c.EditProvider(p.ID, object{"status": "active"}), "error", true, true)
		want("renamed", c.EditProvider(p.ID, object{"name": "Renamed"}), "error", true, true)

		want("new key", c.EditProvider(p.ID, object{"credentials": object{"api_key": "sk-2-" + apitest.Secret}}), "active", true, false)
		c.Post("/models/"+p.Models[0].ID+"/test", object{"prompt": "Hi"}).Is(http.StatusOK)
		want("failing again", c.Provider(p.ID), "error", true, true)
		want("new config", c.EditProvider(p.ID, object{"config": object{"base_url": blockedURL + "/v1/"}}), "active", true, false)
	})
}

// A provider that is sent back as it was answered stays as it was.
func TestProviderRoundTrip(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		for typ, settings := range apitest.Settings(t) {
			body := object{"name": typ, "type": typ, "models": list{
				apitest.GPT("a", object{"supported_stages": list{"guardrail", "planning"}, "enabled": false}), apitest.GPT(strings.Repeat("m", 256), nil)}}
			for name, value := range settings {
				body[name] = value
			}
			p := c.CreateProvider(body)
			if typ == "custom" {
				c.EditProvider(p.ID, object{"status": "inactive"})
			}
			answered := c.Get(p.Path()).Is(http.StatusOK)
			again := c.Patch(p.Path(), answered.Object()).Is(http.StatusOK).Has("ETag", answered.Header.Get("ETag"))
			if again.Body != answered.Body {
				t.Errorf("%s sent back became\n%s\nfrom\n%s", typ, again.Body, answered.Body)
			}
			for _, m := range p.Models {
				flat := c.Get("/models/" + m.ID).Is(http.StatusOK)
				if again := c.Patch(m.Path(), flat.Object()).Is(http.StatusOK).Has("ETag", `"1"`); again.Body != flat.Body {
					t.Errorf("%s: a model sent back became\n%s\nfrom\n%s", typ, again.Body, flat.Body)
				}
			}
		}
		// With an error and a last test too, and with one thing changed.
		p := blockedProvider(c)
		c.Post("/models/"+p.Models[0].ID+"/test", object{"prompt": "Hi"}).Is(http.StatusOK)
		answered := c.Get(p.Path()).Is(http.StatusOK)
		if again := c.Patch(p.Path(), answered.Object()).Is(http.StatusOK); again.Body != answered.Body {
			t.Errorf("a failing provider sent back became\n%s\nfrom\n%s", again.Body, answered.Body)
		}
		edited := answered.Object()
		edited["name"] = "Edited"
		if after := c.Patch(p.Path(), edited).Is(http.StatusOK).Provider(); after.Name != "Edited" || after.Version != 2 || after.Error == nil || after.Models[0].LastTest == nil {
			t.Errorf("sent back with another name it became %+v", after)
		}
		c.Patch(p.Path(), edited).Problem(http.StatusPreconditionFailed, "version_mismatch")
	})
}

// Fields that only the server sets are accepted with their present value. Those that
// change by themselves are accepted with any value.
func TestReadOnlyFields(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		m := p.Models[0]
		for _, value := range []string{`null`, `"x"`, `0`, `false`, `[]`, `{"a":[1,{"b":null}]}`, `"` + unknownID + `"`} {
			c.Patch(p.Path(), strings.ReplaceAll(`{"error":V,"enabled_model_count":V,"model_count":V,"cloned_from":V,"created_at":V,"updated_at":V,
				"models":[{"id":"`+m.ID+`","last_test":V,"created_at":V,"updated_at":V}]}`, "V", value)).Is(http.StatusOK)
			c.Patch(m.Path(), strings.ReplaceAll(`{"last_test":V,"created_at":V,"updated_at":V}`, "V", value)).Is(http.StatusOK)

			c.Patch(p.Path(), strings.ReplaceAll(`{"id":V,"type_label":V,"enabled":V,"models":[{"id":"`+m.ID+`","provider_id":V}]}`, "V", value)).
				Problem(http.StatusUnprocessableEntity, "validation_failed", "id invalid", "type_label invalid", "enabled invalid", "models[0].provider_id invalid")
			c.Patch(m.Path(), strings.ReplaceAll(`{"id":V,"provider_id":V,"provider_name":V,"provider_type":V,"provider_status":V,"provider_enabled":V}`, "V", value)).
				Problem(http.StatusUnprocessableEntity, "validation_failed", "id invalid", "provider_id invalid", "provider_name invalid",
					"provider_type invalid", "provider_status invalid", "provider_enabled invalid")
		}
		unchanged(t, c, p)
		// Whoever disables a provider by the wrong field learns of the right one.
		for path, want := range map[string]string{p.Path(): "set status", m.Path(): "status of the provider"} {
			field := map[string]string{p.Path(): "enabled", m.Path(): "provider_enabled"}[path]
			answer := c.Patch(path, object{field: false})
			answer.Problem(http.StatusUnprocessableEntity, "validation_failed", field+" invalid")
			if !strings.Contains(answer.Body, want) {
				t.Errorf("PATCH %s with %s: %s does not name the field to set", path, field, answer.Body)
			}
			c.Patch(path, object{field: true}).Is(http.StatusOK)
		}
		// The status of a provider also changes by itself.
		c.Patch(m.Path(), `{"provider_status":"error"}`).Is(http.StatusOK)
		c.Patch(m.Path(), `{"provider_status":"inactive"}`).Problem(http.StatusUnprocessableEntity, "validation_failed", "provider_status invalid")
		// They are no fields of a request that creates.
		c.Post("/providers", apitest.OpenAI(object{"id": unknownID, "status": "active", "version": 1, "created_at": "x"})).
			Problem(http.StatusBadRequest, "malformed_request", "id unknown", "status unknown", "version unknown", "created_at unknown")
		// Given twice they are as broken as any.
		c.Patch(p.Path(), `{"id":1,"id":1}`).Problem(http.StatusBadRequest, "malformed_request", "id duplicate")
	})
}

// A provider takes its models and credentials along.
func TestProviderDelete(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p, kept := blockedProvider(c), blockedProvider(c)
		answer := c.Delete(p.Path()).Is(http.StatusNoContent).Has("Content-Type", "").Has("ETag", "")
		if answer.Body != "" {
			t.Errorf("204 has the body %q", answer.Body)
		}
		for _, o := range operations(p) {
			if strings.Contains(o.path, p.ID) || strings.Contains(o.path, p.Models[0].ID) {
				o.do(c).Problem(http.StatusNotFound, "not_found")
			}
		}
		for _, m := range walk[apitest.Model](c, "/models", 100) {
			if m.ProviderID == p.ID {
				t.Errorf("the model %s outlived its provider", m.ID)
			}
		}
		unchanged(t, c, kept)
		c.Model(kept.Models[0].ID)
		c.Delete(kept.Path(), apitest.Header("If-Match", "*")).Is(http.StatusNoContent)
	})
}
