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
	"modelproviders/pkg/registry"
)

// checkedStage is the outcome of the check of a stage.
type checkedStage struct {
	Stage     string   `json:"stage"`
	Status    string   `json:"status"`
	Detail    string   `json:"detail"`
	Response  string   `json:"response"`
	Error     *failure `json:"error"`
	LatencyMS *int64   `json:"latency_ms"`
	Usage     *struct {
		InputTokens  int `json:"input_tokens"`
		OutputTokens int `json:"output_tokens"`
	} `json:"usage"`
}

type verification struct {
	ModelID    string         `json:"model_id"`
	Results    []checkedStage `json:"results"`
	VerifiedAt string         `json:"verified_at"`
}

func verificationOf(a *apitest.Answer) (done verification) {
	a.Is(http.StatusOK).Into(&done)
	return done
}

func allStages() (all list) {
	for _, stage := range registry.Stages() {
		all = append(all, string(stage))
	}
	return all
}

// withAllStages is a provider to create with a model of the fake for all stages.
func withAllStages(fake *providertest.Server) object {
	return settingsOf(fake, object{"name": apitest.UniqueName(fake.Type), "type": fake.Type,
		"models": list{apitest.GPT(fake.ModelID, object{"supported_stages": allStages()})}})
}

func TestAModelIsVerified(t *testing.T) {
	onEachWithFake(t, providertest.Custom, func(t *testing.T, s *apitest.Server, fake *providertest.Server) {
		fake.PassChecks()
		fake.SayTo("delivery address", "BLOCK")
		admin := s.Admin(t)
		p := admin.CreateProvider(withAllStages(fake))
		m := p.Models[0]
		if m.StageChecks == nil || len(m.StageChecks) != 0 {
			t.Errorf("a new model has the checks %v", m.StageChecks)
		}
		path := "/models/" + m.ID + "/verify"
		done := verificationOf(admin.Post(path, nil))
		if done.ModelID != fake.ModelID || len(done.Results) != 4 {
			t.Fatalf("got %+v", done)
		}
		for i, result := range done.Results {
			want := "passed"
			if result.Stage == "guardrail" {
				want = "failed"
			}
			if result.Stage != allStages()[i] || result.Status != want || result.Detail == "" || (result.Response != "") != (want == "failed") ||
				result.Error != nil || result.LatencyMS == nil || result.Usage.OutputTokens == 0 {
				t.Errorf("result %d is %+v", i, result)
			}
		}
		// Every answer with the model has its checks.
		var listed apitest.Page[apitest.Model]
		admin.Get("/models?provider_id=" + p.ID).Is(http.StatusOK).Into(&listed)
		var ofProvider apitest.Page[apitest.Model]
		admin.Get(p.Path() + "/models").Is(http.StatusOK).Into(&ofProvider)
		var providers apitest.Page[apitest.Provider]
		admin.Get("/providers").Is(http.StatusOK).Into(&providers)
		for where, m := range map[string]apitest.Model{
			"/models/{id}": admin.Model(m.ID), "provider": admin.Provider(p.ID).Models[0], "/models": listed.Data[0],
			"models of the provider": ofProvider.Data[0], "/providers": providers.Data[0].Models[0],
			"edit": admin.Patch(m.Path(), admin.Model(m.ID)).Is(http.StatusOK).Model(),
		} {
			if len(m.StageChecks) != 4 || m.StageChecks["planning"] != (apitest.StageCheck{Status: "passed", At: done.VerifiedAt}) ||
				m.StageChecks["guardrail"].Status != "failed" || m.Version != 1 || m.LastTest != nil {
				t.Errorf("%s: the model is %+v", where, m)
			}
		}

		one := verificationOf(admin.Post(path, object{"stages": list{"tool_call"}}))
		if len(one.Results) != 1 || one.Results[0].Detail != "Called get_weather with city Paris." {
			t.Errorf("got %+v", one)
		}
		fake.Use(providertest.RateLimited)
		limited := verificationOf(admin.Post(path, object{"stages": list{"tool_call"}})).Results[0]
		if limited.Status != "error" || limited.Error == nil || limited.Error.Kind != "rate_limited" || limited.Detail != "" {
			t.Errorf("got %+v", limited)
		}
		var recorded apitest.Page[auditEvent]
		admin.Get("/audit-events?action=model.verify&provider_id=" + p.ID).Is(http.StatusOK).Into(&recorded)
		var told []string
		for _, e := range recorded.Data {
			told = append(told, e.Target.Type+" "+e.Target.Name+" "+e.Outcome+" "+e.Reason)
		}
		of := "model " + fake.ModelID + " "
		if want := []string{of + "failure tool_call: error", of + "success ", of + "failure guardrail: failed"}; !slices.Equal(told, want) {
			t.Errorf("the events are %q, want %q", told, want)
		}
	})
}

func TestStagesToVerify(t *testing.T) {
	onEachWithFake(t, providertest.Custom, func(t *testing.T, s *apitest.Server, fake *providertest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(withTwoModels(fake)) // for planning
		path := "/models/" + p.Models[0].ID + "/verify"
		for fault, stages := range map[string]list{
			"stages[0] invalid":   {"guardrail"},
			"stages[1] invalid":   {"planning", "other"},
			"stages[1] duplicate": {"planning", "planning"},
			"stages required":     {},
		} {
			for _, edits := range [][]apitest.Edit{nil, {asEvents}} {
				admin.Post(path, object{"stages": stages}, edits...).Problem(http.StatusUnprocessableEntity, "validation_failed", fault)
			}
		}
		admin.Post(path, object{"stage": "planning"}).Problem(http.StatusBadRequest, "malformed_request", "stage unknown")
		admin.Post("/models/"+unknownID+"/verify", nil, asEvents).Problem(http.StatusNotFound, "not_found")
		s.Workspace(t).Post(path, nil).Problem(http.StatusNotFound, "not_found")
		if n := len(fake.Requests()); n != 0 {
			t.Errorf("refused requests made %d calls", n)
		}
		admin.EditProvider(p.ID, object{"status": "inactive", "models": list{apitest.GPT(fake.ModelID, object{"enabled": false})}})
		if done := verificationOf(admin.Post(path, object{})); len(done.Results) != 1 || done.Results[0].Status != "failed" {
			t.Errorf("a disabled model of an inactive provider: %+v", done)
		}
	})
}

