package api_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"modelproviders/api/apitest"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/registry"
)

var update = flag.Bool("update", false, "write the matrix in docs/stages.md from the run")

// stageCase is what happens when a stage is checked, and the wanted status.
type stageCase struct {
	stages list
	event  string // for docs/stages.md
	mode   providertest.Mode
	says   string // to every prompt; empty: what passes
	want   string
}

func stageCases() []stageCase {
	const (
		planning, toolCall, summarization, guardrail = "planning", "tool_call", "summarization", "guardrail"
		passed, failed, callError                    = "passed", "failed", "error"

		plan    = `{"goal":"Move","steps":[{"title":"Copy","description":"Copy it."},{"title":"Switch","description":"Switch."}]}`
		oneStep = `{"goal":"Move","steps":[{"title":"Copy","description":"Copy it."}]}`
		summary = "The repair led by **Lindqvist** affects 1.480 households and ends on June 14th."
	)
	one := func(stage, event string, mode providertest.Mode, says, want string) stageCase {
		return stageCase{list{stage}, event, mode, says, want}
	}
	return []stageCase{
		one(planning, "the model answers with a plan", "", "", passed),
		one(planning, "the model puts the plan in a code block, after words", "", "Here it is:\n\n```json\n"+plan+"\n```", passed),
		one(planning, "the service refuses structured output", providertest.NoSchema, "", passed),
		one(planning, "the model leaves out the steps", "", `{"goal":"Move"}`, failed),
		one(planning, "the model plans one step only", "", oneStep, failed),
		one(planning, "the model plans in prose", "", "First copy the site, then switch.", failed),
		one(planning, "the model is cut off in the middle of the plan", providertest.CutOff, "", failed),

		one(toolCall, "the model calls the function", "", "", passed),
		one(toolCall, "the model calls it twice", providertest.TwoCalls, "", passed),
		one(toolCall, "the service writes the arguments as text instead of an object, or the other way round", providertest.RetypedArguments, "", passed),
		one(toolCall, "the service cannot force a call", providertest.NoToolChoice, "", passed),
		one(toolCall, "the model calls it with wrong arguments", providertest.WrongArguments, "", failed),
		one(toolCall, "the model calls another function", providertest.OtherTool, "", failed),
		one(toolCall, "the model answers in prose", providertest.Prose, "", failed),
		one(toolCall, "the model is cut off in the middle of the call", providertest.CutOff, "", failed),
		one(toolCall, "the model cannot call functions, says the service", providertest.NoTools, "", failed),

		one(summarization, "the model keeps the three facts", "", "", passed),
		one(summarization, "the model writes number and date in other forms", "", summary, passed),
		one(summarization, "the model leaves out a fact", "", strings.Replace(summary, "1.480", "many", 1), failed),
		one(summarization, "the model writes too much", "", strings.Repeat(summary+" ", 10), failed),
		one(summarization, "the model is cut off in the middle of the summary", providertest.CutOff, "", failed),

		one(guardrail, "the model blocks only the forbidden message", "", "", passed),
		one(guardrail, "the model blocks both messages", "", "BLOCK", failed),
		one(guardrail, "the model blocks no message", "", "ALLOW", failed),
		one(guardrail, "the model answers the messages", "", "How can I help you?", failed),

		{allStages(), "the model reasons first, with more than 2,048 tokens", providertest.LongReasoning, "", passed},
		{allStages(), "the service refuses the credentials", providertest.Authentication, "", callError},
		{allStages(), "the service refuses the call because of a rate limit", providertest.RateLimited, "", callError},
		{allStages(), "the service is overloaded", providertest.Overloaded, "", callError},
		{allStages(), "the service answers with a page", providertest.HTML, "", callError},
		{allStages(), "the service closes the connection", providertest.ServerClosing, "", callError},
	}
}

// TestStageMatrix checks the stages of a model of each type over the fakes of their
// upstreams, and that docs/stages.md is up to date.
func TestStageMatrix(t *testing.T) {
	t.Parallel()
	cases := stageCases()
	cells := make([][]string, len(cases)) // by case and type
	var titles []string
	for _, fake := range providertest.Fakes(t) {
		typ, _ := provider.Lookup(fake.Type)
		titles = append(titles, typ.Form().Label)
		for i, status := range statusesOf(t, fake, cases) {
			cells[i] = append(cells[i], status)
		}
	}
	if !t.Failed() {
		checkMatrix(t, matrix(titles, cases, cells))
	}
}

// statusesOf returns the status in each case.
func statusesOf(t *testing.T, fake providertest.Fake, cases []stageCase) (statuses []string) {
	t.Helper()
	upstream := providertest.Start(t, fake)
	upstream.PassChecks()
	s := apitest.Start(t, checker.RoundTripper, "SQLite", reaching(upstream))
	c := s.Admin(t)
	m := c.CreateProvider(withAllStages(upstream)).Models[0]
	for _, stageCase := range cases {
		if stageCase.says != "" {
			for _, part := range providertest.CheckedParts() {
				upstream.SayTo(part, stageCase.says)
			}
		}
		if stageCase.mode != "" {
			upstream.Use(stageCase.mode)
		}
		done := verificationOf(c.Post("/models/"+m.ID+"/verify", object{"stages": stageCase.stages}))
		for _, result := range done.Results {
			if result.Status != stageCase.want {
				t.Errorf("%s, %s, if %s: %+v, want %s", fake.Type, result.Stage, stageCase.event, result, stageCase.want)
			}
		}
		statuses = append(statuses, done.Results[0].Status)
		upstream.Use(providertest.Success)
		upstream.PassChecks()
	}
	return statuses
}

func matrix(titles []string, cases []stageCase, cells [][]string) string {
	var b strings.Builder
	b.WriteString("| stage | if |")
	for _, title := range titles {
		b.WriteString(" " + title + " |")
	}
	b.WriteString("\n|---|---" + strings.Repeat("|---", len(titles)) + "|\n")
	for i, c := range cases {
		stage := "each"
		if len(c.stages) == 1 {
			stage = fmt.Sprintf("`%s`", c.stages[0])
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", stage, c.event, strings.Join(cells[i], " | "))
	}
	return b.String()
}

const (
	stagesPath  = "../docs/stages.md"
	matrixBegin = "<!-- written by go test ./api -run StageMatrix -update -->\n"
	matrixEnd   = "<!-- end -->\n"
)

// checkMatrix checks that docs/stages.md has the wanted matrix, or writes it.
func checkMatrix(t *testing.T, want string) {
	t.Helper()
	page, err := os.ReadFile(stagesPath)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(page), matrixBegin)
	got, after, ends := strings.Cut(rest, matrixEnd)
	switch {
	case !begins || !ends:
		t.Errorf("%s has no matrix", stagesPath)
	case *update:
		if err := os.WriteFile(stagesPath, []byte(before+matrixBegin+want+matrixEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
	case got != want:
		t.Error("docs/stages.md is out of date; write it with: go test ./api -run StageMatrix -update")
	}
}

// TestEveryStageIsInTheMatrix, with an answer that passes and one that fails.
func TestEveryStageIsInTheMatrix(t *testing.T) {
	for _, stage := range registry.Stages() {
		statuses := map[string]bool{}
		for _, c := range stageCases() {
			if c.stages[0] == string(stage) {
				statuses[c.want] = true
			}
		}
		if !statuses["passed"] || !statuses["failed"] {
			t.Errorf("the matrix lacks an answer for %s", stage)
		}
	}
}
