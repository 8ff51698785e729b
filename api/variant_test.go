package api_test

import (
	"net/http"
	"strings"
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/provider/providertest"
)

// TestOtherKindsOfCredentials does with each other kind of credentials of a type what can
// be done with the usual ones.
func TestOtherKindsOfCredentials(t *testing.T) {
	for _, fake := range providertest.Variants(t) {
		if fake.Variant == "" {
			continue
		}
		t.Run(fake.Type+", "+fake.Variant, func(t *testing.T) {
			onEachWithFake(t, func() providertest.Fake { return fake }, useCredentials)
		})
	}
}

func useCredentials(t *testing.T, s *apitest.Server, fake *providertest.Server) {
	t.Helper()
	admin := s.Admin(t)
	draft := settingsOf(fake, apitest.Object{"model_id": fake.ModelID, "prompt": "Say hello."})
	succeeded(t, outcomeOf(admin.Post("/provider-types/"+fake.Type+"/test", draft)))

	p := admin.CreateProvider(providerOf(fake))
	succeeded(t, outcomeOf(admin.Post("/models/"+p.Models[0].ID+"/test", prompt)))
	succeeded(t, outcomeOf(admin.Post(p.Path()+"/test", apitest.Object{"model_id": fake.ModelID, "prompt": "Say hello."})))
	streamed := admin.Post("/models/"+p.Models[0].ID+"/test", prompt, asEvents).Is(http.StatusOK)
	if !strings.Contains(streamed.Body, `"status":"success"`) {
		t.Errorf("streamed: %s", streamed.Body)
	}
	admin.Get(p.Path() + "/available-models").Is(http.StatusOK)
	admin.Post(p.Path()+"/check", nil).Is(http.StatusOK)
	for field, value := range apitest.Flat(fake.Credentials) {
		revealed := admin.Post(p.Path()+"/credentials/"+field+"/reveal", nil).Is(http.StatusOK)
		if !strings.Contains(revealed.Body, value.(string)) {
			t.Errorf("%s: %s", field, revealed.Body)
		}
	}

	fake.Use(providertest.Authentication)
	failed(t, outcomeOf(admin.Post("/models/"+p.Models[0].ID+"/test", prompt)), "authentication")
	if got := admin.Provider(p.ID); got.Status != "error" || got.Error.Kind != "authentication" {
		t.Errorf("after a refusal: %s %+v", got.Status, got.Error)
	}
}
