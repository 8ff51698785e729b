package audit

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
)

// Change is one changed field. Old and New are JSON; empty for no value, and a mask
// for a secret.
type Change struct {
	Field string `json:"field"`
	Old   string `json:"old,omitempty"`
	New   string `json:"new,omitempty"`
}

// Fields are the values of a thing that events record, by field.
type Fields map[string]any

// Secret is a value of which events record only that it was set, replaced or removed.
type Secret []byte

// MarshalJSON writes a mask.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"••••••••"`), nil }

// Changed returns the event with the differences between two states, sorted by
// field; nil is the state of what does not exist.
func (e Event) Changed(before, after Fields) Event {
	all := Fields{}
	maps.Copy(all, before)
	maps.Copy(all, after)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !reflect.DeepEqual(before[name], after[name]) {
			e.Changes = append(e.Changes, Change{Field: name, Old: before.text(name), New: after.text(name)})
		}
	}
	return e
}

// text returns a field as JSON, or "" if it has no value.
func (f Fields) text(name string) string {
	value, ok := f[name]
	if !ok {
		return ""
	}
	text, _ := json.Marshal(value) // strings, bools and lists of strings can always be encoded
	return string(text)
}
