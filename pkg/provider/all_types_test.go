package provider_test

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/secret"
)

// TestRefusalIsNoAnswer: a model that refuses answers with a success.
func TestRefusalIsNoAnswer(t *testing.T) {
	for name, fake := range map[string]providertest.Fake{
		"anthropic": providertest.Anthropic(), "aws_bedrock": providertest.AWSBedrock(),
		"gcp_vertex_ai": providertest.GCPVertexAI(), "Claude on Vertex AI": providertest.GCPVertexAIClaude(),
	} {
		server := providertest.Start(t, fake)
		server.Use(providertest.Refused)
		client := open(t, server)
		for _, stream := range []bool{false, true} {
			result, deltas := client.generate(t, stream)
			f := failure(t, result, provider.ContentFiltered)
			if f.Hint == "" || f.Code == "" || f.OfProvider() || len(deltas) > 0 {
				t.Errorf("%s: %+v, deltas %q", name, f, deltas)
			}
		}
	}
}

// TestForeignSuccess: JSON that is no answer is not taken for an empty one.
func TestForeignSuccess(t *testing.T) {
	for _, fake := range []providertest.Fake{
		providertest.Anthropic(), providertest.AWSBedrock(), providertest.GCPVertexAI(), providertest.GCPVertexAIClaude(), providertest.GCPVertexAIOpen(),
	} {
		for _, body := range []string{`{}`, `null`, `[]`, `"hello"`, `{"ok":true}`, `{"error":{}}`, `{"error":null}`, ``, ` `, `{"content":null,"candidates":null,"output":null}`} {
			server := providertest.Start(t, answering(fake, func(*providertest.Request) providertest.Answer { return jsonAnswer(body) }))
			client := open(t, server)
			for _, stream := range []bool{false, true} {
				result, _ := client.generate(t, stream)
				if result.Failure == nil || result.Failure.Kind != provider.UpstreamError {
					t.Errorf("%s (%s): %q (streamed: %v) was taken for %+v", fake.Type, fake.ModelID, body, stream, result)
				}
			}
			if fake.Type == "gcp_vertex_ai" && body == "{}" { // Google's list of no models
				continue
			}
			if _, err := client.Models(t.Context()); err == nil {
				t.Errorf("%s: %q was taken for a list of models", fake.Type, body)
			}
		}
	}
}

// TestDiscoveryIsNotTriedAgain: one refusal is enough, for every type.
func TestDiscoveryIsNotTriedAgain(t *testing.T) {
	for _, fake := range providertest.Fakes(t) {
		server := providertest.Start(t, fake)
		server.Use(providertest.RateLimited)
		_, err := open(t, server).Models(t.Context())
		if f := asFailure(t, err); f.Kind != provider.RateLimited || len(server.Requests()) != 1 {
			t.Errorf("%s: %d requests for %+v", fake.Type, len(server.Requests()), f)
		}
	}
}

// TestUnknownRegion: a region that does not exist has no host, and a page of
// Google's where it has one.
func TestUnknownRegion(t *testing.T) {
	for _, fake := range []providertest.Fake{providertest.AWSBedrock(), providertest.GCPVertexAI()} {
		server := providertest.Start(t, fake)
		client := openWith(t, server, func(o *provider.OpenOptions) {
			o.Transport, o.Endpoints = noHost{o.Transport, server.Host()}, parseEndpoints(t, "google_token="+server.URL+"/token")
		})
		result, _ := client.generate(t, false)
		f := failure(t, result, provider.Unreachable)
		if !strings.Contains(f.Hint, "Check the region") {
			t.Errorf("%s: hint %q", fake.Type, f.Hint)
		}
	}
}

// noHost knows one host.
type noHost struct {
	http.RoundTripper
	known string
}

func (n noHost) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host == n.known {
		return n.RoundTripper.RoundTrip(req)
	}
	return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: req.URL.Hostname(), IsNotFound: true}}
}

// TestDerivedSecretsStay: an upstream that echoes signature or access token
// reveals nothing.
func TestDerivedSecretsStay(t *testing.T) {
	for _, fake := range []providertest.Fake{
		providertest.AWSBedrock(), providertest.AWSBedrockRole(), providertest.AzureOpenAIEntra(), providertest.GCPVertexAI(), providertest.GCPVertexAIClaude(), providertest.GCPVertexAIOpen(),
	} {
		success := fake.Answer
		said := ""
		fake.Answer = func(r *providertest.Request, mode providertest.Mode) (providertest.Answer, bool) {
			said = r.Header.Get("Authorization")
			said = said[strings.LastIndexAny(said, " =")+1:]
			r.Text = "You sent " + said + "."
			if jwt := strings.Split(said, "."); len(jwt) == 3 {
				r.Text += " It is signed " + jwt[2] + "."
			}
			return success(r, mode)
		}
		client := open(t, providertest.Start(t, fake))
		for _, stream := range []bool{false, true} {
			result, deltas := client.generate(t, stream)
			succeeded(t, result)
			if len(said) < 20 || strings.Contains(result.Response+strings.Join(deltas, ""), said) || strings.TrimSuffix(result.Response, " It is signed ••••.") != "You sent ••••." {
				t.Errorf("%s (%s): %q", fake.Type, fake.ModelID, result.Response)
			}
		}
	}
}

// TestOpenNeedsNoNetwork: a client is made without a call.
func TestOpenNeedsNoNetwork(t *testing.T) {
	typ, _ := provider.Lookup("aws_bedrock")
	_, err := typ.Open(map[string]secret.Text{"access_key_id": secret.NewText("AKIA000000"), "secret_access_key": secret.NewText("secret00")},
		map[string]string{"region": "us-east-1"}, provider.OpenOptions{Transport: noNetwork{t}})
	if err != nil {
		t.Error(err)
	}
}

type noNetwork struct{ t *testing.T }

func (n noNetwork) RoundTrip(req *http.Request) (*http.Response, error) {
	n.t.Errorf("a call to %s", req.URL.Host)
	return nil, errors.New("there is no network")
}
