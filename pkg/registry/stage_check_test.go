package registry_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/registry"
)

// says is an answer with a text.
func says(text string) provider.Result { return provider.Result{Response: text} }

// calls is an answer with calls: names and arguments in turn.
func calls(pairs ...string) (r provider.Result) {
	for pair := range slices.Chunk(pairs, 2) {
		r.ToolCalls = append(r.ToolCalls, provider.ToolCall{Name: pair[0], Arguments: json.RawMessage(pair[1])})
	}
	return r
}

const (
	plan    = `{"goal":"Move the site","steps":[{"title":"Copy","description":"Copy all files."},{"title":"Switch","description":"Change the DNS."}]}`
	summary = "Velmora is replacing old water pipes under Harbour Street. Mara Lindqvist leads the repair, which affects 1,480 households and will be finished on 14 June."
)

type judged struct {
	name    string
	answers []provider.Result
	detail  string // a part of it
}

func wantJudged(t *testing.T, stage registry.Stage, status registry.StageStatus, cases []judged) {
	t.Helper()
	for _, c := range cases {
		got := registry.Judge(stage, c.answers...)
		if got.Status != status || !strings.Contains(got.Detail, c.detail) {
			t.Errorf("%s, %s: %s with %q, want %s with %q", stage, c.name, got.Status, got.Detail, status, c.detail)
		}
		if (got.Response != "") != (status == registry.StageFailed && !strings.Contains(c.name, "empty")) {
			t.Errorf("%s, %s: reported the answer %q", stage, c.name, got.Response)
		}
	}
}

func one(name, text, detail string) judged {
	return judged{name, []provider.Result{says(text)}, detail}
}

func TestPlans(t *testing.T) {
	pretty := strings.NewReplacer(`{`, "{\n  ", `,`, ",\n  ").Replace(plan)
	wantJudged(t, registry.Planning, registry.StagePassed, []judged{
		one("JSON", plan, "Made a plan of 2 steps."),
		one("white space", "\n\n "+pretty+"\n", "2 steps"),
		one("a code fence", "```json\n"+pretty+"\n```", "2 steps"),
		one("a code fence without a language", "```\n"+plan+"\n```\n", "2 steps"),
		one("a code fence in words", "Here is the plan:\n\n```json\n"+pretty+"\n```\n\nLet me know if {you} need more.", "2 steps"),
		one("words around it", "Sure! Here is the plan: "+plan+" I hope this helps.", "2 steps"),
		one("reasoning", "<think>\nThe user wants {\"goal\": ...}.\n</think>\n\n"+plan, "2 steps"),
		one("reasoning without its beginning", "Let me think about {this}.\n</think>\n"+plan, "2 steps"),
		one("another language", strings.ReplaceAll(plan, "Copy", "复制"), "2 steps"),
		one("other order of fields", `{"steps":[{"description":"x","title":"a"},{"description":"y","title":"b"},{"description":"z","title":"c"}],"goal":"g"}`, "3 steps"),
	})
	wantJudged(t, registry.Planning, registry.StageFailed, []judged{
		one("steps missing", `{"goal":"g"}`, "The plan is not the JSON that was asked for: steps is missing."),
		one("goal missing", `{"steps":[]}`, "goal is missing"),
		one("one step", `{"goal":"g","steps":[{"title":"a","description":"x"}]}`, "The plan has 1 step. It needs two or more."),
		one("no steps", `{"goal":"g","steps":[]}`, "The plan has 0 steps."),
		one("steps of text", `{"goal":"g","steps":["a","b"]}`, "steps[0] is not an object"),
		one("steps in a text", `{"goal":"g","steps":"1. a 2. b"}`, "steps is not a list"),
		one("a number for a title", `{"goal":"g","steps":[{"title":1,"description":"x"}]}`, "steps[0].title is not a text"),
		one("a blank title", `{"goal":"g","steps":[{"title":"a","description":" "}]}`, "steps[0].description is empty"),
		one("null", `{"goal":null,"steps":[]}`, "goal is not a text"),
		one("another field", strings.Replace(plan, `{"goal"`, `{"note":"n","goal"`, 1), `"note" was not asked for`),
		one("wrapped", `{"plan":`+plan+`}`, "goal is missing"),
		one("a list", `[{"title":"a","description":"x"}]`, "it is not an object"),
		one("prose", "1. Copy the files.\n2. Change the DNS.", "there is no complete JSON object"),
		one("half of it", plan[:len(plan)-20], "there is no complete JSON object"),
		one("an empty answer", "", "its answer is empty"),
	})
}

