package registry

import "slices"

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

// Label is the name of the stage in a user interface; empty for an unknown stage.
func (s Stage) Label() string {
	labels := map[Stage]string{
		Planning: "Planning", ToolCall: "Tool Call", Summarization: "Summarization", Guardrail: "Guardrail",
	}
	return labels[s]
}

// stagesOf returns the stages of these names, in the order of [Stages].
func stagesOf(names []string) []Stage {
	return slices.DeleteFunc(Stages(), func(s Stage) bool { return !slices.Contains(names, string(s)) })
}
