package provider_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// weatherTool is a tool that a prompt of a test offers.
func weatherTool() *provider.Tool {
	return &provider.Tool{Name: "get_weather", Description: "Tells the weather in a city.", Parameters: map[string]any{
		"type":                 "object",
		"properties":           map[string]any{"city": map[string]any{"type": "string"}},
		"required":             []any{"city"},
		"additionalProperties": false,
	}}
}

// planSchema is a schema that a prompt of a test asks for.
func planSchema() *provider.Schema {
	return &provider.Schema{Name: "plan", Schema: map[string]any{
		"type":                 "object",
		"properties":           map[string]any{"steps": map[string]any{"type": "array", "items": map[string]any{"type": "string"}}},
		"required":             []any{"steps"},
		"additionalProperties": false,
	}}
}

// checkToolCalls checks the calls of a result, each as name and arguments.
func checkToolCalls(t *testing.T, result provider.Result, want ...string) {
	t.Helper()
	var got []string
	for _, call := range result.ToolCalls {
		got = append(got, call.Name+" "+string(call.Arguments))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestCallsOfToolsAreJoined sends the calls of a tool in the forms that servers have.
func TestCallsOfToolsAreJoined(t *testing.T) {
	piece := func(calls string) string {
		return `data: {"choices":[{"index":0,"delta":{"tool_calls":[` + calls + `]}}]}`
	}
	whole := func(message string) []string {
		return []string{`{"choices":[{"index":0,"message":{"role":"assistant",` + message + `},"finish_reason":"tool_calls"}]}`}
	}
	for name, c := range map[string]struct {
		answer []string // events, or one body
		want   []string
	}{
		"whole, a string":   {whole(`"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}]`), []string{`f {"x":1}`}},
		"whole, an object":  {whole(`"tool_calls":[{"id":"a","function":{"name":"f","arguments":{"x":1}}}]`), []string{`f {"x":1}`}},
		"whole, two":        {whole(`"tool_calls":[{"index":0,"function":{"name":"f","arguments":"{}"}},{"index":0,"function":{"name":"f","arguments":"{\"x\":2}"}}]`), []string{`f {}`, `f {"x":2}`}},
		"whole, older form": {whole(`"function_call":{"name":"f","arguments":"{}"}`), []string{`f {}`}},
		"whole, nothing":    {whole(`"content":"Hi","tool_calls":null,"function_call":null`), nil},
		"whole, no name":    {whole(`"tool_calls":[null,{"id":"a"}]`), nil},
		"stream": {[]string{
			piece(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}`),
			piece(`{"index":0,"function":{"arguments":"{\"x\""}}`), piece(`{"index":0,"function":{"arguments":":1}"}}`),
		}, []string{`f {"x":1}`}},
		"stream, at once":   {[]string{piece(`{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}`)}, []string{`f {"x":1}`}},
		"stream, an object": {[]string{piece(`{"index":0,"id":"a","function":{"name":"f","arguments":{"x":1}}}`)}, []string{`f {"x":1}`}},
		"stream, two": {[]string{
			piece(`{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\""}}`), piece(`{"index":1,"id":"b","function":{"name":"g","arguments":"{"}}`),
			piece(`{"index":0,"function":{"arguments":":1}"}}`), piece(`{"index":1,"function":{"arguments":"}"}}`),
		}, []string{`f {"x":1}`, `g {}`}},
		"stream, two of one index": {[]string{
			piece(`{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}`), piece(`{"index":0,"id":"b","function":{"name":"f","arguments":"{\"x\":1}"}}`),
		}, []string{`f {}`, `f {"x":1}`}},
		"stream, without index": {[]string{
			piece(`{"id":"a","function":{"name":"f","arguments":"{"}}`), piece(`{"function":{"arguments":"}"}}`),
		}, []string{`f {}`}},
		"stream, id and name in each piece": {[]string{
			piece(`{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}`), piece(`{"index":0,"id":"a","function":{"name":"f","arguments":"}"}}`),
		}, []string{`f {}`}},
		"stream, another id in each piece": {[]string{
			piece(`{"index":0,"id":"a","function":{"name":"f"}}`), piece(`{"index":0,"id":"b","function":{"arguments":"{"}}`), piece(`{"index":0,"id":"c","function":{"name":null,"arguments":"}"}}`),
		}, []string{`f {}`}},
	} {
		t.Run(name, func(t *testing.T) {
			answer, stream := jsonAnswer(c.answer[0]), strings.HasPrefix(name, "stream")
			if stream {
				answer = eventsAnswer(append(c.answer, `data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`, `data: [DONE]`)...)
			}
			server := providertest.Start(t, answering(providertest.OpenAI(), func(*providertest.Request) providertest.Answer { return answer }))
			result, _ := open(t, server).generate(t, stream)
			if name == "whole, no name" { // there is a call, although nothing is known of it
				succeeded(t, result)
			}
			checkToolCalls(t, result, c.want...)
		})
	}
}

// TestSecretsAreCutOutOfToolCalls sends a key, whole and in pieces, in the name and the
// arguments of a call.
func TestSecretsAreCutOutOfToolCalls(t *testing.T) {
	for _, stream := range []bool{false, true} {
		server := providertest.Start(t, providertest.OpenAI())
		key := server.Secrets()[0]
		pieces := []string{`{"key":"` + key[:9], key[9:] + `"}`}
		answer := func(*providertest.Request) providertest.Answer {
			call := func(kind, arguments string) string {
				return `{"choices":[{"index":0,"` + kind + `":{"tool_calls":[{"index":0,"id":"a","function":{"name":"` + key + `","arguments":` + string(encode(t, arguments)) + `}}]},"finish_reason":null}]}`
			}
			if !stream {
				return jsonAnswer(call("message", pieces[0]+pieces[1]))
			}
			return eventsAnswer("data: "+call("delta", pieces[0]), "data: "+call("delta", pieces[1]), `data: [DONE]`)
		}
		server = providertest.Start(t, answering(providertest.OpenAI(), answer))
		result, _ := open(t, server).generate(t, stream)
		succeeded(t, result)
		checkToolCalls(t, result, provider.Cut+` {"key":"`+provider.Cut+`"}`)
	}
}
