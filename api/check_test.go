package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/provider/providertest"
)

// checked is the answer of a check.
type checked struct {
	Status            string   `json:"status"`
	Proven            bool     `json:"proven"`
	Detail            string   `json:"detail"`
	Error             *failure `json:"error"`
	LatencyMS         int64    `json:"latency_ms"`
	ProviderRequestID string   `json:"provider_request_id"`
	Endpoint          string   `json:"endpoint"`
	CheckedAt         string   `json:"checked_at"`
}

func checkedOf(a *apitest.Answer) (c checked) {
	a.Is(http.StatusOK).Into(&c)
	return c
}

// The settings of each type can be checked without a model, saved or not.
func TestACheckOfEachType(t *testing.T) {
	fakes := startFakes(t)
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		for _, fake := range fakes {
			t.Run(fake.Type, func(t *testing.T) {
				admin := admin.In(t)
				p := admin.CreateProvider(providerOf(fake))
				for _, answer := range []*apitest.Answer{
					admin.Post(p.Path()+"/check", nil),
					admin.Post(p.Path()+"/check", object{}),
					admin.Post(p.Path()+"/check", settingsOf(fake, nil)),
					admin.Post("/provider-types/"+fake.Type+"/check", settingsOf(fake, nil)),
				} {
					got := checkedOf(answer)
					if got.Status != "success" || !got.Proven || got.Detail == "" || got.Error != nil || got.CheckedAt == "" || !strings.HasPrefix(got.Endpoint, fake.URL) {
						t.Errorf("got %+v %+v", got, got.Error)
					}
				}
				if after := admin.Provider(p.ID); after.Version != p.Version || after.Models[0].LastTest != nil {
					t.Errorf("a check changed version %d or the last test %+v", after.Version, after.Models[0].LastTest)
				}
			})
		}
	}, reaching(fakes...))
}

// A provider shows the last check of its stored settings, everywhere it is answered, and
// can be sent back with it.
func TestLastCheck(t *testing.T) {
	onEachWithFake(t, providertest.OpenAI, func(t *testing.T, s *apitest.Server, fake *providertest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(providerOf(fake))
		if p.LastCheck != nil {
			t.Errorf("a new provider has the last check %+v", p.LastCheck)
		}
		want := func(status, kind string) {
			t.Helper()
			var list, summary apitest.Page[apitest.Provider]
			admin.Get("/providers?name=" + url.QueryEscape(p.Name)).Is(http.StatusOK).Into(&list)
			admin.Get("/providers?view=summary&name=" + url.QueryEscape(p.Name)).Is(http.StatusOK).Into(&summary)
			var sent object
			admin.Get(p.Path()).Is(http.StatusOK).Into(&sent)
			edited := admin.EditProvider(p.ID, sent)
			for where, got := range map[string]apitest.Provider{"GET": admin.Provider(p.ID), "list": list.Data[0], "summary": summary.Data[0], "PATCH": edited} {
				if c := got.LastCheck; c == nil || c.Status != status || c.Kind != kind || c.By != "discovery" || c.At == "" {
					t.Errorf("%s has the last check %+v, want %s %s", where, c, status, kind)
				}
			}
		}
		admin.Post(p.Path()+"/check", settingsOf(fake, nil)).Is(http.StatusOK)
		if c := admin.Provider(p.ID).LastCheck; c != nil {
			t.Errorf("a check of a draft is stored: %+v", c)
		}
		admin.Post(p.Path()+"/check", nil).Is(http.StatusOK)
		want("success", "")
		fake.Use(providertest.RateLimited)
		admin.Post(p.Path()+"/check", nil).Is(http.StatusOK)
		want("failed", "rate_limited")
		admin.EditProvider(p.ID, object{"credentials": object{"api_key": "sk-" + apitest.Secret}})
		if c := admin.Provider(p.ID).LastCheck; c != nil {
			t.Errorf("the last check of another key is shown: %+v", c)
		}
	})
}

