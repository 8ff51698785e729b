package registry

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"modelproviders/pkg/fault"
)

// Bounds of the values a request may carry, in characters unless said otherwise.
const (
	MaxName        = 100
	MaxDisplayName = 100
	MaxModelID     = 256
	MaxModels      = 500 // models of one provider
)

// checkText trims a value and checks that it is 1 to max characters long and
// holds no control character. It returns the trimmed value.
func checkText(faults *fault.Fields, field, value string, limit int) string {
	value = strings.TrimSpace(value)
	switch n := utf8.RuneCountInString(value); {
	case n == 0:
		faults.Add(field, fault.Required, "must not be empty")
	case n > limit:
		faults.Add(field, fault.TooLong, "is %d characters long; at most %d are allowed", n, limit)
	case strings.ContainsFunc(value, isControl):
		faults.Add(field, fault.Invalid, "must not contain control characters")
	}
	return value
}

// isControl reports control characters, and the two separators that break
// lines in a log or a page as a control character would.
func isControl(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// checkModelID trims and checks an upstream's model id. It enters URLs, so a
// segment that a server would resolve is refused.
func checkModelID(faults *fault.Fields, field, value string) string {
	before := len(*faults)
	value = checkText(faults, field, value, MaxModelID)
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
