package provider_test

import (
	"slices"
	"testing"

	"modelproviders/pkg/provider"
)

func TestEndpoints(t *testing.T) {
	e, err := provider.ParseEndpoints(" openai=https://Host.example/v1/ , anthropic=http://127.0.0.1:9,aws_bedrock=https://b,gcp_vertex_ai=https://v,google_token=http://t:81/token ,")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]string{
		"openai":        {"https://host.example/v1", ""},
		"anthropic":     {"http://127.0.0.1:9", ""},
		"gcp_vertex_ai": {"https://v", "http://t:81/token"},
		"custom":        {"", ""},
		"nonsense":      {"", ""},
	} {
		endpoint, token := e.For(name)
		if got := [2]string{endpoint, token}; got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := e.Origins("gcp_vertex_ai"); !slices.Equal(got, []string{"https://v", "http://t:81"}) {
		t.Errorf("origins %q", got)
	}
	if got := e.Origins("openai"); !slices.Equal(got, []string{"https://host.example"}) {
		t.Errorf("origins %q", got)
	}
	if got := e.Origins("custom"); got != nil {
		t.Errorf("origins %q", got)
	}
	var none provider.Endpoints
	if endpoint, token := none.For("openai"); endpoint+token != "" || none.Origins("openai") != nil {
		t.Error("the zero value has endpoints")
	}
}

func TestEndpointsThatAreRefused(t *testing.T) {
	for _, list := range []string{
		"custom=https://h", "azure_openai=https://h", "openrouter=https://h", "openai", "openai=", "=https://h", "openai=h",
		"openai=ftp://h", "openai=https://u:p@h", "openai=https://h?x=1", "openai=https://h#f", "openai=https://h/../x", "openai=https://",
		"openai=https://a,openai=https://b",
	} {
		if _, err := provider.ParseEndpoints(list); err == nil {
			t.Errorf("%q is accepted", list)
		}
	}
}
