package provider

import (
	"net/http"
	"strings"
	"testing"
)

func TestInferenceProfileHint(t *testing.T) {
	const claude = "anthropic.claude-sonnet-4-20250514-v1:0"
	for _, test := range []struct{ model, region, want string }{
		{claude, "us-east-1", "`us." + claude + "` or `global." + claude + "`"},
		{claude, "eu-central-1", "`eu." + claude + "` or `global." + claude + "`"},
		{claude, "ap-southeast-1", "`apac." + claude + "` or `global." + claude + "`"},
		{claude, "ap-northeast-1", "`jp." + claude + "`"},
		{claude, "us-gov-west-1", "`us-gov." + claude + "`"},
		{claude, "sa-east-1", "`global." + claude + "`"},
		{"arn:aws:bedrock:us-east-1::foundation-model/" + claude, "us-east-1", "`us." + claude + "`"},
	} {
		hint := inferenceProfileHint(test.model, test.region)
		if !strings.Contains(hint, test.want) {
			t.Errorf("%s in %s: the hint %q does not name %s", test.model, test.region, hint, test.want)
		}
		if strings.Contains(hint, ".arn:") {
			t.Errorf("%s: the hint %q puts a prefix before an ARN", test.model, hint)
		}
	}
	hint := inferenceProfileHint("arn:aws:bedrock:us-east-1:123456789012:custom-model/x", "us-east-1")
	if strings.Contains(hint, ".arn:") || !strings.Contains(hint, "inference profile") {
		t.Errorf("the hint for an ARN is %q", hint)
	}
}

// TestBedrockHosts checks where each partition is called, and that the path
// keeps a model id in one segment.
func TestBedrockHosts(t *testing.T) {
	for region, want := range map[string]string{
		"us-east-1": "bedrock-runtime.us-east-1.amazonaws.com", "eu-central-1": "bedrock-runtime.eu-central-1.amazonaws.com",
		"us-gov-west-1": "bedrock-runtime.us-gov-west-1.amazonaws.com", "cn-north-1": "bedrock-runtime.cn-north-1.amazonaws.com.cn",
		"eusc-de-east-1": "bedrock-runtime.eusc-de-east-1.amazonaws.eu", "us-iso-east-1": "bedrock-runtime.us-iso-east-1.c2s.ic.gov",
		"us-isob-east-1": "bedrock-runtime.us-isob-east-1.sc2s.sgov.gov", "eu-isoe-west-1": "bedrock-runtime.eu-isoe-west-1.cloud.adc-e.uk",
		"us-isof-south-1": "bedrock-runtime.us-isof-south-1.csp.hci.ic.gov",
	} {
		called := ""
		up := openTestBedrock(t, region, func(req *http.Request) { called = req.URL.Scheme + "://" + req.URL.Host })
		_, _ = up.generate(t.Context(), prompt{Prompt: Prompt{ModelID: "m", Text: "Hi"}})
		if called != "https://"+want {
			t.Errorf("region %s is called at %s, want %s", region, called, want)
		}
		_, _ = openTestBedrock(t, region, func(req *http.Request) { called = req.URL.String() }, "arn:aws:iam::123456789012:role/r").models(t.Context())
		if want := "https://sts" + strings.TrimPrefix(want, "bedrock-runtime") + "/"; called != want {
			t.Errorf("roles are assumed in region %s at %s, want %s", region, called, want)
		}
		_, _ = up.models(t.Context())
		if want := "https://" + strings.Replace(want, "-runtime", "", 1); called != want {
			t.Errorf("models of region %s are asked for at %s, want %s", region, called, want)
		}
	}
}

func TestBedrockModelStaysInItsSegmentOfThePath(t *testing.T) {
	for id, want := range map[string]string{
		"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude": "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.anthropic.claude/converse",
		"amazon.nova-lite-v1:0": "/model/amazon.nova-lite-v1%3A0/converse",
		"a?b#c%2fd":             "/model/a%3Fb%23c%252fd/converse",
		"../../../secrets":      "/model/..%2F..%2F..%2Fsecrets/converse",
	} {
		path := ""
		up := openTestBedrock(t, "us-east-1", func(req *http.Request) { path = req.URL.EscapedPath() })
		_, _ = up.generate(t.Context(), prompt{Prompt: Prompt{ModelID: id, Text: "Hi"}})
		if path != want {
			t.Errorf("%s is called at %s, want %s", id, path, want)
		}
	}
}

// TestBedrockListsAreRequestedWithoutABody checks what HTTP/2 would otherwise send as an
// empty body of unknown length.
func TestBedrockListsAreRequestedWithoutABody(t *testing.T) {
	calls := 0
	up := openTestBedrock(t, "us-east-1", func(req *http.Request) {
		calls++
		if req.Body != nil && req.Body != http.NoBody {
			t.Errorf("%s %s has a body", req.Method, req.URL)
		}
	})
	_, _ = up.models(t.Context())
	if calls == 0 {
		t.Error("nothing was called")
	}
}

// openTestBedrock opens a client, possibly with a role, whose calls are only looked at.
func openTestBedrock(t *testing.T, region string, look func(*http.Request), role ...string) upstream {
	t.Helper()
	client := newHTTPClient(lookOnly(look))
	env := environment{http: client, tokens: client, hide: func(string) {}}
	up, err := openBedrock(bedrockCredentials{}, bedrockConfig{Region: region, RoleARN: strings.Join(role, "")}, env)
	if err != nil {
		t.Fatal(err)
	}
	return up
}

// lookOnly is a transport that sends nothing.
type lookOnly func(*http.Request)

func (l lookOnly) RoundTrip(req *http.Request) (*http.Response, error) {
	l(req)
	return nil, http.ErrServerClosed
}
