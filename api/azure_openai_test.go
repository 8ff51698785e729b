package api_test

import (
	"net/http"
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/provider/providertest"
)

// TestEntraInsteadOfAKey moves a provider from an application of Microsoft Entra ID to an
// API key, and back. What belongs to the other method is removed.
func TestEntraInsteadOfAKey(t *testing.T) {
	fake := providertest.Start(t, providertest.AzureOpenAIEntra())
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := c.CreateProvider(providerOf(fake))
		wantMethod(t, p, "client_secret", "api_key")
		succeeded(t, outcomeOf(c.Post("/models/"+p.Models[0].ID+"/test", prompt)))
		revealed := c.Post(p.Path()+"/credentials/client_secret/reveal", nil).Is(http.StatusOK).Object()
		if revealed["value"] != fake.Credentials["client_secret"] {
			t.Errorf("the revealed secret is %v", revealed["value"])
		}
		c.Patch(p.Path(), object{"config": object{"base_url": fake.URL + "/gateway"}}).
			Problem(http.StatusUnprocessableEntity, "credentials_required", "credentials.client_secret required")
		both := object{"client_secret": "abc8Q~secret", "api_key": "0123456789abcdef"}
		c.Patch(p.Path(), object{"credentials": both}).Problem(http.StatusUnprocessableEntity, "validation_failed", "credentials.api_key invalid")

		key := object{"credentials": object{"api_key": "0123456789abcdef"}}
		p = c.EditProvider(p.ID, key)
		wantMethod(t, p, "api_key", "client_secret")
		if p.Config["tenant_id"] != "" || p.Config["client_id"] != "" {
			t.Errorf("the config is %v", p.Config)
		}
		c.Post(p.Path()+"/credentials/client_secret/reveal", nil).Problem(http.StatusNotFound, "not_found")
		failed(t, outcomeOf(c.Post("/models/"+p.Models[0].ID+"/test", prompt)), "authentication")

		p = c.EditProvider(p.ID, settingsOf(fake, nil))
		wantMethod(t, p, "client_secret", "api_key")
		succeeded(t, outcomeOf(c.Post("/models/"+p.Models[0].ID+"/test", prompt)))
	}, reaching(fake))
}

func wantMethod(t *testing.T, p apitest.Provider, set, unset string) {
	t.Helper()
	if !p.Credentials[set].Set || p.Credentials[set].Masked == "" || p.Credentials[unset].Set || p.Credentials[unset].Masked != "" {
		t.Errorf("the credentials are %+v", p.Credentials)
	}
}
