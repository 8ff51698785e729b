package client_test

import (
	"strings"
	"testing"

	"modelproviders/pkg/client"
)

// TestCredentialStates: each header has a state of its own, under the name by which its
// value is revealed. Sent back, states change nothing.
func TestCredentialStates(t *testing.T) {
	c := connect(t, serve(t, nil))
	create := func(name string, headers map[string]string) client.Provider {
		return must(c.CreateProvider(t.Context(), client.ProviderCreate{Name: name, Type: client.ProviderTypeNameCustom,
			Credentials: client.CustomCredentials{Headers: headers}, Config: client.CustomConfig{BaseURL: "https://llm.example.com"}}))(t)
	}
	for name, headers := range map[string]map[string]string{
		"none": {}, "one": {"X-Team": "a-team-1234567890"}, "dots": {"X.Y": "a-value-1234567890"}, "a state": {"Set": "a-value-1234567890", "Masked": "another-1234567890"},
	} {
		p := create(name, headers)
		if state, listed := p.Credentials["api_key"]; !listed || state.Set || len(p.Credentials) != 1+len(headers) {
			t.Errorf("%s: the states are %+v", name, p.Credentials)
		}
		for header, value := range headers {
			field := "headers." + strings.ToLower(header)
			if revealed := must(c.RevealCredential(t.Context(), p.ID, field, ""))(t); revealed.Value != value || !p.Credentials[field].Set {
				t.Errorf("%s: %s is %q in %+v", name, field, revealed.Value, p.Credentials)
			}
		}
		if edited := must(c.UpdateProvider(t.Context(), p.ID, client.ProviderUpdate{Credentials: p.Credentials}))(t); edited.Version != p.Version {
			t.Errorf("%s: sent back, the states changed the provider to %+v", name, edited)
		}
	}
	if other := must(c.CreateProvider(t.Context(), openAI("OpenAI")))(t); len(other.Credentials) != 1 || !other.Credentials["api_key"].Set {
		t.Errorf("the states are %+v", other.Credentials)
	}
}
