package fault_test

import (
	"strings"
	"testing"

	"modelproviders/pkg/fault"
)

func TestText(t *testing.T) {
	for _, test := range []struct {
		value string
		want  string
		code  fault.Code
	}{
		{" Production\t", "Production", ""},
		{"ünï 模型", "ünï 模型", ""},
		{strings.Repeat("é", 10), strings.Repeat("é", 10), ""},
		{strings.Repeat("é", 11), strings.Repeat("é", 11), fault.TooLong},
		{" \n ", "", fault.Required},
		{"a\nb", "a\nb", fault.Invalid},
		{"a\x00b", "a\x00b", fault.Invalid},
		{"a\u2028b", "a\u2028b", fault.Invalid},
		{"a\xffb", "a\xffb", fault.Invalid},
	} {
		var faults fault.Fields
		if got := faults.Text("name", test.value, 10); got != test.want {
			t.Errorf("%q: got %q, want %q", test.value, got, test.want)
		}
		switch {
		case test.code == "" && len(faults) > 0:
			t.Errorf("%q: got %v, want no fault", test.value, faults)
		case test.code != "" && (len(faults) != 1 || faults[0].Code != test.code || faults[0].Name != "name"):
			t.Errorf("%q: got %v, want one fault %s", test.value, faults, test.code)
		}
	}
}
