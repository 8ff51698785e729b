package provider_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"modelproviders/pkg/egress"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// scenarios are the rows of docs/providers.md.
func scenarios() []scenario {
	return slices.Concat(answers(), refusals(), others())
}

func answers() []scenario {
	return []scenario{
		{name: "success", says: "the text, usage, what was sent, timings, request id and the URL that was called", run: success},
		{name: "stream", says: "deltas as they come, then the same result", run: streamed},
		{name: "system, limit and temperature", says: "are sent when given; no temperature otherwise", run: parameters},
		{name: "empty answer", says: "an answer cut off before its first word is a success that says so", mode: providertest.EmptyAnswer, run: emptyAnswer},
		{name: "discovery", says: "the list of models, in order", run: discovery},
		{name: "cancel", says: "ends the upstream call", run: cancelled},
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
		says := "`" + string(e.kind) + "`, in the provider's words, with a hint"
		if e.mode == providertest.AccountPermission {
			says += "; it is about the whole account"
		}
		list = append(list, scenario{
			name: string(e.mode), says: says, mode: e.mode,
			run: func(t *testing.T, server *providertest.Server) { documented(t, server, e.mode, e.kind) },
		})
	}
	return append(list, scenario{
		name: "error in stream", says: "`upstream`, after the deltas that came", mode: providertest.ErrorInStream, run: errorInStream,
	})
}

