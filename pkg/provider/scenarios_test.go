package provider_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// scenarios are the rows of docs/providers.md.
func scenarios() []scenario {
	return slices.Concat(answers(), tools(), refusals(), others())
}

func answers() []scenario {
	return []scenario{
		{name: "success", says: "text, usage, sent parameters, timings, request id and the URL that was called", run: success},
		{name: "stream", says: "deltas as they arrive, then the same result", run: streamed},
		{name: "system, limit and temperature", says: "sent if given; otherwise no temperature", run: parameters},
		{name: "empty answer", says: "an answer that is cut off before its first word is a success with `finish_reason` `length`", mode: providertest.EmptyAnswer, run: emptyAnswer},
		{name: "discovery", says: "the list of models, in order", run: discovery},
		{name: "check", says: "the credentials are accepted, or `authentication`; a list that may not be read is not a failure", run: checked},
		{name: "cancel", says: "the upstream call ends", run: cancelled},
	}
}

func refusals() []scenario {
	var list []scenario
	for _, e := range []struct {
		mode providertest.Mode
		kind provider.FailureKind
	}{
		{providertest.Authentication, provider.Authentication},
		{providertest.Permission, provider.Permission},
		{providertest.AccountPermission, provider.Permission},
		{providertest.QuotaExceeded, provider.QuotaExceeded},
		{providertest.RateLimited, provider.RateLimited},
		{providertest.ModelNotFound, provider.ModelNotFound},
		{providertest.InvalidRequest, provider.InvalidRequest},
		{providertest.ContentFiltered, provider.ContentFiltered},
		{providertest.Refused, provider.ContentFiltered},
		{providertest.Overloaded, provider.UpstreamError},
		{providertest.ErrorInSuccess, provider.UpstreamError},
	} {
		says := "`" + string(e.kind) + "`, with the provider's message and a hint"
		if e.mode == providertest.AccountPermission {
			says += "; concerns the account"
		}
		list = append(list, scenario{
			name: string(e.mode), says: says, mode: e.mode,
			run: func(t *testing.T, server *providertest.Server) { documented(t, server, e.mode, e.kind) },
		})
	}
	return append(list, scenario{
		name: "error in stream", says: "`upstream`, after the received deltas", mode: providertest.ErrorInStream, run: errorInStream,
	})
}

func others() []scenario {
	return []scenario{
		{name: "silence and stalls", says: "`timeout` after the time limit, before and during an answer", run: late},
		{name: "drip", says: "`timeout` for an answer of one byte per second", run: dripped},
		{name: "huge body", says: "`upstream`, in bounded memory", run: huge},
		{name: "truncated", says: "`upstream` for half an answer, whether the response ends or the connection breaks", run: truncated},
		{name: "not an answer", says: "`upstream` for text, an empty error, and a closed connection", run: notAnAnswer},
		{name: "broken UTF-8", says: "`upstream`", run: brokenUTF8},
		{name: "10,000 headers", says: "`upstream`", run: manyHeaders},
		{name: "HTML page", says: "`misconfigured` with 200 and 404, `upstream` with 502", run: htmlPage},
		{name: "redirect", says: "`misconfigured`; not followed", run: redirected},
		{name: "echo", says: "credentials in a response are removed", run: echoed},
		{name: "environment", says: "variables of SDKs and proxies have no effect", run: environment},
		{name: "unreachable", says: "`unreachable` if nothing listens", run: unreachable},
		{name: "blocked", says: "`blocked` if the egress policy refuses the address; the message names the setting", run: blocked},
	}
}

func success(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	result, _ := client.generate(t, false)
	checkSuccess(t, server, result)
	if result.FirstToken != 0 {
		t.Errorf("time to the first token is %v of an answer that was not streamed", result.FirstToken)
	}
	if n := len(server.Requests()); n != 1 {
		t.Errorf("the model was asked %d times", n)
	}
	warm, _ := client.generate(t, false)
	succeeded(t, warm)
	if warm.Timing.Connect != 0 || warm.Timing.TLS != 0 {
		t.Errorf("a warm connection took %+v to be made", warm.Timing)
	}
}

func checkSuccess(t *testing.T, server *providertest.Server, result provider.Result) {
	t.Helper()
	succeeded(t, result)
	if result.Response != providertest.Text {
		t.Errorf("response %q, want %q", result.Response, providertest.Text)
	}
	if result.FinishReason != "stop" {
		t.Errorf("finish reason %q", result.FinishReason)
	}
	if result.Usage == nil || result.Usage.InputTokens == 0 || result.Usage.OutputTokens == 0 {
		t.Errorf("usage %+v", result.Usage)
	}
	if len(result.Sent) == 0 {
		t.Error("nothing is said of what was sent")
	}
	if _, sent := result.Sent["temperature"]; sent {
		t.Error("a temperature was sent that nobody gave")
	}
	if result.RequestID == "" {
		t.Error("there is no request id")
	}
	if !strings.HasPrefix(result.Endpoint, server.URL+"/") || strings.Contains(result.Endpoint, "?") {
		t.Errorf("endpoint %q", result.Endpoint)
	}
	timing := result.Timing
	if result.Latency <= 0 || timing.Total != result.Latency || timing.FirstByte <= 0 || timing.FirstByte > timing.Total {
		t.Errorf("latency %v, timing %+v", result.Latency, timing)
	}
}

