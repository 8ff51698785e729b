package registry

import (
	"strings"

	"modelproviders/pkg/fault"
)

// Bounds of the values a request may carry, in characters unless said otherwise.
const (
	MaxName        = 100
	MaxDisplayName = 100
	MaxModelID     = 256
	MaxModels      = 500 // models of one provider
)

// checkModelID trims and checks an upstream's model id. It enters URLs, so a
// segment that a server would resolve is refused.
func checkModelID(faults *fault.Fields, field, value string) string {
	before := len(*faults)
	value = faults.Text(field, value, MaxModelID)
	if len(*faults) > before {
		return value
	}
	for segment := range strings.SplitSeq(value, "/") {
		if segment == "." || segment == ".." {
			faults.Add(field, fault.Invalid, "must not contain the path segments . and ..")
			break
		}
	}
	return value
}

// checkStages checks the stages of a model and returns them in their order.
func checkStages(faults *fault.Fields, field string, names []string) []Stage {
	if len(names) == 0 {
		faults.Add(field, fault.Required, "must name at least one stage")
		return nil
	}
	seen := map[Stage]bool{}
	stages := make([]Stage, 0, len(names))
	for i, name := range names {
		stage := Stage(name)
		switch {
		case stage.Label() == "":
			faults.Add(index(field, i), fault.Invalid, "must be one of %s", stageNames())
		case seen[stage]:
			faults.Add(index(field, i), fault.Duplicate, "names the stage %s again", stage)
		default:
			seen[stage] = true
			stages = append(stages, stage)
		}
	}
	return sortStages(stages)
}

func stageNames() string {
	names := make([]string, 0, len(Stages()))
	for _, s := range Stages() {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}
