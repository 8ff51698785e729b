package registry

import "slices"

// Stage is a pipeline stage that a model can serve.
type Stage string

// The stages, in the order in which they are answered.
const (
	Planning      Stage = "planning"
	ToolCall      Stage = "tool_call"
	Summarization Stage = "summarization"
	Guardrail     Stage = "guardrail"
)

// Stages returns every stage, in order.
func Stages() []Stage { return []Stage{Planning, ToolCall, Summarization, Guardrail} }

// Label names the stage for people.
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
	return string(s)
}

// sortStages returns the stages in the order of [Stages].
func sortStages(in []Stage) []Stage {
	out := make([]Stage, 0, len(in))
	for _, s := range Stages() {
		if slices.Contains(in, s) {
			out = append(out, s)
		}
	}
	return out
}