func TestVerifiedModelsAreListed(t *testing.T) {
	onEachWithFake(t, providertest.Custom, func(t *testing.T, s *apitest.Server, fake *providertest.Server) {
		fake.PassChecks()
		admin := s.Admin(t)
		body := withAllStages(fake)
		body["models"] = append(body["models"].(list), apitest.GPT("no-such-model", object{"supported_stages": allStages()}),
			apitest.GPT("other", object{"supported_stages": list{"planning"}}))
		p := admin.CreateProvider(body)
		for _, m := range p.Models[:2] {
			verificationOf(admin.Post("/models/"+m.ID+"/verify", object{"stages": list{"tool_call"}}))
		}
		of := "&provider_id=" + p.ID
		wanted := func(query string, want ...string) {
			t.Helper()
			for _, path := range []string{"/models?count=true" + of + query, p.Path() + "/models?count=true" + query} {
				var page apitest.Page[apitest.Model]
				admin.Get(path).Is(http.StatusOK).Into(&page)
				var got []string
				for _, m := range page.Data {
					got = append(got, m.ModelID)
				}
				if !slices.Equal(got, want) || *page.Total != len(want) {
					t.Errorf("%s lists %q of %d, want %q", path, got, *page.Total, want)
				}
			}
		}
		wanted("&stage=tool_call&verified=true", fake.ModelID)
		wanted("&stage=tool_call&verified=false", "no-such-model")
		wanted("&stage=planning&verified=true")
		admin.EditProvider(p.ID, object{"credentials": fake.Credentials})
		wanted("&stage=tool_call&verified=true")
		for _, path := range []string{"/models?", p.Path() + "/models?"} {
			admin.Get(path+"verified=true").Problem(http.StatusUnprocessableEntity, "validation_failed", "stage required")
			admin.Get(path+"verified=false").Problem(http.StatusUnprocessableEntity, "validation_failed", "stage required")
			admin.Get(path+"stage=planning&verified=yes").Problem(http.StatusBadRequest, "malformed_request", "verified invalid")
		}
	})
}

func TestAVerificationIsStreamed(t *testing.T) {
	onEachWithFake(t, providertest.Custom, func(t *testing.T, s *apitest.Server, fake *providertest.Server) {
		fake.PassChecks()
		admin := s.Admin(t)
		p := admin.CreateProvider(withAllStages(fake))
		stream := admin.Post("/models/"+p.Models[0].ID+"/verify", nil, asEvents).Is(http.StatusOK).Has("Content-Type", "text/event-stream")
		events := eventsOf(t, stream.Body)
		if len(events) != 5 || events[4].name != "result" {
			t.Fatalf("the events are %+v", events)
		}
		var done verification
		if err := json.Unmarshal([]byte(events[4].data), &done); err != nil || done.ModelID != fake.ModelID || len(done.Results) != 4 || done.VerifiedAt == "" {
			t.Errorf("the result is %s, %v", events[4].data, err)
		}
		var told list
		for _, e := range events[:4] {
			var result checkedStage
			if err := json.Unmarshal([]byte(e.data), &result); err != nil || e.name != "check" || result.Status != "passed" {
				t.Errorf("the event %s is %s, %v", e.name, e.data, err)
			}
			told = append(told, result.Stage)
		}
		for _, stage := range allStages() {
			if !slices.Contains(told, stage) {
				t.Errorf("no event tells of %s", stage)
			}
		}
	})
}

func TestStagesThatALimitRefuses(t *testing.T) {
	fake := providertest.Start(t, providertest.Custom())
	fake.PassChecks()
	onEach(t, func(t *testing.T, s *apitest.Server) {
		s.Clock.Stop()
		admin := s.Admin(t)
		p := admin.CreateProvider(withAllStages(fake))
		path, body := "/models/"+p.Models[0].ID+"/verify", object{"stages": list{"guardrail"}}
		done := verificationOf(admin.Post(path, body))
		if result := done.Results[0]; result.Status != "error" || result.LatencyMS != nil || result.Error.Kind != "rate_limited" || !strings.Contains(result.Error.Message, "The limit is 1 per minute.") {
			t.Errorf("got %+v", done)
		}
		admin.Post(path, body).Problem(http.StatusTooManyRequests, "rate_limited")
		if checks := admin.Model(p.Models[0].ID).StageChecks; len(checks) != 0 {
			t.Errorf("stored %v", checks)
		}
	}, reaching(fake), func(cfg *app.Config) { cfg.Limits.TestsPerMinute = 1 })
}

// TestAClientThatLeavesWhileAModelIsVerified ends the calls.
func TestAClientThatLeavesWhileAModelIsVerified(t *testing.T) {
	fake := providertest.Start(t, providertest.Custom())
	fake.Use(providertest.Silent)
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(withAllStages(fake))
		leaveDuringCalls(t, fake, 2, admin, s.URL+"/models/"+p.Models[0].ID+"/verify", object{})
	}, reaching(fake), func(cfg *app.Config) { cfg.TestTimeout, cfg.Heartbeat = time.Minute, 20*time.Millisecond })
}
