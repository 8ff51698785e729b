package provider_test

import (
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"modelproviders/pkg/egress"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// opened is a client that talks to a fake the way the program makes it: over
// the guarded transport, with settings that were read.
type opened struct {
	provider.Client
	server *providertest.Server
	sent   *atomic.Int64 // requests through the transport
}

// open opens a client for a served fake. Change alters config.
func open(t testing.TB, server *providertest.Server, change ...map[string]any) opened {
	t.Helper()
	return openWith(t, server, nil, change...)
}

// openWith is open with secrets to redact beside the client's own.
func openWith(t testing.TB, server *providertest.Server, opts func(*provider.OpenOptions), change ...map[string]any) opened {
	t.Helper()
	typ, ok := provider.Lookup(server.Type)
	if !ok {
		t.Fatalf("there is no type %q", server.Type)
	}
	config := map[string]any{}
	for _, m := range append([]map[string]any{server.Config}, change...) {
		for name, value := range m {
			config[name] = value
		}
	}
	settings, faults := read(t, typ, encode(t, server.Credentials), encode(t, config), provider.Stored{})
	if len(faults) > 0 {
		t.Fatalf("settings of the fake are refused: %+v", faults)
	}
	endpoints, err := provider.ParseEndpoints(server.ProviderEndpoints())
	if err != nil {
		t.Fatal(err)
	}
	guard, err := egress.New(egress.Config{Allow: []string{server.Host()}, RootCAs: server.RootCAs})
	if err != nil {
		t.Fatal(err)
	}
	o := opened{server: server, sent: new(atomic.Int64)}
	options := provider.OpenOptions{Transport: counting{guard.Transport(endpoints.Origins(server.Type)...), o.sent}, Endpoints: endpoints}
	if opts != nil {
		opts(&options)
	}
	o.Client, err = typ.Open(settings.Credentials, settings.Config, options)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// counting counts the requests that go through a transport.
type counting struct {
	http.RoundTripper
	sent *atomic.Int64
}

func (c counting) RoundTrip(req *http.Request) (*http.Response, error) {
	c.sent.Add(1)
	return c.RoundTripper.RoundTrip(req)
}

// prompt is a prompt to the fake's model.
func (o opened) prompt() provider.Prompt {
	return provider.Prompt{ModelID: o.server.ModelID, Text: "Say hello."}
}

// generate sends a prompt, for a minute at most, and collects the deltas.
func (o opened) generate(t testing.TB, streamed bool) (provider.Result, []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return o.generateIn(ctx, streamed)
}

func (o opened) generateIn(ctx context.Context, streamed bool) (provider.Result, []string) {
	if !streamed {
		return o.Generate(ctx, o.prompt(), nil), nil
	}
	var deltas []string
	result := o.Generate(ctx, o.prompt(), func(text string) { deltas = append(deltas, text) })
	return result, deltas
}

// failure asserts that a result is a failure of a kind, and returns it.
func failure(t testing.TB, result provider.Result, kind provider.FailureKind) *provider.Failure {
	t.Helper()
	if result.Failure == nil {
		t.Fatalf("succeeded with %q, want a failure of kind %s", result.Response, kind)
	}
	if result.Failure.Kind != kind {
		t.Fatalf("kind is %s, want %s: %+v", result.Failure.Kind, kind, result.Failure)
	}
	if result.Failure.Message == "" {
		t.Errorf("a failure of kind %s has no message", kind)
	}
	if result.Response != "" {
		t.Errorf("a failure has a response: %q", result.Response)
	}
	return result.Failure
}

// failed asserts that a result is a failure of a kind.
func failed(t testing.TB, result provider.Result, kind provider.FailureKind) {
	t.Helper()
	_ = failure(t, result, kind)
}

// succeeded asserts that a result is a success.
func succeeded(t testing.TB, result provider.Result) {
	t.Helper()
	if result.Failure != nil {
		t.Fatalf("failed: %+v (endpoint %s)", *result.Failure, result.Endpoint)
	}
}

func encode(t testing.TB, value any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
