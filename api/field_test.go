package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"modelproviders/api/apitest"
)

// Whatever is malformed in a request comes back at once, at every depth, named
// as the client wrote it.
func TestMalformedFields(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		m := p.Models[0]
		for _, test := range []struct {
			name, method, path, body string
			fields                   []string
		}{
			{"create", http.MethodPost, "/providers", `{
				"name": 1, "type": "azure_openai", "Name": "a", "enabled": true, "id": "x",
				"credentials": {"api_key": 5, "secret": "x"},
				"config": {"base_url": [], "api_version": "v1", "api_version": "v1", "region": "r"},
				"models": [{"model_id": true, "supported_stages": ["planning", 1], "enabled": "yes", "id": "x", "version": 1}, 7,
					{"model_id": "a", "model_id": "b", "supported_stages": {}, "provider_id": "x"}]}`,
				[]string{
					"name invalid", "Name unknown", "enabled unknown", "id unknown",
					"credentials.api_key invalid", "credentials.secret unknown",
					"config.base_url invalid", "config.api_version duplicate", "config.region unknown",
					"models[0].model_id invalid", "models[0].supported_stages[1] invalid", "models[0].enabled invalid",
					"models[0].id unknown", "models[0].version unknown", "models[1] invalid",
					"models[2].model_id duplicate", "models[2].supported_stages invalid", "models[2].provider_id unknown",
				}},
			{"objects of the wrong type", http.MethodPost, "/providers",
				`{"name":"a","type":"openai","credentials":"sk","config":[],"models":{}}`,
				[]string{"credentials invalid", "config invalid", "models invalid"}},
			{"numbers for texts", http.MethodPost, "/providers",
				`{"name":{},"type":true,"credentials":1,"config":false}`,
				[]string{"name invalid", "type invalid", "credentials invalid", "config invalid"}},
			{"edit", http.MethodPatch, p.Path(), `{
				"name": [], "status": true, "version": "1", "bogus": 1, "bogus": 2, "status": "active",
				"credentials": {"api_key": ["x"], "API_KEY": "x"}, "config": {"base_url": {}},
				"models": [{"id": 1, "version": 1.5, "last_test": 1, "extra": null}]}`,
				[]string{
					"name invalid", "status invalid", "version invalid", "bogus unknown",
					"credentials.api_key invalid", "credentials.API_KEY unknown", "config.base_url invalid",
					"models[0].id invalid", "models[0].version invalid", "models[0].extra unknown",
				}},
			{"a name written another way", http.MethodPatch, p.Path(), `{"name":"a","\u006eame":"b","config":{"base_url":"x","base\u005furl":"y"}}`,
				[]string{"name duplicate", "config.base_url duplicate"}},
			{"model", http.MethodPost, p.Path() + "/models",
				`{"model_id":1,"display_name":[],"supported_stages":"planning","enabled":0,"version":1,"stages":[]}`,
				[]string{"model_id invalid", "display_name invalid", "supported_stages invalid", "enabled invalid", "version unknown", "stages unknown"}},
			{"models", http.MethodPost, p.Path() + "/models/bulk",
				`{"models":[{"model_id":1},null,[]],"model":{}}`,
				[]string{"models[0].model_id invalid", "models[2] invalid", "model unknown"}},
			{"model edit", http.MethodPatch, m.Path(),
				`{"model_id":{},"supported_stages":[["planning"]],"enabled":null,"enabled":true,"version":1e2,"name":"a"}`,
				[]string{"model_id invalid", "supported_stages[0] invalid", "enabled duplicate", "version invalid", "name unknown"}},
			{"reveal", http.MethodPost, p.Path() + "/credentials/api_key/reveal", `{"reason":1,"why":"x"}`,
				[]string{"reason invalid", "why unknown"}},
			{"test", http.MethodPost, "/models/" + m.ID + "/test",
				`{"prompt":1,"system":[],"max_output_tokens":1.5,"temperature":"hot","model_id":"m"}`,
				[]string{"prompt invalid", "system invalid", "max_output_tokens invalid", "temperature invalid", "model_id unknown"}},
			{"test of an edit", http.MethodPost, p.Path() + "/test",
				`{"prompt":"Hi","model_id":1,"credentials":{"api_key":1,"x":1},"config":{"url":""},"name":"n"}`,
				[]string{"model_id invalid", "credentials.api_key invalid", "credentials.x unknown", "config.url unknown", "name unknown"}},
			{"test of a draft", http.MethodPost, "/provider-types/aws_bedrock/test",
				`{"prompt":"Hi","model_id":"m","credentials":{"access_key_id":1,"token":"x"},"config":{"region":1},"type":"x"}`,
				[]string{"credentials.access_key_id invalid", "credentials.token unknown", "config.region invalid", "type unknown"}},
			{"draft's models", http.MethodPost, "/provider-types/openai/available-models",
				`{"credentials":{"api_key":{"value":"x"}},"config":{"base_url":"x"},"model_id":"m"}`,
				[]string{"credentials.api_key invalid", "config.base_url unknown", "model_id unknown"}},
			{"inside the service account", http.MethodPost, "/provider-types/gcp_vertex_ai/available-models",
				`{"credentials":{"service_account_json":{"type":"service_account","type":"external_account"}},"config":{}}`,
				[]string{"credentials.service_account_json.type duplicate"}},
		} {
			t.Run(test.name, func(t *testing.T) {
				c.In(t).Do(test.method, test.path, test.body).Problem(http.StatusBadRequest, "malformed_request", test.fields...)
			})
		}
		unchanged(t, c, p)
	})
}

