package api_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
	"modelproviders/pkg/provider/providertest"
)

// testedModel is the outcome for one of several models.
type testedModel struct {
	ID      string   `json:"id"`
	ModelID string   `json:"model_id"`
	Status  string   `json:"status"`
	Result  *outcome `json:"result"`
	Detail  string   `json:"detail"`
}

type testedSummary struct {
	Succeeded int  `json:"succeeded"`
	Failed    int  `json:"failed"`
	Skipped   int  `json:"skipped"`
	Truncated bool `json:"truncated"`
}

type testedModels struct {
	Results []testedModel `json:"results"`
	Summary testedSummary `json:"summary"`
}

func testedOf(a *apitest.Answer) (tested testedModels) {
	a.Is(http.StatusOK).Into(&tested)
	return tested
}

// withTwoModels is a provider to create with the fake's model and another one.
func withTwoModels(fake *providertest.Server) object {
	return settingsOf(fake, object{"name": apitest.UniqueName(fake.Type), "type": fake.Type,
		"models": list{apitest.GPT(fake.ModelID, object{"display_name": "A"}), apitest.GPT("no-such-model", object{"display_name": "B"})}})
}

func TestModelsAreTestedTogether(t *testing.T) {
	onEachWithFake(t, providertest.Custom, func(t *testing.T, s *apitest.Server, fake *providertest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(withTwoModels(fake))
		path := p.Path() + "/test-models"
		got := testedOf(admin.Post(path, prompt))
		if len(got.Results) != 2 || got.Summary != (testedSummary{Succeeded: 1, Failed: 1}) {
			t.Fatalf("got %+v", got)
		}
		for i, result := range got.Results {
			m := p.Models[i]
			if result.ID != m.ID || result.ModelID != m.ModelID || result.Status != result.Result.Status || result.Detail != "" {
				t.Errorf("of %s came %+v", m.ModelID, result)
			}
			if last := admin.Model(m.ID).LastTest; last == nil || last.Status != result.Status {
				t.Errorf("the last test of %s is %+v", m.ModelID, last)
			}
		}
		succeeded(t, *got.Results[0].Result)
		failed(t, *got.Results[1].Result, "model_not_found")

		stream := admin.Post(path, prompt, asEvents).Is(http.StatusOK).Has("Content-Type", "text/event-stream")
		var told []string
		events := eventsOf(t, stream.Body)
		for _, e := range events[:len(events)-1] {
			var result testedModel
			if err := json.Unmarshal([]byte(e.data), &result); err != nil || e.name != "result" {
				t.Fatalf("an event %s: %v", e.name, err)
			}
			told = append(told, result.ModelID+" "+result.Status)
		}
		slices.Sort(told)
		if want := []string{"no-such-model failed", fake.ModelID + " success"}; !slices.Equal(told, want) {
			t.Errorf("the stream tells %q, not %q", told, want)
		}
		var summary testedSummary
		last := events[len(events)-1]
		if err := json.Unmarshal([]byte(last.data), &summary); err != nil || last.name != "summary" || summary != got.Summary {
			t.Errorf("the stream ends with %+v, %v", last, err)
		}

		var recorded apitest.Page[auditEvent]
		admin.Get("/audit-events?action=model.test&provider_id=" + p.ID).Is(http.StatusOK).Into(&recorded)
		if len(recorded.Data) != 4 {
			t.Errorf("4 tests left %d events", len(recorded.Data))
		}
	})
}

func TestModelsToTestTogether(t *testing.T) {
	onEachWithFake(t, providertest.Custom, func(t *testing.T, s *apitest.Server, fake *providertest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(withTwoModels(fake))
		path := p.Path() + "/test-models"
		ids := func(wanted ...any) object { return object{"prompt": "Hi", "model_ids": wanted} }
		both := testedOf(admin.Post(path, ids(p.Models[1].ID, p.Models[0].ModelID)))
		if len(both.Results) != 2 || both.Results[0].ID != p.Models[1].ID || both.Results[1].ID != p.Models[0].ID {
			t.Errorf("got %+v", both)
		}
		one := testedOf(admin.Post(path, ids("no-such-model")))
		if len(one.Results) != 1 || one.Results[0].ModelID != "no-such-model" {
			t.Errorf("got %+v", one)
		}
		many := make([]any, 51)
		for i := range many {
			many[i] = strings.Repeat("x", i+1)
		}
		for fault, body := range map[string]object{
			"model_ids[1] not_found": ids(fake.ModelID, "nothing"),
			"model_ids[1] duplicate": ids(fake.ModelID, p.Models[0].ID),
			"model_ids required":     ids(),
			"prompt required":        {"prompt": ""},
		} {
			admin.Post(path, body).Problem(http.StatusUnprocessableEntity, "validation_failed", fault)
		}
		if answer := admin.Post(path, ids(many...)).Is(http.StatusUnprocessableEntity); !strings.Contains(answer.Body, "too_many") {
			t.Errorf("51 models: %s", answer.Body)
		}
		admin.Post(path, object{"prompt": "Hi", "credentials": object{}}).Problem(http.StatusBadRequest, "malformed_request", "credentials unknown")
		admin.Post("/providers/"+unknownID+"/test-models", prompt, asEvents).Problem(http.StatusNotFound, "not_found")
		admin.EditProvider(p.ID, object{"models": list{}})
		if none := testedOf(admin.Post(path, prompt)); none.Results == nil || len(none.Results) != 0 {
			t.Errorf("without models: %+v", none)
		}
	})
}

func TestModelsThatABoundSkips(t *testing.T) {
	fake := providertest.Start(t, providertest.Custom())
	onEach(t, func(t *testing.T, s *apitest.Server) {
		s.Clock.Stop()
		admin := s.Admin(t)
		p := admin.CreateProvider(withTwoModels(fake))
		got := testedOf(admin.Post(p.Path()+"/test-models", prompt))
		if got.Summary.Skipped != 1 {
			t.Fatalf("got %+v", got)
		}
		for _, result := range got.Results {
			skipped := result.Status == "skipped"
			if skipped != (result.Result == nil) || skipped != strings.Contains(result.Detail, "The limit is 1 per minute.") {
				t.Errorf("got %+v", result)
			}
		}
		again := admin.Post(p.Path()+"/test-models", prompt, asEvents).Is(http.StatusOK)
		if strings.Count(again.Body, `"status":"skipped"`) != 2 || !strings.Contains(again.Body, `"skipped":2`) {
			t.Errorf("the stream is %s", again.Body)
		}
	}, reaching(fake), func(cfg *app.Config) { cfg.Limits.TestsPerMinute = 1 })
}

// TestAClientThatLeavesWhileModelsAreTested ends the calls.
func TestAClientThatLeavesWhileModelsAreTested(t *testing.T) {
	fake := providertest.Start(t, providertest.Custom())
	fake.Use(providertest.Silent)
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(withTwoModels(fake))
		leaveDuringCalls(t, fake, 2, admin, s.URL+p.Path()+"/test-models", prompt)
	}, reaching(fake), func(cfg *app.Config) { cfg.TestTimeout, cfg.Heartbeat = time.Minute, 20*time.Millisecond })
}
