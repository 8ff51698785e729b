package provider_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"modelproviders/pkg/provider"
)

// misses says in what an outcome is not the expected one.
func (e expectation) misses(o outcome) []string {
	var misses []string
	miss := func(format string, args ...any) { misses = append(misses, fmt.Sprintf(format, args...)) }
	same := func(name string, got, want any) {
		if got != want {
			miss("%s is %v, want %v", name, got, want)
		}
	}
	if e.Status != "" {
		same("status", o.Status, e.Status)
	}
	if e.Response != nil {
		same("response", o.Response, *e.Response)
	}
	if e.FinishReason != "" {
		same("finish_reason", o.FinishReason, e.FinishReason)
	}
	if e.HTTP != 0 {
		same("http", o.HTTP, e.HTTP)
	}
	if e.ProviderStatus != "" {
		same("provider_status", o.ProviderStatus, e.ProviderStatus)
	}
	if e.Models != nil && !slices.Equal(o.Models, e.Models) {
		miss("models are %q, want %q", o.Models, e.Models)
	}
	if e.Warnings != nil && !slices.Equal(o.Warnings, e.Warnings) {
		miss("warnings are %q, want %q", o.Warnings, e.Warnings)
	}
	if e.ToolCalls != nil && !slices.Equal(o.ToolCalls, e.ToolCalls) {
		miss("tool_calls are %q, want %q", o.ToolCalls, e.ToolCalls)
	}
	if e.Unsupported != nil {
		same("unsupported", o.Failure.Unsupported, *e.Unsupported)
	}
	if len(e.Kind) > 0 && !slices.Contains(e.Kind, o.Failure.Kind) {
		miss("kind is %q, want one of %q", o.Failure.Kind, e.Kind)
	}
	hint := o.Failure.Hint
	if e.OrMessage {
		hint += "\n" + o.Failure.Message
	}
	if len(e.HintAny) > 0 && len(holds(hint, e.HintAny)) == 0 {
		miss("the hint has none of %q: %q", e.HintAny, hint)
	}
	if words := holds(o.Failure.Hint, e.HintNot); len(words) > 0 {
		miss("the hint has %q: %q", words, o.Failure.Hint)
	}
	if words := lacks(o.Failure.Message, e.MessageHas); len(words) > 0 {
		miss("the message has no %q: %q", words, o.Failure.Message)
	}
	if text := strings.Join(o.Texts, "\n"); len(lacks(text, e.Text)) > 0 {
		miss("the answer has no %q: %q", lacks(text, e.Text), text)
	}
	return misses
}

// A case that checks nothing would always pass, so each expectation has to be
// missed by an outcome that is not as it says.
func TestExpectationsAreMissed(t *testing.T) {
	other, yes, no := "Goodbye!", true, false
	o := outcome{
		HTTP: 200, Status: "failed", Response: "Hello!", FinishReason: "stop", Models: []string{"m"}, ProviderStatus: "active",
		Failure:  provider.Failure{Kind: provider.Permission, Message: "No access.", Hint: "Ask for access."},
		Warnings: []provider.WarningCode{provider.TokenLimit}, ToolCalls: []string{"f {}"}, Texts: []string{"No access."},
	}
	same := o.Response
	for name, c := range map[string]struct{ holds, misses expectation }{
		"status":          {expectation{Status: "failed"}, expectation{Status: "success"}},
		"response":        {expectation{Response: &same}, expectation{Response: &other}},
		"finish_reason":   {expectation{FinishReason: "stop"}, expectation{FinishReason: "length"}},
		"http":            {expectation{HTTP: 200}, expectation{HTTP: 422}},
		"models":          {expectation{Models: []string{"m"}}, expectation{Models: []string{}}},
		"provider_status": {expectation{ProviderStatus: "active"}, expectation{ProviderStatus: "error"}},
		"kind":            {expectation{Kind: []provider.FailureKind{"upstream", "permission"}}, expectation{Kind: []provider.FailureKind{"upstream"}}},
		"hint_any":        {expectation{HintAny: []string{"x", "ASK"}}, expectation{HintAny: []string{"no access"}}},
		"or_message":      {expectation{HintAny: []string{"no access"}, OrMessage: true}, expectation{HintAny: []string{"x"}, OrMessage: true}},
		"hint_not":        {expectation{HintNot: []string{"no access"}}, expectation{HintNot: []string{"x", "Access"}}},
		"message_has":     {expectation{MessageHas: []string{"no", "access"}}, expectation{MessageHas: []string{"access", "ask"}}},
		"text":            {expectation{Text: []string{"access"}}, expectation{Text: []string{"access", "x"}}},
		"tool_calls":      {expectation{ToolCalls: []string{"f {}"}}, expectation{ToolCalls: []string{}}},
		"unsupported":     {expectation{Unsupported: &no}, expectation{Unsupported: &yes}},
		"warnings":        {expectation{Warnings: []provider.WarningCode{"token_limit"}}, expectation{Warnings: []provider.WarningCode{}}},
	} {
		if misses := c.holds.misses(o); len(misses) > 0 {
			t.Errorf("%s: %q", name, misses)
		}
		if len(c.misses.misses(o)) != 1 {
			t.Errorf("%s: %q is not one miss", name, c.misses.misses(o))
		}
	}
}
