package provider_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// tools are the scenarios of prompts with a tool or a schema.
func tools() []scenario {
	return []scenario{
		{name: "tool call", says: "the tool is offered and forced; the result has its name and arguments", run: toolCall},
		{name: "unexpected tool calls", says: "text, wrong arguments, another tool, two calls and arguments of another type are successes, which the caller judges", run: oddToolCalls},
		{name: "incomplete tool call", says: "a success with `finish_reason` `length` if the output limit cuts it off, `upstream` if the response breaks off", run: incompleteToolCall},
		{name: "schema", says: "the response is the JSON that the model wrote", run: schema},
		{name: "no tools", says: "`invalid_request`, with the provider's message; concerns the tools", mode: providertest.NoTools, run: noTools},
		{name: "no tool choice", says: "the prompt is sent again without it", mode: providertest.NoToolChoice, run: noToolChoice},
		{name: "no schema", says: "the prompt is sent again without it", mode: providertest.NoSchema, run: noSchema},
		{name: "errors of a prompt with a tool", says: "the same as without a tool", run: toolErrors},
		{name: "echo in a tool call", says: "credentials in arguments are removed", run: echoedInToolCall},
	}
}

// ask sends a prompt with a tool or a schema, and collects the deltas.
func (o opened) ask(t testing.TB, tool *provider.Tool, output *provider.Schema, streamed bool) (provider.Result, []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	prompt := o.prompt()
	prompt.Tool, prompt.Output = tool, output
	var deltas []string
	if !streamed {
		return o.Generate(ctx, prompt, nil), nil
	}
	return o.Generate(ctx, prompt, func(text string) { deltas = append(deltas, text) }), deltas
}

// callTool sends a prompt with the tool get_weather.
func (o opened) callTool(t testing.TB, streamed bool) (provider.Result, []string) {
	t.Helper()
	return o.ask(t, weatherTool(), nil, streamed)
}

const rightCall = `get_weather ` + providertest.Arguments

func toolCall(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	for _, stream := range []bool{false, true} {
		result, deltas := client.callTool(t, stream)
		succeeded(t, result)
		checkToolCalls(t, result, rightCall)
		if result.Response != "" || len(deltas) > 0 || len(result.Warnings) > 0 {
			t.Errorf("response %q, deltas %q, warnings %v", result.Response, deltas, result.Warnings)
		}
		if result.Usage == nil || result.RequestID == "" || result.Model == "" {
			t.Errorf("usage %v, request id %q, model %q", result.Usage, result.RequestID, result.Model)
		}
	}
	if n := len(server.Requests()); n != 2 {
		t.Errorf("%d requests", n)
	}
	plain, _ := client.generate(t, false)
	checkSuccess(t, server, plain)
	if body := string(server.Requests()[2].Body); strings.Contains(strings.ToLower(body), "tool") {
		t.Errorf("a prompt without a tool was sent as %s", body)
	}
}

func oddToolCalls(t *testing.T, server *providertest.Server) {
	for mode, want := range map[providertest.Mode][]string{
		providertest.Prose:            nil,
		providertest.WrongArguments:   {`get_weather {"unexpected":1}`},
		providertest.OtherTool:        {`other_tool ` + providertest.Arguments},
		providertest.TwoCalls:         {rightCall, rightCall},
		providertest.RetypedArguments: {rightCall},
	} {
		server.Use(mode)
		client := open(t, server)
		for _, stream := range []bool{false, true} {
			result, deltas := client.callTool(t, stream)
			succeeded(t, result)
			checkToolCalls(t, result, want...)
			text := ""
			if mode == providertest.Prose {
				text = providertest.Text
			}
			if result.Response != text || stream && strings.Join(deltas, "") != text {
				t.Errorf("%s: response %q, deltas %q", mode, result.Response, deltas)
			}
		}
	}
}

func incompleteToolCall(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	for _, stream := range []bool{false, true} {
		server.Use(providertest.CutOff)
		result, _ := client.callTool(t, stream)
		succeeded(t, result)
		if result.FinishReason != "length" || !cmp.Equal(warned(result), []provider.WarningCode{provider.TokenLimit}) {
			t.Errorf("finish reason %q, warnings %v", result.FinishReason, result.Warnings)
		}
		for _, mode := range []providertest.Mode{providertest.Truncated, providertest.CloseMidBody} {
			server.Use(mode)
			result, _ := client.callTool(t, stream)
			if failed(t, result, provider.UpstreamError); len(result.ToolCalls) > 0 {
				t.Errorf("%s: a failure has calls: %v", mode, result.ToolCalls)
			}
		}
	}
}

