package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
)

// auditEvent is an event as it is answered.
type auditEvent struct {
	ID        string                               `json:"id"`
	At        string                               `json:"at"`
	Actor     struct{ Subject, Kind, Name string } `json:"actor"`
	Workspace string                               `json:"workspace"`
	Action    string                               `json:"action"`
	Target    struct{ Type, ID, Name string }      `json:"target"`
	Outcome   string                               `json:"outcome"`
	Changes   []struct {
		Field    string
		Old, New json.RawMessage
	} `json:"changes"`
	Reason    string `json:"reason"`
	RequestID string `json:"request_id"`
	ClientIP  string `json:"client_ip"`
	Count     int    `json:"count"`
}

// newest is the newest event of a workspace.
func newest(t *testing.T, c *apitest.Client, query string) auditEvent {
	t.Helper()
	var page apitest.Page[auditEvent]
	c.Get("/audit-events?limit=1" + query).Is(http.StatusOK).Into(&page)
	if len(page.Data) == 0 {
		t.Fatal("there is no event")
	}
	return page.Data[0]
}

// Everything that is done is an event: who, what, to what, how it ended.
func TestAuditEvents(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		caller := c.Get("/me").Object()
		subject, name := caller["subject"], caller["name"]
		happened := func(a *apitest.Answer, action, outcome, targetType, targetID string, fields ...string) auditEvent {
			t.Helper()
			e := newest(t, c, "")
			if e.Action != action || e.Outcome != outcome || e.Target.Type != targetType || e.Target.ID != targetID || e.Workspace != c.Workspace ||
				e.Actor.Subject != subject || e.Actor.Name != name || name == "" || e.Actor.Kind != "token" || e.RequestID != a.RequestID() || e.ClientIP != "127.0.0.1" || e.Count != 1 {
				t.Errorf("of %s came %+v", action, e)
			}
			var changed []string
			for _, change := range e.Changes {
				changed = append(changed, change.Field)
			}
			if !slices.Equal(changed, fields) {
				t.Errorf("%s changed %q, not %q", action, changed, fields)
			}
			return e
		}
		created := c.Post("/providers", apitest.Custom(blockedURL, object{"name": "Before"})).Is(http.StatusCreated)
		p := created.Provider()
		happened(created, "provider.create", "success", "provider", p.ID, "config.base_url", "credentials.api_key", "enabled", "name", "type")

		edited := c.Patch(p.Path(), object{"name": "After", "credentials": object{"api_key": "sk-" + apitest.Secret}, "status": "inactive"}).Is(http.StatusOK)
		e := happened(edited, "provider.update", "success", "provider", p.ID, "credentials.api_key", "enabled", "name")
		if string(e.Changes[2].Old) != `"Before"` || string(e.Changes[2].New) != `"After"` || string(e.Changes[0].Old) != `"`+mask+`"` || string(e.Changes[0].New) != `"`+mask+`"` {
			t.Errorf("the changes are %+v", e.Changes)
		}
		c.Patch(p.Path(), object{"name": "After"}).Is(http.StatusOK) // changes nothing, records nothing
		if last := newest(t, c, ""); last.ID != e.ID {
			t.Errorf("an edit that changes nothing left %+v", last)
		}

		added := c.Post(p.Path()+"/models", apitest.GPT("gpt-4", nil)).Is(http.StatusCreated)
		m := added.Model()
		happened(added, "model.create", "success", "model", m.ID, "display_name", "enabled", "model_id", "supported_stages")
		happened(c.Patch(m.Path(), object{"enabled": false}).Is(http.StatusOK), "model.update", "success", "model", m.ID, "enabled")

		tested := c.Post("/models/"+m.ID+"/test", object{"prompt": "a prompt that is nobody's business"}).Is(http.StatusOK)
		if e := happened(tested, "model.test", "failure", "model", m.ID); e.Reason != "blocked" {
			t.Errorf("the reason is %q", e.Reason)
		}
		happened(c.Post(p.Path()+"/test", object{"model_id": "m", "prompt": "Hi"}).Is(http.StatusOK), "provider.test", "failure", "provider", p.ID)
		happened(c.Get(p.Path()+"/available-models"), "provider.discover", "failure", "provider", p.ID)
		happened(c.Post(p.Path()+"/available-models", nil), "provider.discover", "failure", "provider", p.ID)
		if e := happened(c.Post(p.Path()+"/check", nil).Is(http.StatusOK), "provider.check", "failure", "provider", p.ID); e.Reason != "blocked" {
			t.Errorf("the reason is %q", e.Reason)
		}
		draft := object{"credentials": object{"api_key": "sk-" + apitest.Secret}, "config": object{"base_url": blockedURL}, "model_id": "m", "prompt": "Hi"}
		happened(c.Post("/provider-types/custom/test", draft).Is(http.StatusOK), "provider.test", "failure", "provider_type", "custom")

		delete(draft, "model_id")
		delete(draft, "prompt")
		happened(c.Post("/provider-types/custom/check", draft).Is(http.StatusOK), "provider.check", "failure", "provider_type", "custom")

		revealed := c.Post(p.Path()+"/credentials/api_key/reveal", object{"reason": "to move it"}).Is(http.StatusOK)
		if e := happened(revealed, "credential.reveal", "success", "credential", p.ID+"/api_key"); e.Reason != "to move it" {
			t.Errorf("the reason is %q", e.Reason)
		}
		happened(c.Delete(m.Path()).Is(http.StatusNoContent), "model.delete", "success", "model", m.ID, "display_name", "enabled", "model_id", "supported_stages")
		happened(c.Delete(p.Path()).Is(http.StatusNoContent), "provider.delete", "success", "provider", p.ID, "config.base_url", "credentials.api_key", "enabled", "name", "type")

		made := c.Post("/tokens", object{"name": "viewer", "role": "viewer"}).Is(http.StatusCreated)
		id := made.Object()["id"].(string)
		happened(made, "token.create", "success", "token", id, "name", "role", "scopes")
		viewer := c.With(made.Object()["token"].(string))
		viewer.Post("/providers", apitest.OpenAI(nil)).Problem(http.StatusForbidden, "forbidden")
		if e := newest(t, c, ""); e.Action != "access.denied" || e.Outcome != "denied" || e.Actor.Subject != id || e.Reason != "forbidden" || e.Target.ID != "POST /providers" {
			t.Errorf("of the refusal came %+v", e)
		}
		happened(c.Delete("/tokens/"+id).Is(http.StatusNoContent), "token.revoke", "success", "token", id, "name", "role", "scopes")

		all := walk[auditEvent](c, "/audit-events", 3)
		if len(all) != 17 || !slices.IsSortedFunc(all, func(a, b auditEvent) int { return strings.Compare(b.At+b.ID, a.At+a.ID) }) {
			t.Errorf("there are %d events, or not newest first", len(all))
		}
		log, _ := json.Marshal(all)
		for _, secret := range []string{apitest.Secret, "nobody's business", made.Object()["token"].(string)} {
			if strings.Contains(string(log), secret) {
				t.Errorf("the events hold %q", secret)
			}
		}
	})
}