// A version is a whole number, not a text or a fraction that looks like one.
func TestMalformedVersion(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		for _, version := range []string{`"1"`, `1.0`, `1e0`, `true`, `[1]`, `99999999999999999999`, `-99999999999999999999`} {
			c.Patch(p.Path(), `{"version":`+version+`}`).Problem(http.StatusBadRequest, "malformed_request", "version invalid")
			c.Patch(p.Path(), `{"models":[{"id":"`+p.Models[0].ID+`","version":`+version+`}]}`).
				Problem(http.StatusBadRequest, "malformed_request", "models[0].version invalid")
			c.Patch(p.Models[0].Path(), `{"version":`+version+`}`).Problem(http.StatusBadRequest, "malformed_request", "version invalid")
		}
	})
}

// A refusal stays in proportion to the request, and does not repeat values.
func TestMalformedFieldNames(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		long := strings.Repeat("n", 10_000)
		answer := c.Post("/providers", `{"`+long+`":"`+strings.Repeat("v", 10_000)+`"}`).Is(http.StatusBadRequest)
		if len(answer.Body) > 2000 {
			t.Errorf("a long field name makes an answer of %d bytes", len(answer.Body))
		}
		many := make([]string, 20_000)
		for i := range many {
			many[i] = fmt.Sprintf(`"%d":0`, i)
		}
		c.Post("/providers", "{"+strings.Join(many, ",")+"}").Is(http.StatusBadRequest)
		if answer := c.Post("/providers", `{"name":"`+apitest.Secret+`","type":["`+apitest.Secret+`"]}`).Is(http.StatusBadRequest); strings.Contains(answer.Body, apitest.Secret) {
			t.Error("a refusal repeats the value")
		}
	})
}

