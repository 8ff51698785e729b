package api_test

import (
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"modelproviders/api/apitest"
	"modelproviders/pkg/app"
	"modelproviders/pkg/provider/providertest"
)

// reaching lets a service reach fakes: through the operator's endpoints where
// their type takes one, and as allowed hosts where their base URL is a setting.
func reaching(fakes ...*providertest.Server) apitest.Option {
	return func(cfg *app.Config) {
		var endpoints []string
		for _, fake := range fakes {
			if own := fake.ProviderEndpoints(); own != "" {
				endpoints = append(endpoints, own)
			}
			if fake.Config["base_url"] != nil {
				cfg.AllowUpstreams = append(cfg.AllowUpstreams, fake.Host())
			}
			if fake.RootCAs != nil {
				cfg.UpstreamCAs = fake.RootCAs
			}
		}
		cfg.ProviderEndpoints = strings.Join(append(endpoints, cfg.ProviderEndpoints), ",")
		cfg.ProviderEndpoints = strings.Trim(cfg.ProviderEndpoints, ",")
	}
}

// settingsOf is a request with settings that the fake accepts.
func settingsOf(fake *providertest.Server, more apitest.Object) apitest.Object {
	body := apitest.Object{"credentials": fake.Credentials, "config": fake.Config}
	maps.Copy(body, more)
	return body
}

// providerOf is a provider to create that the fake accepts, with its model.
func providerOf(fake *providertest.Server) apitest.Object {
	return settingsOf(fake, apitest.Object{"name": apitest.UniqueName(fake.Type), "type": fake.Type,
		"models": apitest.List{apitest.GPT(fake.ModelID, nil)}})
}

func startFakes(t *testing.T) []*providertest.Server {
	t.Helper()
	var started []*providertest.Server
	for _, fake := range providertest.Fakes(t) {
		started = append(started, providertest.Start(t, fake))
	}
	return started
}

// outcome is the answer of a test.
type outcome struct {
	Status             string         `json:"status"`
	Response           *string        `json:"response"`
	Error              *failure       `json:"error"`
	LatencyMS          int64          `json:"latency_ms"`
	TimeToFirstTokenMS *int64         `json:"time_to_first_token_ms"`
	Model              string         `json:"model"`
	FinishReason       string         `json:"finish_reason"`
	Warnings           []warning      `json:"warnings"`
	Usage              map[string]int `json:"usage"`
	Sent               apitest.Object `json:"sent"`
	Timing             map[string]int `json:"timing"`
	ProviderRequestID  string         `json:"provider_request_id"`
	Endpoint           string         `json:"endpoint"`
	TestedAt           string         `json:"tested_at"`
}

type warning struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

type failure struct {
	Kind       string `json:"kind"`
	Message    string `json:"message"`
	HTTPStatus int    `json:"http_status"`
	Code       string `json:"code"`
	Hint       string `json:"hint"`
}

func outcomeOf(a *apitest.Answer) (o outcome) {
	a.Is(http.StatusOK).Into(&o)
	return o
}

func succeeded(t *testing.T, o outcome) {
	t.Helper()
	if o.Status != "success" || o.Response == nil || *o.Response != providertest.Text || o.Error != nil {
		t.Errorf("got %+v (error %+v), not a success with the model's text", o, o.Error)
	}
	if o.Endpoint == "" || o.TestedAt == "" || o.Timing == nil || o.Sent == nil {
		t.Errorf("a success without endpoint, tested_at, timing or sent: %+v", o)
	}
}

func failed(t *testing.T, o outcome, kind string) {
	t.Helper()
	if o.Status != "failed" || o.Error == nil || o.Error.Kind != kind || o.Error.Message == "" || o.Response != nil {
		t.Errorf("got %+v (error %+v), not a failure of kind %s", o, o.Error, kind)
	}
}

var prompt = apitest.Object{"prompt": "Say hello."}

