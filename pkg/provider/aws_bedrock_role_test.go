package provider_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"modelproviders/pkg/egress"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// startRole serves a fake that is called with a role, with its STS.
func startRole(t *testing.T) (*providertest.STS, *providertest.Server) {
	t.Helper()
	sts := providertest.NewSTS()
	return sts, providertest.Start(t, sts.Bedrock())
}

// TestRoleIsAssumedOnceForManyCallers also lists models, which is signed in another way.
func TestRoleIsAssumedOnceForManyCallers(t *testing.T) {
	sts, server := startRole(t)
	client := open(t, server)
	var wait sync.WaitGroup
	for i := range 32 {
		wait.Go(func() {
			if i%8 == 0 {
				if _, err := client.Models(t.Context()); err != nil {
					t.Error(err)
				}
				return
			}
			if result, _ := client.generate(t, i%2 == 0); result.Failure != nil {
				t.Errorf("failed: %+v", result.Failure)
			}
		})
	}
	wait.Wait()
	if n := sts.Assumed(); n != 1 {
		t.Errorf("the role was assumed %d times", n)
	}
}

func TestSessionOfARoleIsRenewed(t *testing.T) {
	sts, server := startRole(t)
	sts.SetLifetime(time.Minute)
	client := open(t, server)
	for want := 1; want <= 3; want++ {
		result, _ := client.generate(t, want%2 == 0)
		succeeded(t, result)
		if n := sts.Assumed(); n != want {
			t.Errorf("the role was assumed %d times for %d calls with sessions that soon end", n, want)
		}
	}
	refusal := providertest.STSError(503, "ServiceUnavailable", "Service is unavailable.")
	sts.Refuse(&refusal)
	for range 2 {
		result, _ := client.generate(t, false)
		succeeded(t, result)
		if !strings.Contains(result.Endpoint, "/converse") {
			t.Errorf("the result describes the call of %s", result.Endpoint)
		}
	}
	if _, err := client.Models(t.Context()); err != nil {
		t.Errorf("models can't be listed with a session that is still valid: %v", err)
	}

	sts.Refuse(nil)
	sts.SetLifetime(time.Second)
	other := open(t, server)
	result, _ := other.generate(t, false)
	succeeded(t, result)
	sts.Refuse(&refusal)
	result, _ = other.generate(t, false)
	if f := failure(t, result, provider.UpstreamError); f.Code != "ServiceUnavailable" || !strings.HasSuffix(result.Endpoint, "/sts") {
		t.Errorf("after the end of the session: %+v, endpoint %s", f, result.Endpoint)
	}
}

func TestRevokedSessionIsReplaced(t *testing.T) {
	sts, server := startRole(t)
	client := open(t, server)
	result, _ := client.generate(t, true)
	succeeded(t, result)
	sts.Revoke()
	result, _ = client.generate(t, true)
	f := failure(t, result, provider.Authentication)
	if !strings.Contains(f.Hint, "assumes the role anew") || strings.Contains(f.Hint, "access_key_id") {
		t.Errorf("hint %q", f.Hint)
	}
	for range 2 {
		result, _ = client.generate(t, true)
		succeeded(t, result)
	}
	if n := sts.Assumed(); n != 2 {
		t.Errorf("the role was assumed %d times", n)
	}
}

func TestRoleIsRefused(t *testing.T) {
	for name, test := range map[string]struct {
		credentials, config map[string]any
		kind                provider.FailureKind
		code, hint          string
	}{
		"unknown key":         {map[string]any{"access_key_id": "AKIAUNKNOWNUNKNOWN00"}, nil, provider.Authentication, "InvalidClientTokenId", "access_key_id"},
		"temporary key":       {map[string]any{"access_key_id": "ASIATEMPORARYKEY0000"}, nil, provider.Authentication, "InvalidClientTokenId", "session token"},
		"token of no session": {map[string]any{"session_token": "IQoJb3JpZ2luX2VjUnused"}, nil, provider.Authentication, "SignatureDoesNotMatch", "Remove session_token"},
		"wrong secret":        {map[string]any{"secret_access_key": "Wrong/Secret+0123456789"}, nil, provider.Authentication, "SignatureDoesNotMatch", "secret_access_key"},
		"other role":          {nil, map[string]any{"role_arn": "arn:aws:iam::210987654321:role/other"}, provider.Permission, "AccessDenied", "role/other"},
		"other external id":   {nil, map[string]any{"external_id": "other"}, provider.Permission, "AccessDenied", "external_id"},
	} {
		t.Run(name, func(t *testing.T) {
			sts, server := startRole(t)
			for field, value := range test.credentials {
				server.Credentials[field] = value
			}
			client := open(t, server, test.config)
			result, _ := client.generate(t, true)
			f := failure(t, result, test.kind)
			if f.Code != test.code || f.HTTPStatus != http.StatusForbidden || !strings.Contains(f.Hint, test.hint) || !f.OfProvider() {
				t.Errorf("got %+v", f)
			}
			if result.Endpoint != server.URL+"/sts" || result.RequestID == "" || result.Latency <= 0 {
				t.Errorf("endpoint %s, request id %q, latency %v", result.Endpoint, result.RequestID, result.Latency)
			}
			if _, err := client.Models(t.Context()); asFailure(t, err).Kind != test.kind {
				t.Errorf("discovery: %v", err)
			}
			if r := client.Check(t.Context()); r.Failure == nil || r.Failure.Kind != test.kind || r.Detail != "" {
				t.Errorf("check: %+v", r)
			}
			if n := len(server.Requests()); n > 0 || sts.Assumed() > 0 {
				t.Errorf("Bedrock was called %d times, and %d sessions were issued", n, sts.Assumed())
			}
		})
	}
}