func streamed(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	result, deltas := client.generate(t, true)
	checkSuccess(t, server, result)
	if got := strings.Join(deltas, ""); got != providertest.Text || len(deltas) < 2 {
		t.Errorf("deltas %q", deltas)
	}
	if result.FirstToken <= 0 || result.FirstToken > result.Latency {
		t.Errorf("time to the first token %v, latency %v", result.FirstToken, result.Latency)
	}
}

func parameters(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	temperature := 0.25
	prompt := client.prompt()
	prompt.System, prompt.MaxOutputTokens, prompt.Temperature = "Be brief.", 321, &temperature
	result := client.Generate(t.Context(), prompt, nil)
	succeeded(t, result)
	body := string(server.Requests()[0].Body)
	for _, want := range []string{"Be brief.", "321", "0.25"} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is not in what was sent: %s", want, body)
		}
	}
	if !strings.Contains(fmt.Sprint(result.Sent), "321") || result.Sent["temperature"] != 0.25 {
		t.Errorf("sent %v", result.Sent)
	}
	if plain, _ := client.generate(t, false); plain.Failure != nil || strings.Contains(string(server.Requests()[1].Body), "temperature") {
		t.Errorf("a temperature was sent that nobody gave: %s", server.Requests()[1].Body)
	}
}

func emptyAnswer(t *testing.T, server *providertest.Server) {
	server.Use(providertest.EmptyAnswer)
	client := open(t, server)
	for _, stream := range []bool{false, true} {
		result, _ := client.generate(t, stream)
		succeeded(t, result)
		if result.Response != "" || result.FinishReason != "length" {
			t.Errorf("response %q, finish reason %q", result.Response, result.FinishReason)
		}
	}
}

func documented(t *testing.T, server *providertest.Server, mode providertest.Mode, kind provider.FailureKind) {
	server.Use(mode)
	client := open(t, server)
	for i, stream := range []bool{false, true} {
		result, deltas := client.generate(t, stream)
		f := failure(t, result, kind)
		if f.Hint == "" {
			t.Error("there is no hint")
		}
		if f.HTTPStatus == 0 || result.Endpoint == "" || result.RequestID == "" || result.Latency <= 0 {
			t.Errorf("status %d, endpoint %q, request id %q, latency %v", f.HTTPStatus, result.Endpoint, result.RequestID, result.Latency)
		}
		if kind == provider.Permission && f.OfProvider() != (mode == providertest.AccountPermission) {
			t.Errorf("of the provider: %v", f.OfProvider())
		}
		if len(deltas) > 0 {
			t.Errorf("deltas %q", deltas)
		}
		if n := len(server.Requests()); n != i+1 {
			t.Errorf("%d requests were sent: nothing is tried again", n)
		}
	}
}

func errorInStream(t *testing.T, server *providertest.Server) {
	server.Use(providertest.ErrorInStream)
	result, deltas := open(t, server).generate(t, true)
	f := failure(t, result, provider.UpstreamError)
	if len(deltas) == 0 {
		t.Error("the deltas before the error are lost")
	}
	if len(f.Message) < 10 {
		t.Errorf("message %q", f.Message)
	}
}

func discovery(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	d, err := client.Models(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !d.Supported || len(d.Models) == 0 || d.Truncated {
		t.Fatalf("discovery %+v", d)
	}
	for i, m := range d.Models {
		if m.ModelID == "" || m.DisplayName == "" {
			t.Errorf("model %+v", m)
		}
		if i > 0 && d.Models[i-1].ModelID >= m.ModelID {
			t.Errorf("%q comes before %q", d.Models[i-1].ModelID, m.ModelID)
		}
	}
	server.Use(providertest.Authentication)
	if _, err := client.Models(t.Context()); asFailure(t, err).Kind != provider.Authentication {
		t.Errorf("with wrong credentials: %v", err)
	}
	server.Use(providertest.Huge)
	if _, err := client.Models(t.Context()); asFailure(t, err).Kind != provider.UpstreamError {
		t.Errorf("of a huge list: %v", err)
	}
}

func checked(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	r := client.Check(t.Context())
	if r.Failure != nil || !r.Listed || !r.Proven || !strings.HasPrefix(r.Detail, "The provider accepts the credentials.") {
		t.Errorf("check %+v", r)
	}
	if r.Latency <= 0 || !strings.HasPrefix(r.Endpoint, server.URL+"/") {
		t.Errorf("latency %v, endpoint %q", r.Latency, r.Endpoint)
	}
	server.Use(providertest.Authentication)
	if r := client.Check(t.Context()); r.Failure == nil || r.Failure.Kind != provider.Authentication || r.Proven || r.Listed || r.Detail != "" || r.Endpoint == "" {
		t.Errorf("with wrong credentials: %+v", r)
	}
	server.Use(providertest.Permission)
	if r := client.Check(t.Context()); r.Failure != nil || r.Proven || r.Listed || !strings.Contains(r.Detail, "not checked") {
		t.Errorf("without permission to list: %+v", r)
	}
	server.Use(providertest.EchoError)
	checkSilent(t, server, string(encode(t, client.Check(t.Context()))), "check")
}

func asFailure(t testing.TB, err error) *provider.Failure {
	t.Helper()
	var f *provider.Failure
	if !errors.As(err, &f) {
		t.Fatalf("error %v is no *Failure", err)
	}
	return f
}