func TestATestOfEachType(t *testing.T) {
	fakes := startFakes(t)
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		for _, fake := range fakes {
			t.Run(fake.Type, func(t *testing.T) {
				admin := admin.In(t)
				p := admin.CreateProvider(providerOf(fake))
				m := p.Models[0]

				succeeded(t, outcomeOf(admin.Post("/models/"+m.ID+"/test", prompt)))
				last := admin.Model(m.ID).LastTest
				if last == nil || last.Status != "success" || last.Kind != "" || last.At == "" {
					t.Errorf("last_test is %+v after a success", last)
				}
				draft := apitest.Object{"model_id": fake.ModelID, "prompt": "Say hello."}
				succeeded(t, outcomeOf(admin.Post("/provider-types/"+fake.Type+"/test", settingsOf(fake, draft))))
				succeeded(t, outcomeOf(admin.Post("/providers/"+p.ID+"/test", draft)))

				after := admin.Provider(p.ID)
				if after.Version != p.Version || after.UpdatedAt != p.UpdatedAt {
					t.Errorf("tests changed version %d to %d, or updated_at", p.Version, after.Version)
				}
			})
		}
	}, reaching(fakes...))
}

// TestWarnings: a success says what a user should know of it.
func TestWarnings(t *testing.T) {
	fake := providertest.Start(t, providertest.OpenAI())
	fake.Use(providertest.EmptyAnswer)
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t).In(t)
		p := admin.CreateProvider(providerOf(fake))
		o := outcomeOf(admin.Post("/models/"+p.Models[0].ID+"/test", prompt))
		if o.Status != "success" || len(o.Warnings) != 1 || o.Warnings[0].Code != "token_limit" || o.Warnings[0].Message == "" {
			t.Errorf("got %+v", o)
		}
	}, reaching(fake))
}

func TestATestOfWhatIsSwitchedOff(t *testing.T) {
	fake := providertest.Start(t, providertest.OpenAI())
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(providerOf(fake))
		admin.EditProvider(p.ID, apitest.Object{"status": "inactive"})
		admin.Patch(p.Models[0].Path(), apitest.Object{"enabled": false}).Is(http.StatusOK)
		succeeded(t, outcomeOf(admin.Post("/models/"+p.Models[0].ID+"/test", prompt)))
	}, reaching(fake))
}

func TestWhatAFailureMarks(t *testing.T) {
	for _, test := range []struct {
		mode  providertest.Mode
		kind  string
		marks bool
	}{
		{providertest.Authentication, "authentication", true},
		{providertest.QuotaExceeded, "quota_exceeded", true},
		{providertest.Redirect, "misconfigured", true},
		{providertest.HTML, "misconfigured", true},
		{providertest.RateLimited, "rate_limited", false},
		{providertest.ModelNotFound, "model_not_found", false},
		{providertest.InvalidRequest, "invalid_request", false},
		{providertest.ContentFiltered, "content_filtered", false},
		{providertest.Overloaded, "upstream", false},
		{providertest.NotJSON, "upstream", false},
	} {
		t.Run(string(test.mode), func(t *testing.T) {
			onEachWithFake(t, providertest.OpenAI, func(t *testing.T, s *apitest.Server, fake *providertest.Server) {
				admin := s.Admin(t)
				p := admin.CreateProvider(providerOf(fake))
				path := "/models/" + p.Models[0].ID + "/test"

				fake.Use(test.mode)
				failed(t, outcomeOf(admin.Post(path, prompt)), test.kind)
				last := admin.Model(p.Models[0].ID).LastTest
				if last == nil || last.Status != "failed" || last.Kind != test.kind {
					t.Errorf("last_test is %+v", last)
				}
				got := admin.Provider(p.ID)
				switch {
				case !test.marks && (got.Status != "active" || got.Error != nil):
					t.Errorf("marked the provider: %s %+v", got.Status, got.Error)
				case test.marks && (got.Status != "error" || got.Error == nil || got.Error.Kind != test.kind ||
					got.Error.ModelID == nil || *got.Error.ModelID != fake.ModelID || got.Error.Message == ""):
					t.Errorf("did not mark the provider: %s %+v", got.Status, got.Error)
				}

				admin.EditProvider(p.ID, apitest.Object{"status": "inactive"})
				if got := admin.Provider(p.ID); got.Status != "inactive" || (got.Error != nil) != test.marks {
					t.Errorf("switched off: %s %+v", got.Status, got.Error)
				}
				fake.Use(providertest.Success)
				succeeded(t, outcomeOf(admin.Post(path, prompt)))
				if got := admin.Provider(p.ID); got.Error != nil || got.Status != "inactive" {
					t.Errorf("after a success: %s %+v", got.Status, got.Error)
				}
			})
		})
	}
}