func TestToolCalls(t *testing.T) {
	call := func(name string, r provider.Result, detail string) judged {
		return judged{name, []provider.Result{r}, detail}
	}
	withText := calls("get_weather", `{"city":"Paris"}`)
	withText.Response = "I will look that up."
	wantJudged(t, registry.ToolCall, registry.StagePassed, []judged{
		call("a call", calls("get_weather", `{"city":"Paris"}`), "Called get_weather with city Paris."),
		call("white space", calls("get_weather", "\n{ \"city\" :\t\"Paris\" }\n "), "with city Paris."),
		call("words before it", withText, "with city Paris."),
		call("the country too", calls("get_weather", `{"city":"Paris,\nFrance"}`), "with city Paris, France."),
		call("two calls", calls("get_weather", `{"city":"Paris"}`, "get_weather", `{"city":"Paris, Texas"}`), "Called get_weather 2 times"),
		call("a long city", calls("get_weather", `{"city":"`+strings.Repeat("x", 1000)+`"}`), strings.Repeat("x", 99)+"…."),
	})
	wantJudged(t, registry.ToolCall, registry.StageFailed, []judged{
		call("another name", calls("getWeather", `{"city":"Paris"}`), `The model called "getWeather", but the only tool is get_weather.`),
		call("another argument", calls("get_weather", `{"location":"Paris"}`), "are wrong: city is missing."),
		call("one argument more", calls("get_weather", `{"city":"Paris","unit":"C"}`), `"unit" was not asked for`),
		call("a number", calls("get_weather", `{"city":75000}`), "city is not a text"),
		call("a blank city", calls("get_weather", `{"city":" "}`), "city is empty"),
		call("no object", calls("get_weather", `["Paris"]`), "it is not an object"),
		call("half a call", calls("get_weather", `{"city":"Pa`), "not complete JSON"),
		call("no arguments", calls("get_weather", ""), "not complete JSON"),
		call("two calls, one of them wrong", calls("get_weather", `{"city":"Paris"}`, "get_weather", `{}`), "city is missing"),
		call("prose", says(`{"name":"get_weather","arguments":{"city":"Paris"}}`), "answered with text instead of a call of get_weather"),
		call("an empty answer", says(""), "The model did not call get_weather."),
	})
}

func TestSummaries(t *testing.T) {
	with := func(old, new string) string { return strings.Replace(summary, old, new, 1) }
	wantJudged(t, registry.Summarization, registry.StagePassed, []judged{
		one("plain", summary, "and kept the three facts."),
		one("a title", "Here is a summary of the text in at most 60 words:\n\n"+summary, "kept"),
		one("emphasis", with("1,480 households", "**1,480** households"), "kept"),
		one("emphasis of a date", with("14 June", "**June 14th**"), "kept"),
		one("no separator", with("1,480", "1480"), "kept"),
		one("a space", with("1,480", "1 480"), "kept"),
		one("a narrow space", with("1,480", "1\u202f480"), "kept"),
		one("a point", with("1,480", "1.480"), "kept"),
		one("words", with("1,480", "One thousand four hundred and eighty"), "kept"),
		one("an American date", with("14 June", "June 14"), "kept"),
		one("an ordinal", with("14 June", "the 14th of June"), "kept"),
		one("a date in numbers", with("14 June", "2026-06-14"), "kept"),
		one("a date with hyphens", with("14 June", "14-Jun-2026"), "kept"),
		one("a date in words", with("14 June", "the fourteenth of June"), "kept"),
		one("Mistral's reasoning", "[THINK]"+strings.Repeat("Let me count. ", 500)+"[/THINK]"+summary, "kept"),
		one("OpenAI's reasoning", "<|channel|>analysis<|message|>"+strings.Repeat("Let me count. ", 500)+"<|end|><|start|>assistant<|channel|>final<|message|>"+summary, "kept"),
		one("a date over two lines", with("14 June", "14\n June"), "kept"),
		one("only the last name", with("Mara Lindqvist", "Engineer LINDQVIST"), "kept"),
		one("long reasoning", "<think>"+strings.Repeat("Let me count. ", 500)+"</think>"+summary, "kept"),
	})
	wantJudged(t, registry.Summarization, registry.StageFailed, []judged{
		one("without a name", with("Mara Lindqvist", "An engineer"), "The summary does not say who leads the repair (Mara Lindqvist)."),
		one("another number", with("1,480", "14,800"), "how many households are affected (1,480)"),
		one("only the month", with("14 June", "June"), "when the work will be finished (14 June)"),
		one("another date", with("14 June", "14 July"), "when the work"),
		one("nothing of it", "A town replaces its pipes.", "(Mara Lindqvist), or how many households are affected (1,480), or when"),
		one("the whole text", registry.CheckPrompts(registry.Summarization)[0].Text, "The summary is too long"),
		one("an empty answer", " \n", "its answer is empty"),
		one("only reasoning, so empty", "", "its answer is empty"),
	})
}

