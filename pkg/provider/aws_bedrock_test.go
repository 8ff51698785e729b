package provider

import (
	"net/http"
	"strings"
	"testing"
)

func TestBedrockFaults(t *testing.T) {
	const model = "anthropic.claude-3-5-sonnet-20241022-v2:0"
	for name, test := range map[string]struct {
		status  int
		code    string
		message string
		want    FailureKind
		account bool
		hint    string // a part of it
	}{
		"unknown access key": {403, "UnrecognizedClientException", "The security token included in the request is invalid.", Authentication, false, "access_key_id"},
		"wrong secret":       {403, "InvalidSignatureException", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.", Authentication, false, "secret_access_key"},
		"wrong clock":        {403, "InvalidSignatureException", "Signature expired: 20250101T000000Z is now earlier than 20250101T001000Z (20250101T001500Z - 5 min.)", Authentication, false, "clock"},
		"expired session":    {403, "ExpiredTokenException", "The security token included in the request is expired", Authentication, false, "expired"},
		"no subscription":    {403, "SubscriptionRequiredException", "The AWS Access Key Id needs a subscription for the service", Permission, true, "signed up"},
		"no model access":    {403, "AccessDeniedException", "You don't have access to the model with the specified model ID.", Permission, false, "model catalog"},
		"no account access":  {403, "AccessDeniedException", "Your account is not authorized to invoke this API operation.", Permission, true, "AWS support"},
		"blocked account":    {400, "ValidationException", "Operation not allowed", Permission, true, "AWS support"},
		"no IAM permission": {403, "AccessDeniedException", "User: arn:aws:iam::123456789012:user/app is not authorized to perform: bedrock:InvokeModelWithResponseStream on resource: arn:aws:bedrock:us-east-1::foundation-model/" + model + " because no identity-based policy allows the bedrock:InvokeModelWithResponseStream action",
			Permission, false, "`bedrock:InvokeModelWithResponseStream` in IAM on `" + model + "`"},
		"marketplace":           {403, "AccessDeniedException", "Model access is denied due to IAM user or service role is not authorized to perform the required AWS Marketplace actions (aws-marketplace:ViewSubscriptions, aws-marketplace:Subscribe) to enable access to this model.", Permission, false, "aws-marketplace:Subscribe"},
		"no payment method":     {403, "AccessDeniedException", "Model access is denied due to INVALID_PAYMENT_INSTRUMENT:A valid payment instrument must be provided.", Permission, false, "payment"},
		"use case form":         {404, "ResourceNotFoundException", "Model use case details have not been submitted for this account. Fill out the Anthropic use case details form before using the model.", Permission, false, "use case form"},
		"retired":               {404, "ResourceNotFoundException", "This model version has reached the end of its life. Please refer to the AWS documentation for more details.", ModelNotFound, false, "retired"},
		"unknown ARN":           {404, "ResourceNotFoundException", "Could not resolve the foundation model from the provided model identifier.", ModelNotFound, false, "us-east-1"},
		"unknown id":            {400, "ValidationException", "The provided model identifier is invalid.", ModelNotFound, false, model},
		"profile needed":        {400, "ValidationException", "Invocation of model ID " + model + " with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an inference profile that contains this model.", ModelNotFound, false, "`us." + model + "`"},
		"no chat model":         {400, "ValidationException", "This action doesn't support the model that you provided. Try again with a supported text or chat model.", InvalidRequest, false, "chat model"},
		"temperature":           {400, "ValidationException", "This model doesn't support the temperature field. Remove temperature and try again.", InvalidRequest, false, "temperature"},
		"too many tokens":       {400, "ValidationException", "The maximum tokens you requested exceeds the model limit of 4096. Try again with a maximum tokens value that is lower than 4096.", InvalidRequest, false, "max_output_tokens"},
		"no system prompt":      {400, "ValidationException", "This model doesn't support system messages. Try again without a system message or use a model that supports system messages.", InvalidRequest, false, "Leave system out"},
		"filtered":              {400, "ValidationException", "Output blocked by content filtering policy", ContentFiltered, false, "prompt"},
		"throttled":             {429, "ThrottlingException", "Too many requests, please wait before trying again.", RateLimited, false, "Service Quotas"},
		"quota":                 {400, "ServiceQuotaExceededException", "Your request exceeds the service quota for your account.", QuotaExceeded, false, "Service Quotas"},
		"model too slow":        {408, "ModelTimeoutException", "The model did not respond in time.", Timeout, false, "max_output_tokens"},
		"model failed":          {424, "ModelErrorException", "The system encountered an unexpected error during processing.", UpstreamError, false, "try again"},
		"model not ready":       {429, "ModelNotReadyException", "The model is not ready to serve inference requests.", UpstreamError, false, "few minutes"},
		"internal":              {500, "InternalServerException", "The system encountered an unexpected error.", UpstreamError, false, "try again"},
		"no message of its own": {503, "ServiceUnavailableException", "", UpstreamError, false, "try again"},
	} {
		t.Run(name, func(t *testing.T) {
			f := bedrockFailure(test.status, awsFault{test.code, test.message}, model, "us-east-1")
			if f == nil {
				t.Fatal("the exception is not known")
			}
			if f.Kind != test.want || f.Account != test.account {
				t.Errorf("it is %s (account: %v), want %s (account: %v)", f.Kind, f.Account, test.want, test.account)
			}
			if !strings.Contains(f.Hint, test.hint) {
				t.Errorf("the hint %q says nothing of %q", f.Hint, test.hint)
			}
			if !strings.Contains(f.Message, test.message) || f.Message == "" || f.Code != test.code || f.HTTPStatus != test.status {
				t.Errorf("the provider's words are lost: %+v", f)
			}
		})
	}
}

func TestBedrockModelThatCannotConverse(t *testing.T) {
	f := bedrockFailure(400, awsFault{"ValidationException", "This action doesn't support the model that you provided. Try again with a supported text or chat model."}, "amazon.titan-embed-text-v2:0", "us-east-1")
	if !strings.Contains(f.Hint, "amazon.titan-embed-text-v2:0") || !strings.Contains(f.Hint, "cannot be tested here") {
		t.Errorf("the hint is %q", f.Hint)
	}
}

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
	} {
		called := ""
		up := openTestBedrock(t, region, func(req *http.Request) { called = req.URL.Scheme + "://" + req.URL.Host })
		_, _ = up.generate(t.Context(), Prompt{ModelID: "m", Text: "Hi"}, nil)
		if called != "https://"+want {
			t.Errorf("region %s is called at %s, want %s", region, called, want)
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
		_, _ = up.generate(t.Context(), Prompt{ModelID: id, Text: "Hi"}, nil)
		if path != want {
			t.Errorf("%s is called at %s, want %s", id, path, want)
		}
	}
}

// openTestBedrock opens a client whose calls are only looked at.
func openTestBedrock(t *testing.T, region string, look func(*http.Request)) upstream {
	t.Helper()
	env := environment{http: newHTTPClient(lookOnly(look)), hide: func(string) {}}
	up, err := openBedrock(bedrockCredentials{}, bedrockConfig{Region: region}, env)
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

func FuzzParseAWSFault(f *testing.F) {
	f.Add([]byte(`{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"no"}`), "us-east-1")
	f.Add([]byte(`{"message":"on-demand throughput isn’t supported","__type":"ValidationException:http://x/"}`), "eu-west-1")
	f.Fuzz(func(t *testing.T, body []byte, region string) {
		fault := parseAWSFault(body)
		if strings.ContainsAny(fault.Code, "#:") {
			t.Errorf("%q has the code %q", body, fault.Code)
		}
		if f := bedrockFailure(400, fault, "m", region); f != nil && (f.Kind == "" || f.Message == "") {
			t.Errorf("%q was explained as %+v", body, f)
		}
	})
}