func TestADraftFailureMarksNothing(t *testing.T) {
	fake := providertest.Start(t, providertest.OpenAI())
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(providerOf(fake))
		o := outcomeOf(admin.Post(p.Path()+"/test", apitest.Object{
			"credentials": apitest.Object{"api_key": "sk-another-key"}, "model_id": fake.ModelID, "prompt": "Hi"}))
		failed(t, o, "authentication")
		if o.Error.HTTPStatus != http.StatusUnauthorized || o.Error.Code == "" || o.Error.Hint == "" || o.ProviderRequestID == "" {
			t.Errorf("a verdict without status, code, hint or request id: %+v %+v", o, o.Error)
		}
		if got := admin.Provider(p.ID); got.Error != nil || got.Models[0].LastTest != nil || got.Version != p.Version {
			t.Errorf("a draft changed the provider: %+v", got)
		}
	}, reaching(fake))
}

// TestADraftDoesNotTakeTheKeyElsewhere: an editor can't have a stored key sent
// to an address of theirs.
func TestADraftDoesNotTakeTheKeyElsewhere(t *testing.T) {
	home := providertest.Start(t, providertest.Custom())
	elsewhere := providertest.Start(t, providertest.Custom())
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(providerOf(home))
		for _, credentials := range []any{nil, apitest.Object{}, apitest.Object{"api_key": nil}, apitest.Object{"api_key": ""},
			apitest.Object{"api_key": "••••••••"}, apitest.Object{"api_key": p.Credentials["api_key"]}} {
			draft := apitest.Object{"config": elsewhere.Config, "model_id": home.ModelID, "prompt": "Hi"}
			if credentials != nil {
				draft["credentials"] = credentials
			}
			admin.Post(p.Path()+"/test", draft).Problem(http.StatusUnprocessableEntity, "credentials_required", "credentials.api_key required")
		}
		if sent := elsewhere.Requests(); len(sent) != 0 {
			t.Errorf("%d requests reached the other address", len(sent))
		}
		succeeded(t, outcomeOf(admin.Post(p.Path()+"/test", settingsOf(home, apitest.Object{"model_id": home.ModelID, "prompt": "Hi"}))))
	}, reaching(home, elsewhere))
}

func TestInvalidTests(t *testing.T) {
	fake := providertest.Start(t, providertest.OpenAI())
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(providerOf(fake))
		long := strings.Repeat("é", 100_001)
		for _, test := range []struct {
			change apitest.Object
			fault  string
		}{
			{apitest.Object{"prompt": ""}, "prompt required"},
			{apitest.Object{"prompt": nil}, "prompt required"},
			{apitest.Object{"prompt": long}, "prompt too_long"},
			{apitest.Object{"prompt": strings.Repeat("x", 200_000)}, "prompt too_long"},
			{apitest.Object{"system": ""}, "system required"},
			{apitest.Object{"system": long}, "system too_long"},
			{apitest.Object{"max_output_tokens": 0}, "max_output_tokens invalid"},
			{apitest.Object{"max_output_tokens": -1}, "max_output_tokens invalid"},
			{apitest.Object{"max_output_tokens": 1_000_000_000}, "max_output_tokens invalid"},
			{apitest.Object{"max_output_tokens": nil}, "max_output_tokens required"},
			{apitest.Object{"temperature": 3}, "temperature invalid"},
			{apitest.Object{"temperature": -0.1}, "temperature invalid"},
		} {
			body := apitest.Object{"prompt": "Hi"}
			maps.Copy(body, test.change)
			admin.Post("/models/"+p.Models[0].ID+"/test", body).Problem(http.StatusUnprocessableEntity, "validation_failed", test.fault)
			body["model_id"] = fake.ModelID
			admin.Post(p.Path()+"/test", body).Problem(http.StatusUnprocessableEntity, "validation_failed", test.fault)
			admin.Post("/provider-types/openai/test", settingsOf(fake, body)).Problem(http.StatusUnprocessableEntity, "validation_failed", test.fault)
		}
		admin.Post("/provider-types/openai/test", apitest.Object{"credentials": apitest.Object{}, "prompt": ""}).
			Problem(http.StatusUnprocessableEntity, "validation_failed", "credentials.api_key required", "model_id required", "prompt required")
		admin.Post("/provider-types/openai/test", apitest.Object{"credentials": apitest.Object{"key": "x"}, "config": apitest.Object{"base_url": "x"}, "temperature": "hot"}).
			Problem(http.StatusBadRequest, "malformed_request", "credentials.key unknown", "config.base_url unknown", "temperature invalid")
		if sent := fake.Requests(); len(sent) != 0 {
			t.Errorf("%d requests were sent", len(sent))
		}
	}, reaching(fake))
}

