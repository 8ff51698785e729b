package provider

import (
	"strings"
	"testing"
)

func TestAnthropicFaults(t *testing.T) {
	for name, test := range map[string]struct {
		status  int
		body    string
		want    FailureKind
		account bool
		hint    string // a part of it
	}{
		"wrong key":           {401, `{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}`, Authentication, false, "sk-ant-"},
		"workspace":           {403, `{"type":"error","error":{"type":"permission_error","message":"Your API key does not have permission to use the specified resource."}}`, Permission, false, "workspace"},
		"kept out":            {403, `{"error":{"type":"forbidden","message":"Request not allowed"}}`, Permission, true, ""},
		"organization":        {403, `{"type":"error","error":{"type":"permission_error","message":"OAuth authentication is currently not allowed for this organization."}}`, Permission, true, ""},
		"disabled":            {400, `{"type":"error","error":{"type":"invalid_request_error","message":"This organization has been disabled."}}`, Permission, true, "administrator"},
		"unknown model":       {404, `{"type":"error","error":{"type":"not_found_error","message":"model: claude-9"}}`, ModelNotFound, false, "available models"},
		"no credit":           {400, `{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."}}`, QuotaExceeded, false, "credit"},
		"spend limit":         {400, `{"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits. You will regain access on 2025-07-01 at 00:00 UTC."}}`, QuotaExceeded, false, "limit"},
		"billing":             {402, `{"type":"error","error":{"type":"billing_error","message":"There is an issue with your payment."}}`, QuotaExceeded, false, "Billing"},
		"rate limit":          {429, `{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your organization's rate limit."}}`, RateLimited, false, "minute"},
		"overloaded":          {529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, UpstreamError, false, "Nothing is wrong"},
		"internal":            {500, `{"type":"error","error":{"type":"api_error","message":"Internal server error"}}`, UpstreamError, false, "try again"},
		"gateway timeout":     {504, `{"type":"error","error":{"type":"timeout_error","message":"Request timed out"}}`, Timeout, false, "max_output_tokens"},
		"too large":           {413, `{"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}`, InvalidRequest, false, "Shorten"},
		"output filtered":     {400, `{"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"}}`, ContentFiltered, false, "prompt"},
		"temperature":         {400, `{"type":"error","error":{"type":"invalid_request_error","message":"temperature: range: 0..1"}}`, InvalidRequest, false, "0 to 1"},
		"output limit":        {400, `{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: 128000 > 8192, which is the maximum allowed number of output tokens for claude-3-5-haiku"}}`, InvalidRequest, false, "max_output_tokens"},
		"context":             {400, `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}`, InvalidRequest, false, "Shorten"},
		"no such path":        {404, `{"type":"error","error":{"type":"not_found_error","message":"Not Found"}}`, Misconfigured, false, "path"},
		"subscription":        {400, `{"type":"error","error":{"type":"invalid_request_error","message":"This credential is only authorized for use with Claude Code and cannot be used for other API requests."}}`, Authentication, false, "subscription"},
		"status alone":        {418, `{"type":"error","error":{"type":"new_error","message":"Something new"}}`, InvalidRequest, false, ""},
		"error of the future": {200, `{"type":"error","error":{"type":"new_error","message":"Something new"}}`, UpstreamError, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			fault, ok := parseClaudeError([]byte(test.body))
			if !ok {
				t.Fatal("the body is not read")
			}
			f := fault.failure(test.status)
			if f == nil || f.Kind != test.want || f.Account != test.account {
				t.Fatalf("got %+v, want %s (account: %v)", f, test.want, test.account)
			}
			if !strings.Contains(f.Hint, test.hint) {
				t.Errorf("the hint %q says nothing of %q", f.Hint, test.hint)
			}
			if f.Message != fault.Message || f.Code != fault.Type || f.HTTPStatus != test.status {
				t.Errorf("the provider's words are lost: %+v", f)
			}
		})
	}
}

func FuzzParseClaudeFault(f *testing.F) {
	f.Add([]byte(`{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens"}}`))
	f.Add([]byte(`{"error":"text"}`))
	f.Add([]byte(`{"error":{"type":7}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if fault, ok := parseClaudeError(body); ok {
			if f := fault.failure(200); f == nil || f.Kind == "" || f.Message == "" {
				t.Errorf("%q was explained as %+v", body, f)
			}
		}
	})
}
