package registry

import (
	"cmp"
	"slices"
)

// Stage is a pipeline stage that a model can serve.
type Stage string

// The stages of the API contract.
const (
	Planning      Stage = "planning"
	ToolCall      Stage = "tool_call"
	Summarization Stage = "summarization"
	Guardrail     Stage = "guardrail"
)

// Stages returns every stage, in the order in which they are answered.
func Stages() []Stage { return []Stage{Planning, ToolCall, Summarization, Guardrail} }

// Label names the stage for people. It is empty for an unknown stage.
func (s Stage) Label() string {
	switch s {
	case Planning:
		return "Planning"
	case ToolCall:
		return "Tool Call"
	case Summarization:
		return "Summarization"
	case Guardrail:
		return "Guardrail"
	}
	return ""
}

// sortStages puts stages into the order of [Stages].
func sortStages(in []Stage) []Stage {
	order := Stages()
	slices.SortFunc(in, func(a, b Stage) int {
		return cmp.Compare(slices.Index(order, a), slices.Index(order, b))
	})
	return in
}
