package provider_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/provider"
)

func TestEndpoints(t *testing.T) {
	e, err := provider.ParseEndpoints(" openai=https://Host.example/v1/ , anthropic=http://127.0.0.1:9,aws_bedrock=https://b,gcp_vertex_ai=https://v,google_token=http://t:81/token ,")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"openai": "https://host.example/v1", "anthropic": "http://127.0.0.1:9", "aws_bedrock": "https://b",
		"gcp_vertex_ai": "https://v", "google_token": "http://t:81/token",
	}
	if diff := cmp.Diff(want, provider.EndpointsByName(e)); diff != "" {
		t.Error(diff)
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
	if none.Origins("openai") != nil || e.Origins("nonsense") != nil {
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

func parseEndpoints(t testing.TB, list string) provider.Endpoints {
	t.Helper()
	e, err := provider.ParseEndpoints(list)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
