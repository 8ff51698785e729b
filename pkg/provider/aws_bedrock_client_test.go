package provider_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// TestBedrockTellsKeysApart: an unknown access key and a wrong secret are two
// faults, and AWS says which.
func TestBedrockTellsKeysApart(t *testing.T) {
	for name, test := range map[string]struct {
		change map[string]any
		code   string
		hint   string
	}{
		"unknown key":   {map[string]any{"access_key_id": "AKIAUNKNOWNUNKNOWN00"}, "UnrecognizedClientException", "access_key_id"},
		"wrong secret":  {map[string]any{"secret_access_key": "Wrong/Secret+0123456789"}, "InvalidSignatureException", "secret_access_key"},
		"temporary key": {map[string]any{"access_key_id": "ASIATEMPORARYKEY0000"}, "UnrecognizedClientException", "session token"},
	} {
		t.Run(name, func(t *testing.T) {
			server := providertest.Start(t, providertest.AWSBedrock())
			for field, value := range test.change {
				server.Credentials[field] = value
			}
			result, _ := open(t, server).generate(t, false)
			f := failure(t, result, provider.Authentication)
			if f.Code != test.code || !strings.Contains(f.Hint, test.hint) || !f.OfProvider() {
				t.Errorf("got %+v", f)
			}
		})
	}
}

// TestBedrockSignatureCoversTheCall: the fake takes no request that was changed
// on its way, which is why its successes prove the signature.
func TestBedrockSignatureCoversTheCall(t *testing.T) {
	server := providertest.Start(t, providertest.AWSBedrock())
	for name, change := range map[string]func(*http.Request){
		"the date": func(r *http.Request) { r.Header.Set("X-Amz-Date", "20250101T000000Z") },
		"the model": func(r *http.Request) {
			r.URL.RawPath = strings.Replace(r.URL.EscapedPath(), "/converse", "-x/converse", 1)
			r.URL.Path, _ = url.PathUnescape(r.URL.RawPath)
		},
		"the prompt": func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(strings.Repeat(" ", int(r.ContentLength)-len(otherPrompt)) + otherPrompt))
		},
	} {
		client := openWith(t, server, func(o *provider.OpenOptions) { o.Transport = changing{o.Transport, change} })
		result, _ := client.generate(t, false)
		if result.Failure == nil || result.Failure.Kind != provider.Authentication {
			t.Errorf("%s was changed: %+v", name, result)
		}
	}
}

const otherPrompt = `{"messages":[{"role":"user","content":[{"text":"x"}]}],"inferenceConfig":{"maxTokens":1}}`

// changing changes requests on their way.
type changing struct {
	http.RoundTripper
	change func(*http.Request)
}

func (c changing) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	c.change(req)
	return c.RoundTripper.RoundTrip(req)
}