// Everything invalid in a request comes back at once.
func TestInvalidFields(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		c.Post("/providers", object{
			"name": " ", "type": "azure_openai",
			"credentials": object{"api_key": "••••1234"},
			"config":      object{"base_url": "http://plain.example.com", "api_version": "latest version"},
			"models": list{
				object{},
				object{"model_id": strings.Repeat("m", 257), "display_name": "", "supported_stages": list{}},
				object{"model_id": "a", "supported_stages": list{"planning", "dreaming", "planning"}},
				object{"model_id": "a", "supported_stages": list{"planning"}, "display_name": strings.Repeat("d", 101)},
			},
		}).Problem(http.StatusUnprocessableEntity, "validation_failed",
			"name required", "credentials.api_key invalid", "config.base_url invalid", "config.api_version invalid",
			"models[0].model_id required", "models[0].supported_stages required",
			"models[1].model_id too_long", "models[1].display_name required", "models[1].supported_stages required",
			"models[2].supported_stages[1] invalid", "models[2].supported_stages[2] duplicate",
			"models[3].model_id duplicate", "models[3].display_name too_long")
		c.Post("/providers", object{}).Problem(http.StatusUnprocessableEntity, "validation_failed",
			"name required", "type required")
		c.Patch(p.Path(), object{
			"name": strings.Repeat("n", 101), "status": "broken", "type": "openai",
			"credentials": object{"api_key": "ключ"}, "config": object{"base_url": ""},
			"models": list{object{"id": unknownID}, object{"id": "no id"}, object{"model_id": "\u0000", "supported_stages": list{"planning"}}},
		}).Problem(http.StatusUnprocessableEntity, "validation_failed",
			"name too_long", "status invalid", "type invalid", "credentials.api_key invalid", "config.base_url required",
			"models[0].id not_found", "models[1].id not_found", "models[2].model_id invalid")
		c.Post("/models/"+p.Models[0].ID+"/test", object{"prompt": "", "system": "", "max_output_tokens": 0, "temperature": 3}).
			Problem(http.StatusUnprocessableEntity, "validation_failed",
				"prompt required", "system required", "max_output_tokens invalid", "temperature invalid")
		unchanged(t, c, p)
	})
}

// Null is no value, wherever it stands but in credentials.
func TestNull(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		m := p.Models[0]
		c.Patch(p.Path(), `{"name":null,"type":null,"status":null,"version":null,"credentials":null,"config":null,"models":null}`).
			Problem(http.StatusUnprocessableEntity, "validation_failed", "name required", "type required", "status required",
				"version required", "credentials required", "config required", "models required")
		c.Patch(p.Path(), `{"config":{"base_url":null},"models":[{"id":"`+m.ID+`","model_id":null,"display_name":null,"supported_stages":[null],"enabled":null,"version":null}]}`).
			Problem(http.StatusUnprocessableEntity, "validation_failed", "config.base_url required", "models[0].model_id required",
				"models[0].display_name required", "models[0].supported_stages[0] required", "models[0].enabled required", "models[0].version required")
		c.Patch(m.Path(), `{"model_id":null,"display_name":null,"supported_stages":null,"enabled":null,"version":null}`).
			Problem(http.StatusUnprocessableEntity, "validation_failed", "model_id required", "display_name required",
				"supported_stages required", "enabled required", "version required")
		c.Post("/providers", `{"name":null,"type":"azure_openai","credentials":{"api_key":null},"config":null,"models":[{"model_id":"m","supported_stages":["planning"],"enabled":null}]}`).
			Problem(http.StatusUnprocessableEntity, "validation_failed", "name required", "credentials.api_key required",
				"config required", "config.base_url required", "config.api_version required", "models[0].enabled required")
		c.Post(p.Path()+"/credentials/api_key/reveal", `{"reason":null}`).Problem(http.StatusUnprocessableEntity, "validation_failed", "reason required")
		c.Post("/models/"+m.ID+"/test", `{"prompt":"Hi","system":null,"temperature":null}`).
			Problem(http.StatusUnprocessableEntity, "validation_failed", "system required", "temperature required")
		unchanged(t, c, p)
	})
}

