package provider_test

import (
	"strings"
	"testing"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// TestGeminiReadsAStream checks what is and is not text in a stream, and that
// it ends only with a reason.
func TestGeminiReadsAStream(t *testing.T) {
	for name, test := range map[string]struct {
		events []string
		want   string
		kind   provider.FailureKind // empty: success
	}{
		"thoughts are not said": {[]string{
			`{"candidates":[{"content":{"parts":[{"text":"Hm.","thought":true}]}}]}`,
			`{"candidates":[{"content":{"parts":[{"text":"Hel"},{"text":"lo"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1}}`}, "Hello", ""},
		"usage comes last":   {[]string{`{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}]}`, `{"usageMetadata":{"promptTokenCount":1}}`}, "Hi", ""},
		"it never ends":      {[]string{`{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]}`}, "Hi", provider.UpstreamError},
		"blocked at the end": {[]string{`{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]}`, `{"candidates":[{"finishReason":"SAFETY"}],"usageMetadata":{"promptTokenCount":1}}`}, "Hi", ""},
		"blocked":            {[]string{`{"promptFeedback":{"blockReason":"SAFETY"}}`}, "", provider.ContentFiltered},
		"nothing was said":   {[]string{`{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"It called print."}]}`}, "", provider.UpstreamError},
		"a broken event":     {[]string{`{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]}`, `{"cand`}, "Hi", provider.UpstreamError},
		"an error":           {[]string{`{"error":{"code":429,"message":"Resource exhausted.","status":"RESOURCE_EXHAUSTED"}}`}, "", provider.RateLimited},
		"an odd error":       {[]string{`{"error":"no"}`}, "", provider.UpstreamError},
		"nothing":            {nil, "", provider.UpstreamError},
	} {
		t.Run(name, func(t *testing.T) {
			server := providertest.Start(t, answering(providertest.GCPVertexAI(), func(*providertest.Request) providertest.Answer {
				var events []string
				for _, event := range test.events {
					events = append(events, "data: "+event)
				}
				return eventsAnswer(events...)
			}))
			result, deltas := open(t, server).generate(t, true)
			if said := strings.Join(deltas, ""); said != test.want {
				t.Errorf("said %q, want %q", said, test.want)
			}
			if test.kind == "" {
				succeeded(t, result)
				if result.Usage == nil {
					t.Error("the usage is lost")
				}
				return
			}
			failure(t, result, test.kind)
		})
	}
}