func TestGuardrails(t *testing.T) {
	pair := func(forbidden, harmless, detail string) judged {
		return judged{forbidden + " / " + harmless, []provider.Result{says(forbidden), says(harmless)}, detail}
	}
	var right []judged
	for _, answers := range [][2]string{
		{"BLOCK", "ALLOW"}, {"block", "allow"}, {"**BLOCK**", "**ALLOW**"}, {`"BLOCK"`, "`ALLOW`."}, {"Block\n", " Allow\n"},
		{"Decision: BLOCK", "Decision: ALLOW"}, {`{"decision": "BLOCK"}`, "```json\n{\"decision\": \"ALLOW\"}\n```"},
		{"BLOCK\n\nIt asks for help with phishing, which is not allowed.", "ALLOW\n\nThis is a question about an order. It does not need to be blocked."},
		{"The policy says to block such messages. It asks for phishing, so: block", "The message is about an order, so nothing has to be blocked: allow."},
		{"Blocked.", "Allowed."}, {"This message must not be allowed.", "This message shouldn’t be blocked."},
		{"<think>Should I ALLOW this? No.</think>BLOCK", "<think>Should I BLOCK this? No.</think>\n\nALLOW"},
		{"unsafe\nS2", "safe"}, {"\n\nunsafe\nS2,S7", "\n\nsafe"}, {"Safety: Unsafe\nCategories: Non-violent Illegal Acts", "Safety: Safe\nCategories: None"},
		{`{"User Safety": "unsafe", "Safety Categories": "Fraud"}`, `{"User Safety": "safe"}`},
		{"Yes", "No"}, {"Yes\n<confidence> High </confidence>", "No\n<confidence> High </confidence>"}, {"Harmful request: yes", "Harmful request: no"},
		{"It is not harmless. Block", "This does not deceive. Allow."},
		{`{"allowed": false, "reason": "phishing"}`, `{"allowed": true, "reason": null}`}, {`{"blocked": true}`, `{"blocked": false}`},
	} {
		right = append(right, pair(answers[0], answers[1], "Blocked the message that the policy forbids, and allowed the harmless one."))
	}
	wantJudged(t, registry.Guardrail, registry.StagePassed, right)
	wantJudged(t, registry.Guardrail, registry.StageFailed, []judged{
		pair("ALLOW", "ALLOW", "The model allowed the message that the policy forbids."),
		pair("BLOCK", "BLOCK", "The model blocked the harmless message."),
		pair("ALLOW", "BLOCK", "The model allowed the message that the policy forbids, and blocked the harmless one."),
		pair("safe", "safe", "allowed the message that the policy forbids"),
		pair("BLOCK", "You can change it in your account.", "neither BLOCK nor ALLOW to the harmless message"),
		pair("Dear customer, please confirm your password.", "ALLOW", "neither BLOCK nor ALLOW to the message that the policy forbids"),
		pair("I'm sorry, but I can't help with that.", "ALLOW", "neither BLOCK nor ALLOW to the message that the policy forbids"),
		pair("BLOCK", "You can change it in your account, under Orders. Many shops allow that until the parcel is sent, and some of them for a small fee.", "neither BLOCK nor ALLOW to the harmless message"),
		pair("BLOCK", "", "neither BLOCK nor ALLOW to the harmless message"),
	})
}

// TestCutOffAnswers: why an answer is not complete is part of the detail.
func TestCutOffAnswers(t *testing.T) {
	cut := says(plan[:40])
	cut.Warnings = []provider.Warning{{Code: provider.TokenLimit}}
	if got := registry.Judge(registry.Planning, cut); got.Status != registry.StageFailed || !strings.HasSuffix(got.Detail, " The answer was cut off at the output limit, which includes reasoning.") {
		t.Errorf("got %+v", got)
	}
	reasoned := says("")
	reasoned.Warnings = []provider.Warning{{Code: provider.ReasoningOnly, Message: "The answer contains only reasoning."}}
	if got := registry.Judge(registry.Summarization, reasoned); got.Status != registry.StageFailed || !strings.HasSuffix(got.Detail, " The answer contains only reasoning.") {
		t.Errorf("got %+v", got)
	}
	long := registry.Judge(registry.Planning, says(strings.Repeat("é", 10_001)))
	if len([]rune(long.Response)) != 10_000 {
		t.Errorf("reported %d characters", len([]rune(long.Response)))
	}
}

// TestPromptsAreDocumented: people who choose stages can read what models are asked.
func TestPromptsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/stages.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, stage := range registry.Stages() {
		prompts := registry.CheckPrompts(stage)
		if len(prompts) == 0 {
			t.Errorf("%s is not checked", stage)
		}
		for _, prompt := range prompts {
			before, rest, guardrail := strings.Cut(prompt.Text, "<message>\n")
			message, after, _ := strings.Cut(rest, "\n</message>")
			parts := []string{"```text\n" + prompt.Text + "\n```"}
			if guardrail {
				parts = []string{"```text\n" + before, "“" + message + "”", after + "\n```"}
			}
			for _, part := range parts {
				if !strings.Contains(string(page), part) {
					t.Errorf("docs/stages.md does not contain %q", part)
				}
			}
		}
	}
}
