package provider_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// TestVertexCallsGoogle checks whom a client calls that no operator leads
// elsewhere, and that the key file doesn't either.
func TestVertexCallsGoogle(t *testing.T) {
	for region, want := range map[string]string{
		"us-central1": "us-central1-aiplatform.googleapis.com", "global": "aiplatform.googleapis.com",
		"us": "aiplatform.us.rep.googleapis.com", "eu": "aiplatform.eu.rep.googleapis.com",
	} {
		server := providertest.Start(t, providertest.GCPVertexAI())
		file := server.Credentials["service_account_json"].(string)
		server.Credentials["service_account_json"] = strings.Replace(file, "https://oauth2.googleapis.com/token", "https://accounts.google.com/o/oauth2/token", 1)
		var called []string
		client := openWith(t, server, func(o *provider.OpenOptions) {
			o.Endpoints = provider.Endpoints{}
			o.Transport = leading{o.Transport, server.URL, &called}
		}, map[string]any{"region": region})
		_, _ = client.generate(t, false)
		if diff := cmp.Diff([]string{"https://oauth2.googleapis.com/token", "https://" + want}, called); diff != "" {
			t.Errorf("region %s (-want +got):\n%s", region, diff)
		}
	}
}

// leading takes note of whom calls go to: the token endpoint's to the fake, the
// others nowhere.
type leading struct {
	http.RoundTripper
	url    string
	called *[]string
}

func (l leading) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path != "/token" {
		*l.called = append(*l.called, req.URL.Scheme+"://"+req.URL.Host)
		return nil, io.ErrUnexpectedEOF
	}
	*l.called = append(*l.called, req.URL.String())
	again := req.Clone(req.Context())
	again.URL.Scheme, again.URL.Host, again.Host = "http", strings.TrimPrefix(l.url, "http://"), ""
	return l.RoundTripper.RoundTrip(again)
}

// TestVertexWrongKey: a key that is not the account's is refused where tokens
// are made.
func TestVertexWrongKey(t *testing.T) {
	server := providertest.Start(t, providertest.GCPVertexAI())
	other := providertest.Start(t, providertest.GCPVertexAI())
	server.Credentials = other.Credentials
	client := open(t, server)
	result, _ := client.generate(t, true)
	f := failure(t, result, provider.Authentication)
	if f.Code != "invalid_grant" || f.Message != "Invalid JWT Signature." || f.HTTPStatus != 400 || !strings.Contains(f.Hint, "new key") || !f.OfProvider() {
		t.Errorf("got %+v", f)
	}
	if _, err := client.Models(t.Context()); asFailure(t, err).Kind != provider.Authentication {
		t.Errorf("discovery: %v", err)
	}
}