func TestACheckThatFails(t *testing.T) {
	onEachWithFake(t, providertest.OpenAI, func(t *testing.T, s *apitest.Server, fake *providertest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(providerOf(fake))
		refused := func(a *apitest.Answer) {
			t.Helper()
			got := checkedOf(a)
			if got.Status != "failed" || got.Proven || got.Detail != "" || got.Error == nil || got.Error.Kind != "authentication" ||
				got.Error.Message == "" || got.Error.Hint == "" || got.Error.HTTPStatus != http.StatusUnauthorized || got.ProviderRequestID == "" {
				t.Errorf("got %+v %+v", got, got.Error)
			}
		}
		another := object{"credentials": object{"api_key": "sk-another-key"}}
		refused(admin.Post("/provider-types/openai/check", another))
		refused(admin.Post(p.Path()+"/check", another))
		admin.Post(p.Path()+"/available-models", another).Problem(http.StatusBadGateway, "upstream_failed")
		if got := admin.Provider(p.ID); got.Status != "active" {
			t.Errorf("unsaved settings made the provider %s", got.Status)
		}
		fake.Use(providertest.Authentication)
		refused(admin.Post(p.Path()+"/check", nil))
		if got := admin.Provider(p.ID); got.Status != "error" || got.Error.Kind != "authentication" || got.Error.ModelID != nil {
			t.Errorf("after a refusal the provider is %s %+v", got.Status, got.Error)
		}
		fake.Use(providertest.Success)
		admin.Post(p.Path()+"/check", settingsOf(fake, nil)).Is(http.StatusOK)
		admin.Post(p.Path()+"/available-models", settingsOf(fake, nil)).Is(http.StatusOK)
		if got := admin.Provider(p.ID); got.Status != "error" {
			t.Errorf("unsaved settings made the provider %s", got.Status)
		}
		admin.Post(p.Path()+"/available-models", nil).Is(http.StatusOK)
		if got := admin.Provider(p.ID); got.Status != "active" {
			t.Errorf("after a list the provider is %s", got.Status)
		}
	})
}

// A success says what it does not prove.
func TestACheckThatProvesNothing(t *testing.T) {
	onEachWithFake(t, providertest.Custom, func(t *testing.T, s *apitest.Server, fake *providertest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(providerOf(fake))
		for mode, says := range map[providertest.Mode]string{
			providertest.NoModelList: "no list of models",
			providertest.Permission:  "does not allow",
		} {
			fake.Use(mode)
			got := checkedOf(admin.Post(p.Path()+"/check", nil))
			if got.Status != "success" || got.Proven || !strings.Contains(got.Detail, says) || !strings.Contains(got.Detail, "not checked") {
				t.Errorf("%s: got %+v %+v", mode, got, got.Error)
			}
		}
	})
}

// Unsaved settings are refused as in an edit, and a stored key goes to no other
// address.
func TestChecksAndDiscoveriesOfInvalidSettings(t *testing.T) {
	home := providertest.Start(t, providertest.Custom())
	elsewhere := providertest.Start(t, providertest.Custom())
	onEach(t, func(t *testing.T, s *apitest.Server) {
		admin := s.Admin(t)
		p := admin.CreateProvider(providerOf(home))
		for _, call := range []string{"/check", "/available-models"} {
			admin.Post(p.Path()+call, object{"config": elsewhere.Config}).
				Problem(http.StatusUnprocessableEntity, "credentials_required", "credentials.api_key required")
			admin.Post(p.Path()+call, object{"config": object{"base_url": "ftp://x"}, "credentials": object{"api_key": "é"}}).
				Problem(http.StatusUnprocessableEntity, "validation_failed", "config.base_url invalid", "credentials.api_key invalid")
			admin.Post(p.Path()+call, object{"config": object{"region": "x"}, "model_id": "m"}).
				Problem(http.StatusBadRequest, "malformed_request", "config.region unknown", "model_id unknown")
			admin.Post(p.Path()+call, object{"credentials": nil}).
				Problem(http.StatusUnprocessableEntity, "validation_failed", "credentials required")
			admin.Post("/providers/"+unknownID+call, nil).Problem(http.StatusNotFound, "not_found")
			admin.Post("/provider-types/azure_openai"+call, object{"credentials": object{}}).
				Problem(http.StatusUnprocessableEntity, "validation_failed", "config.base_url required", "config.api_version required", "credentials.api_key required")
			admin.Post("/provider-types/nothing"+call, settingsOf(home, nil)).Problem(http.StatusNotFound, "not_found")
			admin.Post(p.Path()+call+"?x=1", nil).Problem(http.StatusBadRequest, "malformed_request", "x unknown")
		}
		if sent := len(home.Requests()) + len(elsewhere.Requests()); sent != 0 {
			t.Errorf("%d requests were sent", sent)
		}
	}, reaching(home, elsewhere))
}