func TestSTSMisbehaves(t *testing.T) {
	secondEndpointMisbehaves(t, providertest.AWSBedrockRole(), "aws_sts", "/sts")
}

// TestSTSIsGuarded: STS is exempt from the egress policy only where the operator named it.
func TestSTSIsGuarded(t *testing.T) {
	_, server := startRole(t)
	guard, err := egress.New(egress.Config{})
	if err != nil {
		t.Fatal(err)
	}
	client := openWith(t, server, func(o *provider.OpenOptions) { o.Transport = guard.Transport() })
	result, _ := client.generate(t, false)
	failed(t, result, provider.Blocked)
	if !strings.HasSuffix(result.Endpoint, "/sts") {
		t.Errorf("endpoint %s", result.Endpoint)
	}
}

// TestRoleLatencyIsTheModels: assuming the role is not part of it.
func TestRoleLatencyIsTheModels(t *testing.T) {
	const slow = 300 * time.Millisecond
	fake := providertest.AWSBedrockRole()
	answer := fake.Auxiliary
	fake.Auxiliary = func(r *providertest.Request) (providertest.Answer, bool) {
		a, ok := answer(r)
		if ok {
			time.Sleep(slow)
		}
		return a, ok
	}
	client := open(t, providertest.Start(t, fake))
	began := time.Now()
	result, _ := client.generate(t, false)
	succeeded(t, result)
	if took := time.Since(began); result.Latency > took-slow || result.Timing.Total != result.Latency {
		t.Errorf("latency %v of %v, of which %v went to the role", result.Latency, took, slow)
	}
}

// TestRoleIsAssumedInTheContextOfItsCaller: who leaves is not waited for, and does not spoil
// the call of the others.
func TestRoleIsAssumedInTheContextOfItsCaller(t *testing.T) {
	fake := providertest.AWSBedrockRole()
	answer := fake.Auxiliary
	arrived, left := make(chan struct{}, 1), make(chan struct{})
	first := sync.OnceFunc(func() {
		arrived <- struct{}{}
		<-left
	})
	fake.Auxiliary = func(r *providertest.Request) (providertest.Answer, bool) {
		if r.Path == "/sts" {
			first()
		}
		return answer(r)
	}
	client := open(t, providertest.Start(t, fake))
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan provider.Result, 2)
	go func() { result, _ := client.generateIn(ctx, false); results <- result }()
	<-arrived
	go func() { result, _ := client.generateIn(t.Context(), false); results <- result }()
	cancel()
	result := <-results
	if result.Failure == nil || result.Failure.Kind != provider.Timeout || !strings.HasSuffix(result.Endpoint, "/sts") {
		t.Errorf("the one that left got %+v", result)
	}
	close(left)
	succeeded(t, <-results)
}

// TestSecretsOfASessionStay: an upstream that says the keys of a session reveals nothing.
func TestSecretsOfASessionStay(t *testing.T) {
	sts := providertest.NewSTS()
	fake := sts.Bedrock()
	success, said := fake.Answer, ""
	fake.Answer = func(r *providertest.Request, mode providertest.Mode) (providertest.Answer, bool) {
		said = strings.Join(sts.Secrets(), " ")
		r.Text = "You have " + said + "."
		if mode == providertest.InvalidRequest {
			return providertest.BedrockError(400, "ValidationException", r.Text), true
		}
		return success(r, mode)
	}
	server := providertest.Start(t, fake)
	client := open(t, server)
	for _, stream := range []bool{false, true} {
		result, deltas := client.generate(t, stream)
		succeeded(t, result)
		if len(said) < 80 || result.Response != "You have •••• ••••." || stream && strings.Join(deltas, "") != result.Response {
			t.Errorf("response %q, deltas %q", result.Response, deltas)
		}
	}
	server.Use(providertest.InvalidRequest)
	result, _ := client.generate(t, false)
	if f := failure(t, result, provider.InvalidRequest); f.Message != "You have •••• ••••." {
		t.Errorf("message %q", f.Message)
	}
}
