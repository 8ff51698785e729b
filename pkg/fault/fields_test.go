package fault_test

import (
	"testing"

	"modelproviders/pkg/fault"
)

// Broken fields are gathered up to a bound, so that a hostile body costs little.
func TestFieldsAreBounded(t *testing.T) {
	var faults fault.Fields
	for range 100_000 {
		faults.Add("name", fault.Invalid, "is wrong")
	}
	if len(faults) != 1000 {
		t.Errorf("%d fields were gathered", len(faults))
	}
}
