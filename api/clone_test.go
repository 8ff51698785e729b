package api_test

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/provider/providertest"
)

// cloneOf clones a provider.
func cloneOf(c *apitest.Client, p apitest.Provider, name string) apitest.Provider {
	return c.Post(p.Path()+"/clone", object{"name": name}).Is(http.StatusCreated).Provider()
}

// settingsOfModels are what models have in common with their copies.
func settingsOfModels(models []apitest.Model) (all []string) {
	for _, m := range models {
		all = append(all, fmt.Sprint(m.ModelID, m.DisplayName, m.SupportedStages, m.Enabled))
	}
	return all
}

func TestClone(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		for typ, settings := range apitest.Settings(t) {
			body := object{"name": typ, "models": list{
				apitest.GPT("a", object{"supported_stages": list{"guardrail", "planning"}, "enabled": false}), apitest.GPT("b", object{"display_name": "B"}), apitest.GPT("c", nil)}}
			for name, value := range settings {
				body[name] = value
			}
			p := c.CreateProvider(body)
			answer := c.Post(p.Path()+"/clone", object{"name": "  Clone of " + typ + "\n"}).Is(http.StatusCreated).Has("ETag", `"1"`)
			made := answer.Provider()
			answer.Has("Location", made.Path())
			if made.Name != "Clone of "+typ || made.ID == p.ID || made.Status != "inactive" || made.Enabled || made.Version != 1 || made.ClonedFrom == nil || *made.ClonedFrom != p.ID {
				t.Errorf("%s: the clone is %+v", typ, made)
			}
			if made.Type != settings["type"] || !reflect.DeepEqual(made.Config, p.Config) || !slices.Equal(settingsOfModels(made.Models), settingsOfModels(p.Models)) {
				t.Errorf("%s: the clone has not what the original has: %+v", typ, made)
			}
			for i, m := range made.Models {
				if m.ID == p.Models[i].ID || m.ProviderID != made.ID || m.Version != 1 {
					t.Errorf("%s: model %d of the clone is %+v", typ, i, m)
				}
			}
			for _, field := range p.Stored() {
				if got, want := reveal(c, made, field), reveal(c, p, field); got != want || got == "" {
					t.Errorf("%s: the clone has the credential %q, not %q", typ, got, want)
				}
			}
			if read := c.Get(made.Path()).Is(http.StatusOK); read.Body != answer.Body {
				t.Errorf("%s: read it is\n%s\nnot\n%s", typ, read.Body, answer.Body)
			}
			unchanged(t, c, p)
		}
	})
}

// Each has credentials of its own: they are found and replaced one by one, and outlive
// the original.
func TestCredentialsOfAClone(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		secret := "sk-" + apitest.UniqueName("key")[4:]
		p := c.CreateProvider(apitest.Custom("https://llm.example.com", object{"credentials": object{"api_key": secret}}))
		made := cloneOf(c, p, "Clone")
		wantFound(t, c, secret, p.ID+" "+p.Name+" custom api_key", made.ID+" Clone custom api_key")

		c.Patch(made.Path(), object{"config": object{"base_url": "https://evil.example.com"}}).
			Problem(http.StatusUnprocessableEntity, "credentials_required", "credentials.api_key required")
		c.EditProvider(p.ID, object{"credentials": object{"api_key": "sk-new-" + apitest.Secret}})
		c.Delete(p.Path()).Is(http.StatusNoContent)
		if got := reveal(c, made, "api_key"); got != secret {
			t.Errorf("without the original, the clone has the key %q", got)
		}
	})
}