func TestTheBoundsOfATest(t *testing.T) {
	fake := providertest.Start(t, providertest.OpenAI())
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(providerOf(fake))
		longest := strings.Repeat("é", 100_000)
		o := outcomeOf(admin.Post("/models/"+p.Models[0].ID+"/test", apitest.Object{"prompt": longest, "system": "Be brief.", "max_output_tokens": 128_000, "temperature": 0}))
		succeeded(t, o)
		if o.Sent["temperature"] != 0.0 || o.Sent["max_completion_tokens"] != 128_000.0 {
			t.Errorf("sent %v", o.Sent)
		}
	}, reaching(fake))
}

func TestTestsAMinute(t *testing.T) {
	fake := providertest.Start(t, providertest.OpenAI())
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(providerOf(fake))
		path := "/models/" + p.Models[0].ID + "/test"
		succeeded(t, outcomeOf(admin.Post(path, prompt)))
		succeeded(t, outcomeOf(admin.Post(path, prompt)))
		for _, refused := range []*apitest.Answer{
			admin.Post(path, prompt),
			admin.Post(path, prompt, apitest.Header("Accept", "text/event-stream")),
			admin.Post(p.Path()+"/test", apitest.Object{"model_id": fake.ModelID, "prompt": "Hi"}),
			admin.Post("/provider-types/openai/test", settingsOf(fake, apitest.Object{"model_id": fake.ModelID, "prompt": "Hi"})),
			admin.Get(p.Path() + "/available-models"),
			admin.Post("/provider-types/openai/available-models", settingsOf(fake, nil)),
			admin.Post(p.Path()+"/available-models", settingsOf(fake, nil)),
			admin.Post(p.Path()+"/check", nil),
			admin.Post("/provider-types/openai/check", settingsOf(fake, nil)),
		} {
			refused.Problem(http.StatusTooManyRequests, "rate_limited")
			if after := refused.Header.Get("Retry-After"); after == "" || after == "0" {
				t.Errorf("Retry-After is %q", after)
			}
		}
	}, reaching(fake), func(cfg *app.Config) { cfg.Limits.TestsPerMinute = 2 })
}

// What is refused before it is sent spends nothing of what may be sent.
func TestRefusedTestsDoNotCount(t *testing.T) {
	fake := providertest.Start(t, providertest.OpenAI())
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(providerOf(fake))
		for range 3 {
			admin.Post("/models/"+unknownID+"/test", prompt).Problem(http.StatusNotFound, "not_found")
			admin.Post("/models/"+p.Models[0].ID+"/test", apitest.Object{"prompt": ""}).Problem(http.StatusUnprocessableEntity, "validation_failed", "prompt required")
			admin.Get("/providers/"+unknownID+"/available-models").Problem(http.StatusNotFound, "not_found")
		}
		succeeded(t, outcomeOf(admin.Post("/models/"+p.Models[0].ID+"/test", prompt)))
		admin.Post("/models/"+p.Models[0].ID+"/test", prompt).Problem(http.StatusTooManyRequests, "rate_limited")
	}, reaching(fake), func(cfg *app.Config) { cfg.Limits.TestsPerMinute = 1 })
}

func TestTestsInFlight(t *testing.T) {
	fake := providertest.Start(t, providertest.OpenAI())
	fake.Use(providertest.Silent)
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(providerOf(fake))
		path := "/models/" + p.Models[0].ID + "/test"
		const allowed = 3
		answers := make(chan *apitest.Answer, allowed)
		before := len(fake.Requests())
		for range allowed {
			go func() { answers <- admin.Post(path, prompt) }()
		}
		for deadline := time.Now().Add(5 * time.Second); len(fake.Requests()) < before+allowed; {
			if time.Now().After(deadline) {
				t.Fatal("the tests did not begin")
			}
			time.Sleep(5 * time.Millisecond)
		}
		admin.Post(path, prompt).Problem(http.StatusTooManyRequests, "rate_limited")
		for range allowed {
			failed(t, outcomeOf(<-answers), "timeout")
		}
		failed(t, outcomeOf(admin.Post(path, prompt)), "timeout")
	}, reaching(fake), func(cfg *app.Config) {
		cfg.Limits.TestsInFlight = 3
		cfg.TestTimeout = time.Second
	})
}

