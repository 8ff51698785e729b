package fault_test

import (
	"testing"

	"modelproviders/pkg/fault"
)

// TestFieldsAreBounded: a hostile request body must not use much memory.
func TestFieldsAreBounded(t *testing.T) {
	var faults fault.Fields
	for range 100_000 {
		faults.Add("name", fault.Invalid, "is wrong")
	}
	if len(faults) != 1000 {
		t.Errorf("%d fields were gathered", len(faults))
	}
}

func TestInvalidFieldsAreCounted(t *testing.T) {
	var faults fault.Fields
	if err := faults.Invalid("Provider not created"); err != nil {
		t.Errorf("without an invalid field: got %v", err)
	}
	for _, test := range []struct{ name, want string }{
		{"name", "Provider not created: 1 invalid field."},
		{"name", "Provider not created: 1 invalid field."},
		{"type", "Provider not created: 2 invalid fields."},
	} {
		faults.Add(test.name, fault.Invalid, "is wrong")
		got := fault.As(faults.Invalid("Provider not created"))
		if got == nil || got.Kind != fault.ValidationFailed || got.Message != test.want {
			t.Errorf("got %v, want the message %q", got, test.want)
		}
	}
}
