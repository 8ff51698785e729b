package api_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
	"modelproviders/pkg/auth"
)

// lookup is the answer of a lookup.
type lookup struct {
	Data []struct {
		ProviderID   string `json:"provider_id"`
		ProviderName string `json:"provider_name"`
		ProviderType string `json:"provider_type"`
		Field        string
	}
	Truncated bool
}

// lookUp returns which fields of which providers have a value.
func lookUp(c *apitest.Client, value any) (found []string) {
	var answer lookup
	c.Post("/credentials/lookup", object{"value": value}).Is(http.StatusOK).Has("Cache-Control", "no-store").Has("ETag", "").Into(&answer)
	for _, h := range answer.Data {
		found = append(found, h.ProviderID+" "+h.ProviderName+" "+h.ProviderType+" "+h.Field)
	}
	return found
}

func wantFound(t *testing.T, c *apitest.Client, value any, want ...string) {
	t.Helper()
	if got := strings.Join(lookUp(c, value), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("found:\n%s\nnot:\n%s", got, strings.Join(want, "\n"))
	}
}

// Every credential of every type is found by its value, in its own workspace only,
// until it is replaced.
func TestLookup(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c, other := s.Workspace(t), s.Workspace(t)
		for name, settings := range apitest.Settings(t) {
			body := object{"name": name}
			maps.Copy(body, settings)
			p := c.CreateProvider(body)
			typ := p.Type
			for field, value := range apitest.Flat(settings["credentials"].(object)) {
				found := p.ID + " " + name + " " + typ + " " + field
				if file, ok := value.(object); ok {
					text, err := json.Marshal(file)
					if err != nil {
						t.Fatal(err)
					}
					wantFound(t, c, string(text), found)
					wantFound(t, c, file["private_key"], found)
					continue
				}
				// Several types have the same key here; each of them is found.
				unique := "sk-" + name + "-" + field + "-" + apitest.Secret
				replace := func(by string) {
					edit := object{field: by}
					if parent, entry, isEntry := strings.Cut(field, "."); isEntry {
						edit = object{parent: object{entry: by}}
					}
					c.EditProvider(p.ID, object{"credentials": edit})
				}
				replace(unique)
				for _, pasted := range []string{unique, " " + unique + "\n", `"` + unique + `"`, "Bearer " + unique} {
					wantFound(t, c, pasted, found)
				}
				wantFound(t, other, unique)
				replace(unique + "2")
				wantFound(t, c, unique)
			}
		}
	})
}

// Several providers with one key are all found, in the order of their creation.
func TestLookupOfSharedKey(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		key := "sk-shared-" + apitest.Secret
		b := c.CreateProvider(apitest.OpenAI(object{"name": "B", "credentials": object{"api_key": key}}))
		a := c.CreateProvider(apitest.Custom(blockedURL, object{"name": "A", "credentials": object{"api_key": key}}))
		wantFound(t, c, key, b.ID+" B openai api_key", a.ID+" A custom api_key")
		unchanged(t, c, a)
		c.Delete(b.Path()).Is(http.StatusNoContent)
		wantFound(t, c, key, a.ID+" A custom api_key")
	})
}

// The value of a header may look like a mask. It is found; any other mask is refused.
func TestLookupOfWhatLooksLikeAMask(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := c.CreateProvider(apitest.Custom(blockedURL, object{"name": "A", "credentials": object{"headers": object{"X-Range": "a...b"}}}))
		wantFound(t, c, "a...b", p.ID+" A custom headers.x-range")
		c.Post("/credentials/lookup", object{"value": "a...c"}).Problem(http.StatusUnprocessableEntity, "validation_failed", "value invalid")
	})
}

func TestLookupIsAudited(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		key := "sk-audited-" + apitest.Secret
		wants := func(ids string) {
			t.Helper()
			lookUp(c, key)
			e := newest(t, c, "&action=credential.lookup")
			if e.Outcome != "success" || e.Target.Type != "credential" || e.Target.ID != "" || len(e.Changes) != 1 || e.Changes[0].Field != "provider_ids" || string(e.Changes[0].New) != ids {
				t.Errorf("the event is %+v, not of the providers %s", e, ids)
			}
		}
		wants("[]")
		p := c.CreateProvider(apitest.OpenAI(object{"credentials": object{"api_key": key}}))
		wants(`["` + p.ID + `"]`)
	})
}

// A value in the wrong place is in no answer, and in no log.
func TestLookupInOddPlaces(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		key := "sk-misplaced-" + apitest.Secret
		quoted := `"` + key + `"`
		for body, fault := range map[string]string{
			`{` + quoted + `:"x"}`:                               mask + " unknown",
			`{` + quoted + `:"x",` + quoted + `:"x"}`:            mask + " unknown",
			`{"value":"x",` + quoted + `:{}}`:                    mask + " unknown",
			`{"value":"x","values":` + quoted + `}`:              mask + " unknown",
			`{"value":{` + quoted + `:` + quoted + `}}`:          "value invalid",
			`{"value":[` + quoted + `]}`:                         "value invalid",
			`{"value":` + quoted + `,"value":"x"}`:               "value duplicate",
			`{"value":"x","value":` + quoted + `}`:               "value duplicate",
			`{"value":"x","reason":` + quoted + `,"name":"n"}`:   mask + " unknown",
			`{"value":` + quoted + `,"credentials":{"key":"x"}}`: mask + " unknown",
		} {
			answer := c.Post("/credentials/lookup", body)
			answer.Problem(http.StatusBadRequest, "malformed_request", fault)
			if strings.Contains(answer.Body, key) {
				t.Errorf("%s is answered with the key: %s", body, answer.Body)
			}
		}
		for _, body := range []string{quoted, `[` + quoted + `]`, `{"value":` + key + `}`, `{"value":"` + key, key, `{"value":"` + key + `\ud800"}`, `{"value":"` + key + "\n\"}"} {
			answer := c.Post("/credentials/lookup", body)
			answer.Problem(http.StatusBadRequest, "malformed_request")
			if strings.Contains(answer.Body, key) {
				t.Errorf("%s is answered with the key: %s", body, answer.Body)
			}
		}
		for value, fault := range map[string]string{
			strings.Repeat(key, 1000): "value too_long", "": "value required", " \n": "value required", mask: "value invalid", key[:8] + "...": "value invalid",
		} {
			answer := c.Post("/credentials/lookup", object{"value": value})
			answer.Problem(http.StatusUnprocessableEntity, "validation_failed", fault)
			if strings.Contains(answer.Body, key) {
				t.Errorf("the answer has the key: %s", answer.Body)
			}
		}
		if strings.Contains(s.Log.Text(), key) {
			t.Error("the log has the key")
		}
	})
}

// Who can't reveal can't look up either, but lookups reveal nothing.
func TestLookupAccess(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		key := "sk-" + apitest.Secret
		p := c.CreateProvider(apitest.OpenAI(object{"name": "P", "credentials": object{"api_key": key}}))
		c.Post(p.Path()+"/credentials/api_key/reveal", nil).Problem(http.StatusForbidden, "reveal_disabled")
		wantFound(t, c, key, p.ID+" P openai api_key")
		c.As(auth.Editor).Post("/credentials/lookup", object{"value": key}).Problem(http.StatusForbidden, "forbidden")
		c.Get("/credentials/lookup?value="+key).Problem(http.StatusMethodNotAllowed, "method_not_allowed")
		rateLimited(t, c.Post("/credentials/lookup", object{"value": key}))
	}, func(cfg *app.Config) { cfg.Reveal, cfg.Limits.RevealsPerMinute = false, 1 })
}
