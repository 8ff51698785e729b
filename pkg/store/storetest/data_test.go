package storetest

import (
	"reflect"
	"slices"
	"testing"
)

// TestModelsHaveEveryField guards the suite, which compares whole models: a
// column that no statement writes is noticed only if the kit sets its field.
func TestModelsHaveEveryField(t *testing.T) {
	m := reflect.ValueOf(newModel(newID(), "a", start))
	set := []string{"LastTest", "Provider", "References"} // by tests, and by the store
	for i := range m.NumField() {
		if name := m.Type().Field(i).Name; m.Field(i).IsZero() && !slices.Contains(set, name) {
			t.Errorf("newModel leaves %s empty", name)
		}
	}
}