func others() []scenario {
	return []scenario{
		{name: "silence and stalls", says: "`timeout` when the time is up, before an answer and in the middle of one", run: late},
		{name: "drip", says: "`timeout`, for an answer of a byte a second", run: dripped},
		{name: "huge body", says: "`upstream`, in bounded memory", run: huge},
		{name: "truncated", says: "`upstream`, for half an answer, ended or broken off", run: truncated},
		{name: "not an answer", says: "`upstream`, for text, an empty error, a closed connection", run: notAnAnswer},
		{name: "broken UTF-8", says: "`upstream`", run: brokenUTF8},
		{name: "10,000 headers", says: "`upstream`", run: manyHeaders},
		{name: "HTML page", says: "`misconfigured` with 200 and 404, `upstream` with 502", run: htmlPage},
		{name: "redirect", says: "`misconfigured`; not followed", run: redirected},
		{name: "echo", says: "an upstream that says the credentials reveals nothing", run: echoed},
		{name: "environment", says: "variables of the SDKs and proxies lead nowhere", run: environment},
		{name: "unreachable", says: "`unreachable` when nothing listens", run: unreachable},
		{name: "blocked", says: "`blocked` when the egress policy refuses; the message names the setting", run: blocked},
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
		if kind == provider.Permission && f.Account != (mode == providertest.AccountPermission) {
			t.Errorf("account is %v", f.Account)
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

func asFailure(t testing.TB, err error) *provider.Failure {
	t.Helper()
	var f *provider.Failure
	if !errors.As(err, &f) {
		t.Fatalf("error %v is no *Failure", err)
	}
	return f
}

func cancelled(t *testing.T, server *providertest.Server) {
	server.Use(providertest.Stall)
	client := open(t, server)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	result := client.Generate(ctx, client.prompt(), func(string) { cancel() })
	failed(t, result, provider.Timeout)
	waitLeft(t, server)
}

// waitLeft waits until the server has seen its client go away.
func waitLeft(t *testing.T, server *providertest.Server) {
	t.Helper()
	select {
	case <-server.Left():
	case <-time.After(30 * time.Second):
		t.Error("the upstream call goes on")
	}
}

// warm makes the connection, so that a short deadline is not spent on that.
func warm(t *testing.T, client opened) {
	t.Helper()
	result, _ := client.generate(t, false)
	succeeded(t, result)
}

func late(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	for _, mode := range []providertest.Mode{providertest.Silent, providertest.Stall} {
		for _, stream := range []bool{false, true} {
			runLate(t, client, mode, stream)
		}
	}
}

func runLate(t *testing.T, client opened, mode providertest.Mode, stream bool) {
	t.Helper()
	client.server.Use(providertest.Success)
	warm(t, client)
	client.server.Use(mode)
	ctx := newDeadline(t.Context())
	defer time.AfterFunc(time.Minute, ctx.expire).Stop()
	var emit func(string)
	said := false
	if stream {
		emit = func(string) { said = true; ctx.expire() }
	}
	if mode != providertest.Stall || !stream { // else the first delta comes, and ends it
		go expireOnRequest(ctx, client.server, len(client.server.Requests()))
	}
	failed(t, client.Generate(ctx, client.prompt(), emit), provider.Timeout)
	if mode == providertest.Stall && stream && !said {
		t.Error("the deltas before the stall are lost")
	}
	waitLeft(t, client.server)
}

// deadline is a context whose deadline passes when the test says so.
type deadline struct {
	context.Context
	passed chan struct{}
	expire func()
}

func newDeadline(parent context.Context) deadline {
	passed := make(chan struct{})
	return deadline{Context: parent, passed: passed, expire: sync.OnceFunc(func() { close(passed) })}
}

func (d deadline) Done() <-chan struct{} { return d.passed }

func (d deadline) Err() error {
	select {
	case <-d.passed:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// expireOnRequest lets the deadline pass when the server has got more than n
// requests, and a while to answer.
func expireOnRequest(d deadline, server *providertest.Server, n int) {
	for len(server.Requests()) <= n {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	d.expire()
}

func dripped(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	runLate(t, client, providertest.Drip, false)
	runLate(t, client, providertest.Drip, true)
}

func huge(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	for _, stream := range []bool{false, true} {
		server.Use(providertest.Success)
		warm(t, client)
		server.Use(providertest.Huge)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		result, _ := client.generate(t, stream)
		runtime.ReadMemStats(&after)
		failed(t, result, provider.UpstreamError)
		// All that was ever allocated, by the fake too; what is in use at one
		// time is less than 32 MiB.
		if used := after.TotalAlloc - before.TotalAlloc; used > 48<<20 {
			t.Errorf("%d MiB were allocated (streamed: %v)", used>>20, stream)
		}
		waitLeft(t, server)
	}
}

func truncated(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	for _, mode := range []providertest.Mode{providertest.Truncated, providertest.CloseMidBody} {
		server.Use(mode)
		for _, stream := range []bool{false, true} {
			result, _ := client.generate(t, stream)
			failed(t, result, provider.UpstreamError)
		}
	}
}

func notAnAnswer(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	for _, mode := range []providertest.Mode{providertest.NotJSON, providertest.PlainError, providertest.EmptyError, providertest.ServerClosing} {
		for _, stream := range []bool{false, true} {
			server.Use(providertest.Success)
			warm(t, client)
			server.Use(mode)
			result, _ := client.generate(t, stream)
			f := failure(t, result, provider.UpstreamError)
			if mode == providertest.PlainError && !strings.Contains(f.Message, "upstream connect error") {
				t.Errorf("message %q", f.Message)
			}
		}
	}
}

func brokenUTF8(t *testing.T, server *providertest.Server) {
	server.Use(providertest.BrokenUTF8)
	client := open(t, server)
	for _, stream := range []bool{false, true} {
		result, _ := client.generate(t, stream)
		failed(t, result, provider.UpstreamError)
	}
}

func manyHeaders(t *testing.T, server *providertest.Server) {
	server.Use(providertest.ManyHeaders)
	result, _ := open(t, server).generate(t, false)
	failed(t, result, provider.UpstreamError)
}

func htmlPage(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	for mode, kind := range map[providertest.Mode]provider.FailureKind{
		providertest.HTML:         provider.Misconfigured,
		providertest.HTMLNotFound: provider.Misconfigured,
		providertest.HTMLBadGate:  provider.UpstreamError,
	} {
		server.Use(mode)
		for _, stream := range []bool{false, true} {
			result, _ := client.generate(t, stream)
			f := failure(t, result, kind)
			if !strings.Contains(f.Message, "HTML page") || !strings.Contains(f.Message, "Welcome to nginx!") || strings.Contains(f.Message, "<") {
				t.Errorf("message %q", f.Message)
			}
			if f.Hint == "" {
				t.Error("there is no hint")
			}
		}
	}
}

func redirected(t *testing.T, server *providertest.Server) {
	var stolen atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Add(1) }))
	defer thief.Close()
	server.RedirectTo(thief.URL)
	server.Use(providertest.Redirect)
	client := open(t, server)
	for _, stream := range []bool{false, true} {
		result, _ := client.generate(t, stream)
		f := failure(t, result, provider.Misconfigured)
		if !strings.Contains(f.Message, thief.URL) || strings.Contains(f.Message, "code=1") {
			t.Errorf("message %q", f.Message)
		}
	}
	if _, err := client.Models(t.Context()); asFailure(t, err).Kind != provider.Misconfigured {
		t.Errorf("discovery: %v", err)
	}
	if stolen.Load() > 0 {
		t.Error("the redirect was followed")
	}
}

func echoed(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	server.Use(providertest.Echo)
	for _, stream := range []bool{false, true} {
		result, deltas := client.generate(t, stream)
		succeeded(t, result)
		checkSilent(t, server, result.Response, "response")
		checkSilent(t, server, strings.Join(deltas, ""), "deltas")
		if !strings.HasPrefix(result.Response, "Here they are: [••••]") || !strings.HasSuffix(result.Response, "that is all.") {
			t.Errorf("response %.200q", result.Response)
		}
		if stream && strings.Join(deltas, "") != result.Response {
			t.Error("the deltas are not the response")
		}
	}
	server.Use(providertest.EchoError)
	result, _ := client.generate(t, false)
	failed(t, result, provider.Authentication)
	all, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	checkSilent(t, server, string(all), "failure")
	if !strings.Contains(string(all), "••••") {
		t.Errorf("nothing was cut out of %s", all)
	}
	_, err = client.Models(t.Context())
	all = encode(t, asFailure(t, err))
	checkSilent(t, server, string(all), "discovery")
}

// checkSilent checks that no credential can be read in a text.
func checkSilent(t *testing.T, server *providertest.Server, text, where string) {
	t.Helper()
	for _, secret := range server.Secrets() {
		for _, form := range providertest.Disguises(secret) {
			if strings.Contains(text, form) {
				t.Errorf("the %s has a credential as %.80q", where, form)
			}
		}
	}
}

// environment sets every variable by which an SDK can be led astray.
func environment(t *testing.T, server *providertest.Server) {
	var seen atomic.Int64
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	defer trap.Close()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	aws := write("aws", "[default]\nregion=eu-west-3\nendpoint_url="+trap.URL+"\naws_access_key_id=AKIATRAP\naws_secret_access_key=trap\n[profile trap]\nendpoint_url="+trap.URL+"\n")
	google := write("google.json", `{"type":"authorized_user","client_id":"trap","client_secret":"trap","refresh_token":"trap","token_uri":"`+trap.URL+`"}`)
	for name, value := range map[string]string{
		"OPENAI_API_KEY": "sk-trap", "OPENAI_BASE_URL": trap.URL, "OPENAI_ORG_ID": "org-trap", "OPENAI_PROJECT_ID": "proj-trap",
		"OPENAI_ADMIN_KEY": "sk-admin-trap", "OPENAI_CUSTOM_HEADERS": "OpenAI-Organization: trap", "OPENAI_LOG": "debug",
		"AZURE_OPENAI_API_KEY": "trap", "AZURE_OPENAI_ENDPOINT": trap.URL,
		"ANTHROPIC_API_KEY": "sk-ant-trap", "ANTHROPIC_AUTH_TOKEN": "trap", "ANTHROPIC_BASE_URL": trap.URL, "ANTHROPIC_CUSTOM_HEADERS": "X-Trap: 1", "ANTHROPIC_LOG": "debug",
		"AWS_ACCESS_KEY_ID": "AKIATRAP", "AWS_SECRET_ACCESS_KEY": "trap", "AWS_SESSION_TOKEN": "trap", "AWS_BEARER_TOKEN_BEDROCK": "trap",
		"AWS_PROFILE": "trap", "AWS_CONFIG_FILE": aws, "AWS_SHARED_CREDENTIALS_FILE": aws, "AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "eu-west-3",
		"AWS_ENDPOINT_URL": trap.URL, "AWS_ENDPOINT_URL_BEDROCK": trap.URL, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": trap.URL,
		"AWS_EC2_METADATA_SERVICE_ENDPOINT": trap.URL, "AWS_CONTAINER_CREDENTIALS_FULL_URI": trap.URL, "AWS_USE_FIPS_ENDPOINT": "true",
		"AWS_LAMBDA_FUNCTION_NAME": "trap", "_X_AMZN_TRACE_ID": "Root=1-trap", "AWS_WEB_IDENTITY_TOKEN_FILE": google, "AWS_ROLE_ARN": "arn:aws:iam::1:role/trap",
		"GOOGLE_APPLICATION_CREDENTIALS": google, "GOOGLE_API_KEY": "trap", "GOOGLE_CLOUD_PROJECT": "trap", "GOOGLE_CLOUD_QUOTA_PROJECT": "trap",
		"GCE_METADATA_HOST": strings.TrimPrefix(trap.URL, "http://"), "GEMINI_API_KEY": "trap", "CLOUD_ML_REGION": "europe-west9",
		"HTTP_PROXY": trap.URL, "HTTPS_PROXY": trap.URL, "ALL_PROXY": trap.URL, "http_proxy": trap.URL, "https_proxy": trap.URL, "NO_PROXY": "",
		"SSL_CERT_FILE": google,
	} {
		t.Setenv(name, value)
	}
	client := open(t, server)
	for _, stream := range []bool{false, true} {
		result, _ := client.generate(t, stream)
		checkSuccess(t, server, result)
	}
	if _, err := client.Models(t.Context()); err != nil {
		t.Error(err)
	}
	for _, r := range server.Requests() {
		if text := fmt.Sprint(r.Header, r.Query, string(r.Body)); strings.Contains(strings.ToLower(text), "trap") {
			t.Errorf("something of the environment was sent: %s", text)
		}
	}
	if seen.Load() > 0 {
		t.Error("the environment led a request astray")
	}
	if sent, came := client.sent.Load(), int64(len(server.Requests())); sent < came {
		t.Errorf("%d requests came, %d went through the guarded transport", came, sent)
	}
}

func unreachable(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	server.Stop()
	result, _ := client.generate(t, false)
	f := failure(t, result, provider.Unreachable)
	if f.HTTPStatus != 0 || f.Hint == "" || !strings.Contains(f.Message, "refused the connection") {
		t.Errorf("failure %+v", f)
	}
	if strings.Contains(f.Message, "Post ") || strings.Contains(f.Message, "api-version") {
		t.Errorf("message %q", f.Message)
	}
}

func blocked(t *testing.T, server *providertest.Server) {
	client := openWith(t, server, func(o *provider.OpenOptions) { o.Transport = guarded(t, egress.Config{RootCAs: server.RootCAs}) })
	result, _ := client.generate(t, false)
	f := failure(t, result, provider.Blocked)
	if f.HTTPStatus != 0 || f.Hint == "" || !strings.Contains(f.Message, "MODELPROVIDERS_ALLOW_UPSTREAMS") {
		t.Errorf("failure %+v", f)
	}
	if _, err := client.Models(t.Context()); asFailure(t, err).Kind != provider.Blocked {
		t.Errorf("discovery: %v", err)
	}
	if n := len(server.Requests()); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
}