// The clone says what it was cloned from, while that exists.
func TestClonedFrom(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := c.CreateProvider(apitest.OpenAI(nil))
		if p.ClonedFrom != nil {
			t.Errorf("a new provider is a clone of %s", *p.ClonedFrom)
		}
		made := cloneOf(c, p, "Clone")
		again := cloneOf(c, made, "Clone of the clone")
		event := newest(t, c, "")
		if event.Action != "provider.clone" || event.Target.ID != again.ID || event.Target.Name != again.Name {
			t.Errorf("the event is %+v", event)
		}
		recorded := map[string]string{}
		for _, change := range event.Changes {
			recorded[change.Field] = string(change.Old) + string(change.New)
		}
		if want := map[string]string{"cloned_from": `"` + made.ID + `"`, "credentials.api_key": `"` + mask + `"`, "enabled": "false", "name": `"Clone of the clone"`, "type": `"openai"`}; !reflect.DeepEqual(recorded, want) {
			t.Errorf("the event records %v, not %v", recorded, want)
		}

		// An edit passes over whatever it says.
		answered := c.Get(made.Path()).Object()
		c.Delete(p.Path()).Is(http.StatusNoContent)
		c.Patch(made.Path(), answered).Is(http.StatusOK).Has("ETag", `"1"`)
		for _, read := range []string{made.Path(), "/providers?name=clone", "/providers?name=clone&view=summary"} {
			if body := c.Get(read).Is(http.StatusOK).Body; !strings.Contains(body, `"cloned_from":null`) {
				t.Errorf("without the original, %s is %s", read, body)
			}
		}
		if after := c.Provider(again.ID); after.ClonedFrom == nil || *after.ClonedFrom != made.ID {
			t.Errorf("the clone of the clone is %+v", after)
		}
	})
}

func TestCloneRefused(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c, other := s.Workspace(t), s.Workspace(t)
		p := c.CreateProvider(apitest.OpenAI(object{"name": "Original"}))
		path := p.Path() + "/clone"
		for _, name := range []string{"Original", "  ORIGINAL "} {
			c.Post(path, object{"name": name}).Problem(http.StatusConflict, "name_taken", "name duplicate")
		}
		c.Post(path, object{}).Problem(http.StatusUnprocessableEntity, "validation_failed", "name required")
		c.Post(path, object{"name": " "}).Problem(http.StatusUnprocessableEntity, "validation_failed", "name required")
		c.Post(path, object{"name": strings.Repeat("n", 101)}).Problem(http.StatusUnprocessableEntity, "validation_failed", "name too_long")
		c.Post(path, object{"name": "Clone", "status": "active", "credentials": object{}}).
			Problem(http.StatusBadRequest, "malformed_request", "status unknown", "credentials unknown")
		other.Post(path, object{"name": "Clone"}).Problem(http.StatusNotFound, "not_found")
		c.Post("/providers/"+unknownID+"/clone", object{"name": ""}).Problem(http.StatusNotFound, "not_found")
		for _, workspace := range []*apitest.Client{c, other} {
			if all := walk[apitest.Provider](workspace, "/providers", 10); len(all) > 1 {
				t.Errorf("a refused request left %+v", all)
			}
		}
	})
}

// What was observed of the original says nothing about the clone.
func TestCloneOfAFailingProvider(t *testing.T) {
	onEachWithFake(t, providertest.OpenAI, func(t *testing.T, s *apitest.Server, fake *providertest.Server) {
		c := s.Workspace(t)
		p := c.CreateProvider(apitest.OpenAI(object{"credentials": fake.Credentials, "models": list{apitest.GPT(fake.ModelID, nil)}}))
		fake.Use(providertest.Authentication)
		c.Post("/models/"+p.Models[0].ID+"/test", object{"prompt": "Hi"}).Is(http.StatusOK)
		if failing := c.Provider(p.ID); failing.Error == nil || failing.Models[0].LastTest == nil {
			t.Fatalf("the original does not fail: %+v", failing)
		}
		made := cloneOf(c, p, "Clone")
		if made.Error != nil || made.Models[0].LastTest != nil {
			t.Errorf("the clone is %+v", made)
		}
		fake.Use(providertest.Success)
		c.Post("/models/"+made.Models[0].ID+"/test", object{"prompt": "Hi"}).Is(http.StatusOK)
		if tested := c.Provider(made.ID).Models[0].LastTest; tested == nil || tested.Status != "success" {
			t.Errorf("the test of the clone ended with %+v", tested)
		}
		if failing := c.Provider(p.ID); failing.Error == nil || failing.Models[0].LastTest.Status != "failed" {
			t.Errorf("the test of the clone changed the original to %+v", failing)
		}
	})
}

