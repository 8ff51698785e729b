package api_test

import (
	"net/http"
	"slices"
	"testing"

	"modelproviders/api/apitest"
)

// An optional credential is removed with what was answered for one that is not set. The
// removal counts as a change of the connection, and the audit log tells of it.
func TestRemovedCredentials(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		unset := object{"set": false}
		p := c.CreateProvider(apitest.Custom(blockedURL, object{"models": list{apitest.GPT("gpt-4", nil)},
			"credentials": object{"api_key": "sk-" + apitest.Secret, "headers": object{"X-Team": "a", "X-Gateway-Key": "gw-" + apitest.Secret}}}))
		if got := p.Stored(); !slices.Equal(got, []string{"api_key", "headers.x-gateway-key", "headers.x-team"}) {
			t.Errorf("stored are %v", got)
		}
		c.Post("/models/"+p.Models[0].ID+"/test", object{"prompt": "Hi"}).Is(http.StatusOK)

		changes := func(credentials object) (fields []string, after apitest.Provider) {
			after = c.EditProvider(p.ID, object{"credentials": credentials})
			for _, change := range newest(t, c, "").Changes {
				fields = append(fields, change.Field+" "+string(change.Old)+" "+string(change.New))
			}
			return fields, after
		}
		const masked = `"` + mask + `"`
		got, after := changes(object{"api_key": unset, "headers": object{"x-team": "", "X-New": "n"}})
		want := []string{"credentials.api_key " + masked + " ", "credentials.headers.x-gateway-key " + masked + " ", "credentials.headers.x-new  " + masked}
		if !slices.Equal(got, want) {
			t.Errorf("the changes are %q, not %q", got, want)
		}
		if after.Credentials["api_key"].Set || !slices.Equal(after.Stored(), []string{"headers.x-new", "headers.x-team"}) || after.Error != nil || after.Models[0].LastTest != nil || after.Version != 2 {
			t.Errorf("after the removal the provider is %+v", after)
		}
		c.Post(p.Path()+"/credentials/api_key/reveal", nil).Problem(http.StatusNotFound, "not_found")
		if got := reveal(c, p, "headers.x-team"); got != "a" {
			t.Errorf("the kept header is %q", got)
		}
		c.Patch(p.Path(), object{"credentials": object{"api_key": unset}}).Is(http.StatusOK).Has("ETag", `"2"`)

		openAI := c.CreateProvider(apitest.OpenAI(nil))
		c.Patch(openAI.Path(), object{"credentials": object{"api_key": unset}}).
			Problem(http.StatusUnprocessableEntity, "validation_failed", "credentials.api_key required")
		unchanged(t, c, openAI)
	})
}

// Every stored secret is replaced or removed where the base URL changes, also in drafts.
// With none stored, nothing is demanded.
func TestEveryStoredSecretIsDemanded(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		config := object{"base_url": "https://elsewhere.example.com"}
		p := c.CreateProvider(apitest.Custom(blockedURL, object{"models": list{apitest.GPT("gpt-4", nil)},
			"credentials": object{"api_key": "sk-" + apitest.Secret, "headers": object{"X-Team": "a", "X-Zone": "b"}}}))
		for _, test := range []struct {
			credentials object
			missing     []string
		}{
			{object{}, []string{"credentials.api_key required", "credentials.headers.x-team required", "credentials.headers.x-zone required"}},
			{object{"api_key": "sk-new"}, []string{"credentials.headers.x-team required", "credentials.headers.x-zone required"}},
			{object{"headers": object{"X-Team": "new"}}, []string{"credentials.api_key required"}},
			{object{"api_key": object{"set": false}, "headers": object{"x-team": mask, "x-zone": "new"}}, []string{"credentials.headers.x-team required"}},
		} {
			body := object{"config": config, "credentials": test.credentials}
			c.Patch(p.Path(), body).Problem(http.StatusUnprocessableEntity, "credentials_required", test.missing...)
			c.Post(p.Path()+"/check", body).Problem(http.StatusUnprocessableEntity, "credentials_required", test.missing...)
			c.Post(p.Path()+"/available-models", body).Problem(http.StatusUnprocessableEntity, "credentials_required", test.missing...)
			body["model_id"], body["prompt"] = "gpt-4", "Hi"
			c.Post(p.Path()+"/test", body).Problem(http.StatusUnprocessableEntity, "credentials_required", test.missing...)
		}
		unchanged(t, c, p)
		moved := c.EditProvider(p.ID, object{"config": config, "credentials": object{"api_key": object{"set": false}, "headers": object{"X-Zone": "new"}}})
		if !slices.Equal(moved.Stored(), []string{"headers.x-zone"}) || reveal(c, p, "headers.x-zone") != "new" {
			t.Errorf("after the move the provider is %+v", moved)
		}
		c.EditProvider(p.ID, object{"credentials": object{"headers": object{}}})
		if got := c.EditProvider(p.ID, object{"config": object{"base_url": blockedURL}}); got.Config["base_url"] != blockedURL || got.Stored() != nil {
			t.Errorf("without credentials the provider is %+v", got)
		}
	})
}