// eventMessage is one message of an event stream: an `event`, an `exception` or an
// `error`.
func eventMessage(t testing.TB, headers map[string]string, payload string) []byte {
	t.Helper()
	m := eventstream.Message{Payload: []byte(payload)}
	for name, value := range headers {
		m.Headers.Set(name, eventstream.StringValue(value))
	}
	var b bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func converseEvent(t testing.TB, name, payload string) []byte {
	t.Helper()
	return eventMessage(t, map[string]string{":message-type": "event", ":event-type": name, ":content-type": "application/json"}, payload)
}

func converseStream(pieces ...[]byte) providertest.Answer {
	return providertest.Answer{Status: http.StatusOK, Header: providertest.Headers("Content-Type", "application/vnd.amazon.eventstream"), Pieces: pieces}
}

func TestBedrockExceptionsInStream(t *testing.T) {
	exception := func(name string) map[string]string {
		return map[string]string{":message-type": "exception", ":exception-type": name, ":content-type": "application/json"}
	}
	for name, test := range map[string]struct {
		headers map[string]string
		payload string
		want    provider.FailureKind
		message string
	}{
		"throttled":  {exception("throttlingException"), `{"message":"Too many tokens"}`, provider.RateLimited, "Too many tokens"},
		"invalid":    {exception("validationException"), `{"message":"Input is too long for requested model."}`, provider.InvalidRequest, "too long"},
		"internal":   {exception("internalServerException"), `{"message":"It broke"}`, provider.UpstreamError, "It broke"},
		"the model":  {exception("modelStreamErrorException"), `{"message":"It broke","originalMessage":"x"}`, provider.UpstreamError, "It broke"},
		"unknown":    {exception("futureException"), `{"message":"Something new"}`, provider.UpstreamError, "Something new"},
		"bare error": {map[string]string{":message-type": "error", ":error-code": "InternalFailure", ":error-message": "It broke"}, ``, provider.UpstreamError, "It broke"},
		"no JSON":    {exception("internalServerException"), `oops`, provider.UpstreamError, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := providertest.Start(t, answering(providertest.AWSBedrock(), func(*providertest.Request) providertest.Answer {
				return converseStream(
					converseEvent(t, "messageStart", `{"role":"assistant"}`),
					converseEvent(t, "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"Hel"}}`),
					eventMessage(t, test.headers, test.payload))
			}))
			result, deltas := open(t, server).generate(t, true)
			f := failure(t, result, test.want)
			if !strings.Contains(f.Message, test.message) || strings.Join(deltas, "") != "Hel" {
				t.Errorf("got %+v after %q", f, deltas)
			}
		})
	}
}

// TestBedrockReasoning: what a model thinks is not what it says.
func TestBedrockReasoning(t *testing.T) {
	server := providertest.Start(t, answering(providertest.AWSBedrock(), func(r *providertest.Request) providertest.Answer {
		if strings.HasSuffix(r.Path, "/converse") {
			return jsonAnswer(`{"output":{"message":{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"Hm."}}},{"text":"Hel"},{"future":{}},{"text":"lo"}]}},"stopReason":"end_turn"}`)
		}
		return converseStream(
			converseEvent(t, "messageStart", `{"role":"assistant"}`),
			converseEvent(t, "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"Hm."}}}`),
			converseEvent(t, "contentBlockDelta", `{"contentBlockIndex":1,"delta":{"text":"Hello"}}`),
			converseEvent(t, "future", `{}`),
			converseEvent(t, "messageStop", `{"stopReason":"end_turn"}`))
	}))
	client := open(t, server)
	for _, stream := range []bool{false, true} {
		result, _ := client.generate(t, stream)
		succeeded(t, result)
		if result.Response != "Hello" || result.Usage != nil {
			t.Errorf("result %+v", result)
		}
	}
}

// TestBedrockEndlessAnswer: well-formed messages that never end are given up.
func TestBedrockEndlessAnswer(t *testing.T) {
	delta := converseEvent(t, "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"`+strings.Repeat("x", 60<<10)+`"}}`)
	server := providertest.Start(t, answering(providertest.AWSBedrock(), func(*providertest.Request) providertest.Answer {
		pieces := make([][]byte, 2000)
		for i := range pieces {
			pieces[i] = delta
		}
		return converseStream(pieces...)
	}))
	client := open(t, server)
	result := client.Generate(t.Context(), client.prompt(), func(string) {})
	if f := failure(t, result, provider.UpstreamError); !strings.Contains(f.Message, "is too large") {
		t.Errorf("got %+v", f)
	}
}

func TestBedrockTemperatureIsSentAsGiven(t *testing.T) {
	server := providertest.Start(t, providertest.AWSBedrock())
	client := open(t, server)
	prompt, temperature := client.prompt(), 0.7
	prompt.Temperature = &temperature
	succeeded(t, client.Generate(t.Context(), prompt, nil))
	if body := string(server.Requests()[0].Body); !strings.Contains(body, `"temperature":0.7`) || strings.Contains(body, "0.70") || strings.Contains(body, "0.69") {
		t.Errorf("sent %s", body)
	}
}

func TestBedrockDiscovery(t *testing.T) {
	d, err := open(t, providertest.Start(t, providertest.AWSBedrock())).Models(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := provider.Discovery{Supported: true, Models: []provider.DiscoveredModel{
		{ModelID: "amazon.nova-lite-v1:0", DisplayName: "Amazon Nova Lite"},
		{ModelID: "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123", DisplayName: "Team budget"},
		{ModelID: "meta.llama3-70b-instruct-v1:0", DisplayName: "Meta Llama 3 70B Instruct"},
		{ModelID: "us.anthropic.claude-sonnet-4-20250514-v1:0", DisplayName: "US Claude Sonnet 4"},
	}}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("models (-want +got):\n%s", diff)
	}
}

// TestBedrockDiscoveryWithoutPermission: either list may be refused; that is no
// fault of the account.
func TestBedrockDiscoveryWithoutPermission(t *testing.T) {
	for name, test := range map[string]struct {
		refused []string
		models  int
	}{
		"foundation models": {[]string{"/foundation-models"}, 2},
		"profiles":          {[]string{"/inference-profiles"}, 2},
		"both":              {[]string{"/foundation-models", "/inference-profiles"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			fake := providertest.AWSBedrock()
			granted := fake.Answer
			fake.Answer = func(r *providertest.Request, mode providertest.Mode) (providertest.Answer, bool) {
				for _, path := range test.refused {
					if r.Path == path {
						return providertest.BedrockError(403, "AccessDeniedException", "User: arn:aws:iam::123456789012:user/app is not authorized to perform: bedrock:List on resource: * because no identity-based policy allows the action. Your account is not authorized to invoke this API operation."), true
					}
				}
				return granted(r, mode)
			}
			d, err := open(t, providertest.Start(t, fake)).Models(t.Context())
			if test.models > 0 {
				if err != nil || len(d.Models) != test.models {
					t.Errorf("got %+v, %v", d, err)
				}
				return
			}
			f := asFailure(t, err)
			if f.Kind != provider.Permission || f.OfProvider() || f.Code != "AccessDeniedException" ||
				!strings.Contains(f.Message, "bedrock:List") || !strings.Contains(f.Hint, "bedrock:ListFoundationModels") {
				t.Errorf("got %+v", f)
			}
		})
	}
}

func TestBedrockDiscoveryReadsPages(t *testing.T) {
	fake := providertest.AWSBedrock()
	first := fake.Answer
	fake.Answer = func(r *providertest.Request, mode providertest.Mode) (providertest.Answer, bool) {
		if r.Path != "/inference-profiles" {
			return first(r, mode)
		}
		token := r.HTTP().URL.Query().Get("nextToken") + "x"
		return jsonAnswer(fmt.Sprintf(`{"inferenceProfileSummaries":[{"inferenceProfileId":"us.page-%s","inferenceProfileName":"P","type":"SYSTEM_DEFINED"}],"nextToken":"%s"}`, token, token)), true
	}
	server := providertest.Start(t, fake)
	d, err := open(t, server).Models(t.Context())
	if calls := len(server.Requests()) - 1; err != nil || !d.Truncated || calls != 10 || len(d.Models) != 12 {
		t.Errorf("a list that never ends: %d calls, %+v, %v", calls, d, err)
	}
}

// TestBedrockControlEndpoint: an operator's control plane is asked for the list,
// the other endpoint for answers.
func TestBedrockControlEndpoint(t *testing.T) {
	var asked []string
	control := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		_, _ = io.WriteString(w, `{"modelSummaries":[{"modelId":"m","inferenceTypesSupported":["ON_DEMAND"]}]}`)
	}))
	defer control.Close()
	server := providertest.Start(t, providertest.AWSBedrock())
	endpoints, err := provider.ParseEndpoints("aws_bedrock=" + server.URL + ",aws_bedrock_control=" + control.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := openWith(t, server, func(o *provider.OpenOptions) {
		o.Endpoints, o.Transport = endpoints, http.DefaultTransport
	})
	d, err := client.Models(t.Context())
	if err != nil || len(d.Models) != 1 || !slices.Equal(asked, []string{"/foundation-models", "/inference-profiles"}) {
		t.Errorf("got %+v, %v; the control plane was asked for %q", d, err, asked)
	}
	result, _ := client.generate(t, false)
	succeeded(t, result)
}

// TestBedrockReusesConnections checks that a connection is used again even if the
// response arrives while the transport still sends the request.
func TestBedrockReusesConnections(t *testing.T) {
	var dialled atomic.Int32
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		dialled.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	server := providertest.Start(t, providertest.AWSBedrock())
	client := openWith(t, server, func(o *provider.OpenOptions) { o.Transport = transport })
	const calls = 200
	for i := range calls {
		result, _ := client.generate(t, i%2 == 0)
		succeeded(t, result)
	}
	if n := dialled.Load(); n != 1 {
		t.Errorf("%d calls made %d connections", calls, n)
	}
}