func TestCloneOfManyModels(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		var models list
		for i := range 500 {
			models = append(models, apitest.GPT(fmt.Sprint("model-", i), object{"enabled": i%2 == 0}))
		}
		p := c.CreateProvider(apitest.OpenAI(object{"models": models}))
		made := cloneOf(c, p, "Clone")
		if made.ModelCount != 500 || made.EnabledModelCount != 250 || !slices.Equal(settingsOfModels(made.Models), settingsOfModels(p.Models)) {
			t.Errorf("the clone has %d models, %d of them enabled", made.ModelCount, made.EnabledModelCount)
		}
	})
}

// Of several who clone to one name, one does. A clone is made before or after an edit of
// the original, not in the midst of it.
func TestClonesAtOnce(t *testing.T) {
	const n = 8
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := c.CreateProvider(apitest.Custom("https://0.example.com", object{
			"credentials": object{"api_key": "sk-0-" + apitest.Secret}, "models": list{apitest.GPT("0", nil)}}))
		got := atOnce(n, func(int) *apitest.Answer { return c.Post(p.Path()+"/clone", object{"name": "Clone"}) })
		if got[http.StatusCreated] != 1 || got[http.StatusConflict] != n-1 {
			t.Errorf("the answers by status are %v", got)
		}

		var editing sync.WaitGroup
		for i := range n {
			editing.Go(func() {
				id := fmt.Sprint(i + 1)
				c.EditProvider(p.ID, object{
					"config": object{"base_url": "https://" + id + ".example.com"}, "credentials": object{"api_key": "sk-" + id + "-" + apitest.Secret},
					"models": list{apitest.GPT(id, nil)}})
			})
			editing.Go(func() {
				made := cloneOf(c, p, fmt.Sprint("Clone ", i))
				id := made.Models[0].ModelID
				if key := reveal(c, made, "api_key"); made.Config["base_url"] != "https://"+id+".example.com" || key != "sk-"+id+"-"+apitest.Secret {
					t.Errorf("a clone has the model %s, the address %s and the key %s", id, made.Config["base_url"], key)
				}
			})
		}
		editing.Wait()
		if after := c.Provider(p.ID); after.Version != 1+n {
			t.Errorf("after %d edits the original has version %d", n, after.Version)
		}
	})
}

// Of a provider that is being deleted there is a whole clone, or none.
func TestCloneWhileDeleted(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		for i := range 5 {
			p := blockedProvider(c)
			name := fmt.Sprint("Clone ", i)
			got := atOnce(3, func(i int) *apitest.Answer {
				if i == 0 {
					return c.Delete(p.Path())
				}
				return c.Post(p.Path()+"/clone", object{"name": fmt.Sprint(name, " ", i)})
			})
			if got[http.StatusNoContent] != 1 || got[http.StatusCreated]+got[http.StatusNotFound] != 2 {
				t.Errorf("the answers by status are %v", got)
			}
			made := walk[apitest.Provider](c, "/providers?q="+strings.ReplaceAll(name, " ", "%20"), 10)
			if len(made) != got[http.StatusCreated] {
				t.Errorf("%d clones were answered, %d are there", got[http.StatusCreated], len(made))
			}
			for _, p := range made {
				if reveal(c, p, "api_key") == "" || p.ClonedFrom != nil || len(p.Models) != 1 {
					t.Errorf("the clone is %+v", p)
				}
			}
		}
	})
}
