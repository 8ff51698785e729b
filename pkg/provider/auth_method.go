package provider

import (
	"slices"
	"strings"

	"modelproviders/pkg/fault"
)

// chooseMethod returns the authentication method of a provider after a request: the one
// whose fields the request gives, or else the one whose stored fields remain; "" for
// none. If the request gives fields of several methods, those of all but the stored
// method, or else the first one, are refused.
func (f Form) chooseMethod(inputs []*input) string {
	given := f.methodsOf(inputs, func(in *input) bool { return in.given })
	if len(given) == 0 {
		given = f.methodsOf(inputs, func(in *input) bool { return in.set })
	}
	if len(given) == 0 {
		return ""
	}
	method := given[0]
	for _, stored := range f.methodsOf(inputs, func(in *input) bool { return in.stored }) {
		if slices.Contains(given, stored) {
			method = stored
		}
	}
	for _, in := range inputs {
		if in.given && !in.isFor(method) {
			in.refuse(fault.Invalid, "can't be combined with the fields of %s", f.methodLabel(method))
		}
	}
	return method
}

// methodsOf returns the methods that have a matching field, in their order.
func (f Form) methodsOf(inputs []*input, match func(*input) bool) []string {
	var names []string
	for _, m := range f.AuthMethods {
		if slices.ContainsFunc(inputs, func(in *input) bool { return in.AuthMethod == m.Name && match(in) }) {
			names = append(names, m.Name)
		}
	}
	return names
}

// checkTogether checks the rules over several fields: what is required with a method,
// and what a field needs or excludes.
func (f Form) checkTogether(inputs []*input, method string) {
	for _, in := range inputs {
		if in.set {
			in.checkExcluded(inputs)
			continue
		}
		switch {
		case in.Required && in.AuthMethod == "":
			in.refuse(fault.Required, "is required")
		case in.Required && method == "" && in.AuthMethod == f.AuthMethods[0].Name:
			in.refuse(fault.Required, "is required%s", f.alternatives(inputs))
		case in.Required && in.AuthMethod == method:
			in.refuse(fault.Required, "is required with %s", f.methodLabel(method))
		}
		for _, other := range inputs {
			if other.Needs == in.Name && other.set && other.isFor(method) {
				in.refuse(fault.Required, "is required with %s", other.Name)
			}
		}
	}
}

// checkExcluded refuses what the input excludes, or the input if only it is new.
func (in *input) checkExcluded(inputs []*input) {
	for _, other := range inputs {
		switch {
		case other.Name != in.excludes || !other.set:
		case other.given:
			other.refuse(fault.Invalid, "can't be combined with %s; remove one of the two", in.Name)
		default:
			in.refuse(fault.Invalid, "can't be combined with %s; remove one of the two", other.Name)
		}
	}
}

// alternatives names the fields that are required with each method but the default.
func (f Form) alternatives(inputs []*input) string {
	var text strings.Builder
	for _, m := range f.AuthMethods[1:] {
		var names []string
		for _, in := range inputs {
			if in.Required && in.AuthMethod == m.Name {
				names = append(names, in.path)
			}
		}
		text.WriteString(", or, for " + m.Label + ", " + strings.Join(names, " and "))
	}
	return text.String()
}