// TestWhatAnUpstreamEchoes: an upstream that says the key reveals nothing.
func TestWhatAnUpstreamEchoes(t *testing.T) {
	fakes := startFakes(t)
	for _, fake := range fakes {
		fake.Use(providertest.Echo)
	}
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		for _, fake := range fakes {
			p := admin.CreateProvider(providerOf(fake))
			for _, edits := range [][]apitest.Edit{nil, {apitest.Header("Accept", "text/event-stream")}} {
				answer := admin.Post("/models/"+p.Models[0].ID+"/test", prompt, edits...).Is(http.StatusOK)
				for _, secret := range fake.Credentials {
					if text, ok := secret.(string); ok && strings.Contains(answer.Body, text) {
						t.Errorf("%s: the answer says the secret: %s", fake.Type, answer.Body)
					}
				}
			}
		}
	}, reaching(fakes...))
}

func TestABlockedUpstream(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		for _, address := range []string{"http://127.0.0.1:9", "http://169.254.169.254", "http://[::ffff:169.254.169.254]", "http://10.0.0.1"} {
			body := apitest.Custom(address, apitest.Object{"models": apitest.List{apitest.GPT("m", nil)}})
			p := admin.CreateProvider(body)
			o := outcomeOf(admin.Post("/models/"+p.Models[0].ID+"/test", prompt))
			failed(t, o, "blocked")
			if got := admin.Provider(p.ID); got.Status != "error" || got.Error.Kind != "blocked" {
				t.Errorf("%s: %s %+v", address, got.Status, got.Error)
			}
		}
	})
}

func TestAChangeOfConfigClearsTheError(t *testing.T) {
	fake := providertest.Start(t, providertest.Custom())
	fake.Use(providertest.Authentication)
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(providerOf(fake))
		failed(t, outcomeOf(admin.Post("/models/"+p.Models[0].ID+"/test", prompt)), "authentication")
		if got := admin.EditProvider(p.ID, apitest.Object{"name": apitest.UniqueName("renamed")}); got.Status != "error" {
			t.Errorf("a new name cleared the error: %s", got.Status)
		}
		if got := admin.EditProvider(p.ID, apitest.Object{"status": "error", "error": nil}); got.Status != "error" {
			t.Errorf("sending the present status back: %s", got.Status)
		}
		if got := admin.EditProvider(p.ID, apitest.Object{"credentials": fake.Credentials}); got.Status != "active" || got.Error != nil {
			t.Errorf("new credentials did not clear the error: %s", got.Status)
		}
		admin.Patch(p.Path(), apitest.Object{"status": "error"}).Problem(http.StatusUnprocessableEntity, "validation_failed", "status invalid")
	}, reaching(fake))
}

// TestManyTestsAtOnce has as many tests in flight as a workspace may have.
func TestManyTestsAtOnce(t *testing.T) {
	fakes := startFakes(t)
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		var paths []string
		for _, fake := range fakes {
			paths = append(paths, "/models/"+admin.CreateProvider(providerOf(fake)).Models[0].ID+"/test")
		}
		var running sync.WaitGroup
		for i := range 64 {
			running.Go(func() {
				var edits []apitest.Edit
				if i%2 == 1 {
					edits = append(edits, asEvents)
				}
				answer := admin.Post(paths[i%len(paths)], prompt, edits...)
				if answer.Status != http.StatusOK || !strings.Contains(answer.Body, `"status":"success"`) {
					t.Errorf("%s: %d %s", paths[i%len(paths)], answer.Status, answer.Body)
				}
			})
		}
		running.Wait()
		var models apitest.Page[apitest.Model]
		admin.Get("/models").Is(http.StatusOK).Into(&models)
		for _, m := range models.Data {
			if m.LastTest == nil || m.LastTest.Status != "success" {
				t.Errorf("last_test of %s is %+v", m.ModelID, m.LastTest)
			}
		}
	}, reaching(fakes...), func(cfg *app.Config) { cfg.Limits.TestsInFlight = 64 })
}