const plan = `{"steps":["Ask.","Wait."]}`

func schema(t *testing.T, server *providertest.Server) {
	server.Say(plan)
	client := open(t, server)
	for _, stream := range []bool{false, true} {
		result, deltas := client.ask(t, nil, planSchema(), stream)
		succeeded(t, result)
		if result.Response != plan || stream && strings.Join(deltas, "") != plan || len(result.ToolCalls) > 0 {
			t.Errorf("response %q, deltas %q, calls %v", result.Response, deltas, result.ToolCalls)
		}
	}
	if n := len(server.Requests()); n != 2 {
		t.Errorf("%d requests", n)
	}
}

func noTools(t *testing.T, server *providertest.Server) {
	server.Use(providertest.NoTools)
	client := open(t, server)
	for _, stream := range []bool{false, true} {
		result, _ := client.callTool(t, stream)
		f := failure(t, result, provider.InvalidRequest)
		if !f.Unsupported || f.OfProvider() || f.Hint == "" || !strings.Contains(strings.ToLower(f.Message), "tool") {
			t.Errorf("failure %+v", f)
		}
		plain, _ := client.generate(t, stream)
		succeeded(t, plain)
	}
}

func noToolChoice(t *testing.T, server *providertest.Server) {
	server.Use(providertest.NoToolChoice)
	client := open(t, server)
	for i, stream := range []bool{false, true} {
		result, _ := client.callTool(t, stream)
		succeeded(t, result)
		checkToolCalls(t, result, rightCall)
		if n := len(server.Requests()); n != 2*(i+1) {
			t.Errorf("%d requests", n)
		}
	}
}

func noSchema(t *testing.T, server *providertest.Server) {
	server.Say(plan)
	server.Use(providertest.NoSchema)
	client := open(t, server)
	for i, stream := range []bool{false, true} {
		result, _ := client.ask(t, nil, planSchema(), stream)
		succeeded(t, result)
		if result.Response != plan {
			t.Errorf("response %q", result.Response)
		}
		if n := len(server.Requests()); n != 2*(i+1) {
			t.Errorf("%d requests", n)
		}
	}
}

// toolErrors compares what is said of each error of the service with a tool and without.
func toolErrors(t *testing.T, server *providertest.Server) {
	client := open(t, server)
	own := []providertest.Mode{
		providertest.Authentication, providertest.Permission, providertest.AccountPermission, providertest.QuotaExceeded,
		providertest.RateLimited, providertest.ModelNotFound, providertest.InvalidRequest, providertest.ContentFiltered,
		providertest.Refused, providertest.Overloaded, providertest.ErrorInSuccess, providertest.ErrorInStream, providertest.EmptyAnswer,
	}
	own = slices.DeleteFunc(own, func(mode providertest.Mode) bool { return !knows(server.Fake, mode) })
	for _, mode := range append(own, providertest.PlainError, providertest.HTML, providertest.ServerClosing, providertest.NotJSON) {
		server.Use(mode)
		for _, stream := range []bool{false, true} {
			if mode == providertest.ErrorInStream && !stream {
				continue
			}
			before := len(server.Requests())
			want, _ := client.generate(t, stream)
			plain := len(server.Requests()) - before
			got, _ := client.callTool(t, stream)
			if diff := cmp.Diff(want.Failure, got.Failure, cmpopts.IgnoreUnexported(provider.Failure{})); diff != "" {
				t.Errorf("%s: %s", mode, diff)
			}
			if n := len(server.Requests()) - before - plain; n != plain {
				t.Errorf("%s: %d requests with a tool, %d without", mode, n, plain)
			}
		}
	}
}

func echoedInToolCall(t *testing.T, server *providertest.Server) {
	server.Use(providertest.Echo)
	client := open(t, server)
	for _, stream := range []bool{false, true} {
		result, _ := client.callTool(t, stream)
		succeeded(t, result)
		if len(result.ToolCalls) != 1 || !strings.Contains(string(result.ToolCalls[0].Arguments), provider.Cut) {
			t.Errorf("calls %v", result.ToolCalls)
		}
		checkSilent(t, server, string(encode(t, result)), "a tool call")
	}
}
