//go:build live

package provider_test

import (
	"context"
	"encoding/json"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"modelproviders/pkg/egress"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// liveSettings is what the variable MODELPROVIDERS_LIVE_<TYPE> holds: settings
// of a real account, as a request writes them, and a chat model of it.
type liveSettings struct {
	Credentials map[string]any `json:"credentials"`
	Config      map[string]any `json:"config"`
	ModelID     string         `json:"model_id"`
	Endpoint    string         `json:"endpoint"` // the operator's own; empty for the public one
}

// TestLive calls the real upstream of each type whose variable is set. It sends
// about ten short prompts, which may cost money.
func TestLive(t *testing.T) {
	for _, typ := range provider.Types() {
		t.Run(typ.Name(), func(t *testing.T) {
			variable := "MODELPROVIDERS_LIVE_" + strings.ToUpper(typ.Name())
			value := os.Getenv(variable)
			if value == "" {
				t.Skip("set " + variable + ` to {"credentials":{},"config":{},"model_id":"…","endpoint":"…"}`)
			}
			var live liveSettings
			d := json.NewDecoder(strings.NewReader(value))
			d.DisallowUnknownFields()
			if err := d.Decode(&live); err != nil {
				t.Fatalf("%s: %v", variable, err)
			}
			if live.ModelID == "" {
				t.Fatalf("%s has no model_id", variable)
			}
			client := live.open(t, typ, live.Credentials)
			t.Run("success", func(t *testing.T) { liveSuccess(t, client, live) })
			t.Run("stream", func(t *testing.T) { liveStream(t, client, live) })
			t.Run("system and limit", func(t *testing.T) { liveLimit(t, client, live) })
			t.Run("tool", func(t *testing.T) { liveTool(t, client, live) })
			t.Run("schema", func(t *testing.T) { liveSchema(t, client, live) })
			t.Run("wrong model", func(t *testing.T) { liveWrongModel(t, client, typ) })
			t.Run("wrong key", func(t *testing.T) { liveWrongKey(t, typ, live) })
			t.Run("discovery", func(t *testing.T) { liveDiscovery(t, client, live) })
			t.Run("cancel", func(t *testing.T) { liveCancel(t, client, live) })
		})
	}
}

// open opens a client as the program does. The host of the base URL may be any,
// for who runs the test has named it.
func (l liveSettings) open(t *testing.T, typ *provider.Type, credentials map[string]any) provider.Client {
	t.Helper()
	settings, faults := read(t, typ, encode(t, credentials), encode(t, l.Config), provider.Stored{})
	if len(faults) > 0 {
		t.Fatalf("the settings are refused: %+v", faults)
	}
	var list string
	if l.Endpoint != "" {
		list = typ.Name() + "=" + l.Endpoint
	}
	endpoints, err := provider.ParseEndpoints(list)
	if err != nil {
		t.Fatal(err)
	}
	var allow []string
	if u, err := url.Parse(typ.Origin(settings.Config)); err == nil && u.Host != "" {
		allow = []string{u.Host}
	}
	guard, err := egress.New(egress.Config{Allow: allow})
	if err != nil {
		t.Fatal(err)
	}
	return openAt(t, typ, settings, endpoints, guard)
}

// liveContext bounds one call: a model may have to be loaded first.
func liveContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// answered asserts that a result is an answer, and shows it. A model that only
// reasons has answered too, with a warning.
func answered(t *testing.T, result provider.Result) {
	t.Helper()
	succeeded(t, result)
	warned := slices.ContainsFunc(result.Warnings, func(w provider.Warning) bool {
		return w.Code == provider.ReasoningOnly || w.Code == provider.TokenLimit
	})
	if result.Response == "" && !warned {
		t.Error("the response is empty, and no warning says why")
	}
	if result.Latency <= 0 {
		t.Error("the latency is missing")
	}
	t.Logf("%q from %s in %v, ended by %q; usage %+v, sent %v, warnings %+v, request %q to %s", result.Response, result.Model,
		result.Latency, result.FinishReason, result.Usage, result.Sent, result.Warnings, result.RequestID, result.Endpoint)
}

func liveSuccess(t *testing.T, client provider.Client, live liveSettings) {
	answered(t, client.Generate(liveContext(t), provider.Prompt{ModelID: live.ModelID, Text: "Say hello in one short sentence."}, nil))
}

// liveTool forces a call of a tool. A model that cannot call tools has to be told apart.
func liveTool(t *testing.T, client provider.Client, live liveSettings) {
	for name, onDelta := range map[string]func(string){"whole": nil, "stream": func(string) {}} {
		prompt := provider.Prompt{ModelID: live.ModelID, Text: "What is the weather in Paris?", Tool: weatherTool()}
		result := client.Generate(liveContext(t), prompt, onDelta)
		if result.Failure != nil && result.Failure.Unsupported {
			t.Logf("%s: the model cannot call tools: %s", name, result.Failure.Message)
			continue
		}
		succeeded(t, result)
		t.Logf("%s: sent %v, calls %v, text %q", name, result.Sent, result.ToolCalls, result.Response)
		for _, call := range result.ToolCalls {
			var arguments struct{ City string }
			if err := json.Unmarshal(call.Arguments, &arguments); err != nil || call.Name != "get_weather" || arguments.City == "" {
				t.Errorf("%s: %s %s, %v", name, call.Name, call.Arguments, err)
			}
		}
	}
}

// liveSchema asks for JSON. A server without structured output may answer with other text.
func liveSchema(t *testing.T, client provider.Client, live liveSettings) {
	for name, onDelta := range map[string]func(string){"whole": nil, "stream": func(string) {}} {
		prompt := provider.Prompt{ModelID: live.ModelID, Text: "Plan a walk as JSON: {\"steps\": [\"…\"]}", Output: planSchema()}
		result := client.Generate(liveContext(t), prompt, onDelta)
		succeeded(t, result)
		t.Logf("%s: sent %v, text %q", name, result.Sent, result.Response)
	}
}

func liveStream(t *testing.T, client provider.Client, live liveSettings) {
	var deltas []string
	result := client.Generate(liveContext(t), provider.Prompt{ModelID: live.ModelID, Text: "Count from 1 to 20, with spaces between."},
		func(text string) { deltas = append(deltas, text) })
	answered(t, result)
	if strings.Join(deltas, "") != result.Response {
		t.Errorf("the response is %q, and its deltas are %q", result.Response, deltas)
	}
	if len(deltas) > 0 && (result.FirstToken <= 0 || result.FirstToken > result.Latency) {
		t.Errorf("the first delta came after %v of %v", result.FirstToken, result.Latency)
	}
	t.Logf("%d deltas, the first after %v", len(deltas), result.FirstToken)
}

// liveLimit asks for far more text than the limit allows.
func liveLimit(t *testing.T, client provider.Client, live liveSettings) {
	result := client.Generate(liveContext(t), provider.Prompt{
		ModelID: live.ModelID, System: "You count in words, and never leave a number out.", Text: "Count from one to three hundred.", MaxOutputTokens: 16,
	}, nil)
	answered(t, result)
	if result.FinishReason != "length" {
		t.Errorf("the answer ended by %q, want length", result.FinishReason)
	}
}

func liveWrongModel(t *testing.T, client provider.Client, typ *provider.Type) {
	result := client.Generate(liveContext(t), provider.Prompt{ModelID: "no-such-model-0123456789", Text: "Hello."}, nil)
	if result.Failure == nil && typ.Name() == "custom" {
		t.Skip("the server answers whatever model is named")
	}
	if result.Failure == nil {
		t.Fatal("a model that does not exist answered")
	}
	t.Logf("%+v", *result.Failure)
	// Where permissions are given for single models, an unknown one is not
	// among them.
	if result.Failure.Kind != provider.Permission {
		failed(t, result, provider.ModelNotFound)
	}
	if result.Failure.OfProvider() {
		t.Error("the whole provider is blamed for one model")
	}
}

func liveWrongKey(t *testing.T, typ *provider.Type, live liveSettings) {
	wrong := map[string]any{}
	for name, value := range live.Credentials {
		wrong[name] = value
	}
	for _, name := range []string{"api_key", "secret_access_key", "service_account_json"} {
		if key, ok := live.Credentials[name].(string); ok && key != "" {
			wrong[name] = wrongKey(t, name, key)
			result := live.open(t, typ, wrong).Generate(liveContext(t), provider.Prompt{ModelID: live.ModelID, Text: "Hello."}, nil)
			if result.Failure == nil && typ.Name() == "custom" {
				t.Skip("the server takes any key")
			}
			f := failure(t, result, provider.Authentication)
			if strings.Contains(f.Message+f.Hint, wrong[name].(string)) {
				t.Error("the failure tells the key")
			}
			t.Logf("%+v", *f)
			return
		}
	}
	t.Skip("there is no key")
}

// wrongKey is a key of the form of another: with another second half, or the
// same key file with the private key of nobody.
func wrongKey(t *testing.T, name, key string) string {
	t.Helper()
	if name != "service_account_json" {
		return key[:len(key)/2] + strings.Repeat("0", len(key)-len(key)/2)
	}
	var file, other map[string]any
	credentials, _ := providertest.GCPVertexAI().Settings("")
	if json.Unmarshal([]byte(key), &file) != nil || json.Unmarshal([]byte(credentials[name].(string)), &other) != nil {
		t.Fatal("the key file is not JSON")
	}
	file["private_key"] = other["private_key"]
	return string(encode(t, file))
}

func liveDiscovery(t *testing.T, client provider.Client, live liveSettings) {
	d, err := client.Models(liveContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if !d.Supported {
		t.Skip("the upstream has no list of models")
	}
	ids := make([]string, 0, len(d.Models))
	for _, m := range d.Models {
		if m.ModelID == "" || m.DisplayName == "" {
			t.Errorf("model %+v has no name", m)
		}
		ids = append(ids, m.ModelID)
	}
	if !slices.IsSorted(ids) {
		t.Error("the models are not in order")
	}
	t.Logf("%d models (more: %v), %q among them: %v", len(ids), d.Truncated, live.ModelID, slices.Contains(ids, live.ModelID))
}

// liveCancel leaves a long answer at its first delta.
func liveCancel(t *testing.T, client provider.Client, live liveSettings) {
	ctx, cancel := context.WithCancel(liveContext(t))
	defer cancel()
	var left time.Time
	result := client.Generate(ctx, provider.Prompt{ModelID: live.ModelID, Text: "Count from one to three hundred, in words."}, func(string) {
		if left.IsZero() {
			left = time.Now()
			cancel()
		}
	})
	if left.IsZero() {
		succeeded(t, result)
		t.Skip("the answer came without a delta")
	}
	if took := time.Since(left); took > 5*time.Second {
		t.Errorf("the call went on for %v", took)
	}
	failed(t, result, provider.Timeout)
}