// What is malformed is told before what is invalid, and that before conflicts.
func TestRefusalOrder(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		taken := c.CreateProvider(apitest.OpenAI(object{"models": list{apitest.GPT("a", nil), apitest.GPT("b", nil)}}))
		stale := apitest.IfMatch(99)

		c.Post("/providers", apitest.OpenAI(object{"name": taken.Name, "extra": 1, "models": list{object{}}})).
			Problem(http.StatusBadRequest, "malformed_request", "extra unknown")
		c.Post("/providers", apitest.OpenAI(object{"name": taken.Name, "models": list{object{"model_id": "m"}}})).
			Problem(http.StatusUnprocessableEntity, "validation_failed", "models[0].supported_stages required")
		c.Post("/providers", apitest.OpenAI(object{"name": taken.Name})).Problem(http.StatusConflict, "name_taken", "name duplicate")

		c.Patch(p.Path(), object{"extra": 1, "status": "x"}, stale).Problem(http.StatusBadRequest, "malformed_request", "extra unknown")
		c.Patch(p.Path(), object{"name": taken.Name, "status": "x"}, stale).Problem(http.StatusUnprocessableEntity, "validation_failed", "status invalid")
		c.Patch(p.Path(), object{"name": taken.Name}, stale).Problem(http.StatusPreconditionFailed, "version_mismatch")
		c.Patch(p.Path(), object{"name": taken.Name}).Problem(http.StatusConflict, "name_taken", "name duplicate")

		a := taken.Models[0]
		c.Patch(a.Path(), object{"extra": 1, "model_id": ""}, stale).Problem(http.StatusBadRequest, "malformed_request", "extra unknown")
		c.Patch(a.Path(), object{"model_id": "b", "supported_stages": list{}}, stale).
			Problem(http.StatusUnprocessableEntity, "validation_failed", "supported_stages required")
		c.Patch(a.Path(), object{"model_id": "b"}, stale).Problem(http.StatusPreconditionFailed, "version_mismatch")
		c.Patch(a.Path(), object{"model_id": "b"}).Problem(http.StatusConflict, "model_exists", "model_id duplicate")
		c.Post(taken.Path()+"/models", apitest.GPT("b", nil)).Problem(http.StatusConflict, "model_exists", "model_id duplicate")

		// A query that can't be taken is malformed too.
		c.Patch(p.Path()+"?dry_run=1", object{"status": "x"}).Problem(http.StatusBadRequest, "malformed_request", "dry_run unknown")
		unchanged(t, c, p)
		unchanged(t, c, taken)
	})
}

// TestRepeatedFieldOfAModel: a JSON name given twice is malformed, though the code
// of its fault is that of a model that exists.
func TestRepeatedFieldOfAModel(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		for _, body := range []string{
			`{"model_id":"a","model_id":"b","supported_stages":["planning"]}`,
			`{"model_id":null,"model_id":"b","supported_stages":["planning"]}`,
		} {
			c.Post(p.Path()+"/models", body).Problem(http.StatusBadRequest, "malformed_request", "model_id duplicate")
		}
	})
}

// TestFaultsAreBounded: a thousand are told, wherever they are.
func TestFaultsAreBounded(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		var names strings.Builder
		for i := range 20_000 {
			fmt.Fprintf(&names, `"%d":"",`, i)
		}
		settings := `{` + strings.TrimSuffix(names.String(), ",") + `}`
		nulls := `[` + strings.TrimSuffix(strings.Repeat("null,", 1500), ",") + `]`
		stages := `[` + strings.TrimSuffix(strings.Repeat(`"",`, 1500), ",") + `]`
		for name, answer := range map[string]*apitest.Answer{
			"create": c.Post("/providers", `{"name":"n","type":"custom","credentials":`+settings+`}`),
			"edit":   c.Patch(p.Path(), `{"credentials":`+settings+`}`),
			"draft":  c.Post(p.Path()+"/test", `{"model_id":"m","prompt":"Hi","config":`+settings+`}`),
			"bulk":   c.Post(p.Path()+"/models/bulk", `{"models":[{"model_id":"a","supported_stages":`+stages+`},{"model_id":"b","supported_stages":`+nulls+`}]}`),
		} {
			if n := strings.Count(answer.Body, `"field":`); n == 0 || n > 1000 {
				t.Errorf("%s: %d errors with status %d", name, n, answer.Status)
			}
		}
	})
}

// TestManyModelsAtOnce are refused without a look at each: that would hold up
// other writes.
func TestManyModelsAtOnce(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		body := `{"models":[` + strings.TrimSuffix(strings.Repeat("{},", 300_000), ",") + `]}`
		c.Post(p.Path()+"/models/bulk", body).Problem(http.StatusUnprocessableEntity, "validation_failed", "models too_many")
	})
}