func TestAuditFilters(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p, other := blockedProvider(c), blockedProvider(c)
		c.Post("/models/"+p.Models[0].ID+"/test", prompt).Is(http.StatusOK)
		c.Patch(other.Path(), object{"status": "inactive"}).Is(http.StatusOK)
		subject := c.Get("/me").Object()["subject"].(string)
		middle := newest(t, c, "&action=model.test").At
		for query, want := range map[string][]string{
			"":                                       {"provider.update", "model.test", "provider.create", "provider.create"},
			"?action=provider.create":                {"provider.create", "provider.create"},
			"?outcome=failure":                       {"model.test"},
			"?outcome=denied":                        nil,
			"?provider_id=" + p.ID:                   {"model.test", "provider.create"},
			"?actor=" + subject + "&outcome=failure": {"model.test"},
			"?actor=nobody":                          nil,
			"?from=" + middle + "&action=model.test": {"model.test"},
			"?to=" + middle + "&action=model.test":   nil,
		} {
			var got []string
			for _, e := range walk[auditEvent](c, "/audit-events"+query, 2) {
				got = append(got, e.Action)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: got %q, want %q", query, got, want)
			}
		}
		for query, fault := range map[string]string{"action=x": "action invalid", "outcome=x": "outcome invalid", "provider_id=x": "provider_id invalid",
			"from=yesterday": "from invalid", "to=": "to invalid", "q=x": "q unknown", "cursor=x": "cursor invalid"} {
			c.Get("/audit-events?"+query).Problem(http.StatusBadRequest, "malformed_request", fault)
		}
		if theirs := walk[auditEvent](s.Workspace(t), "/audit-events", 10); len(theirs) != 0 {
			t.Errorf("the neighbour sees %d events", len(theirs))
		}
	})
}

// An event that somebody broke in the database is shown, and hides no other.
func TestABrokenAuditEventIsShown(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		blockedProvider(c)
		waitLinked(t, s)
		s.Database.Exec(t, `UPDATE audit_events SET changes = '[{"field":"name","new":"not JSON"}]'`)
		e := newest(t, c, "&action=provider.create")
		if len(e.Changes) != 1 || string(e.Changes[0].New) != `"not JSON"` {
			t.Errorf("got %+v", e.Changes)
		}
	})
}

// A refusal of the rate limit, and of revealing, is an event too.
func TestAuditOfRefusals(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		c.Post(p.Path()+"/credentials/api_key/reveal", nil).Problem(http.StatusForbidden, "reveal_disabled")
		if e := newest(t, c, ""); e.Reason != "reveal_disabled" || e.Outcome != "denied" {
			t.Errorf("got %+v", e)
		}
		c.Post("/models/"+p.Models[0].ID+"/test", prompt).Is(http.StatusOK)
		c.Post("/models/"+p.Models[0].ID+"/test", prompt).Problem(http.StatusTooManyRequests, "rate_limited")
		if e := newest(t, c, ""); e.Reason != "rate_limited" || e.Outcome != "denied" {
			t.Errorf("got %+v", e)
		}
	}, func(cfg *app.Config) { cfg.Reveal, cfg.Limits.TestsPerMinute = false, 1 })
}

// A reveal whose event can't be stored does not happen; nor does a write.
func TestNothingHappensWithoutItsEvent(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		s.Database.Exec(t, "ALTER TABLE audit_events RENAME TO audit_events_away")
		defer s.Database.Exec(t, "ALTER TABLE audit_events_away RENAME TO audit_events")
		revealed := c.Post(p.Path()+"/credentials/api_key/reveal", nil)
		revealed.Problem(http.StatusInternalServerError, "internal")
		if strings.Contains(revealed.Body, apitest.Secret) {
			t.Error("the value left without its event")
		}
		c.Patch(p.Path(), object{"name": "renamed"}).Problem(http.StatusInternalServerError, "internal")
		c.Delete(p.Path()).Problem(http.StatusInternalServerError, "internal")
		c.Post("/tokens", object{"name": "a", "role": "viewer"}).Problem(http.StatusInternalServerError, "internal")
		unchanged(t, c, p)
	})
}
