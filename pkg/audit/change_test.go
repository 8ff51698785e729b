package audit_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/audit"
)

// TestChanged: an event has what differs, sorted by field, and of a secret only whether
// it was set, replaced or removed.
func TestChanged(t *testing.T) {
	const mask = `"••••••••"`
	before := audit.Fields{"name": "a", "type": "custom", "stages": []string{"x"}, "key": audit.Secret("sealed 1"), "gone": true}
	after := audit.Fields{"name": "b", "type": "custom", "stages": []string{"x", "y"}, "key": audit.Secret("sealed 2"), "new": "n"}
	for _, test := range []struct {
		name          string
		before, after audit.Fields
		want          []audit.Change
	}{
		{"an edit", before, after, []audit.Change{{Field: "gone", Old: "true"}, {Field: "key", Old: mask, New: mask}, {Field: "name", Old: `"a"`, New: `"b"`}, {Field: "new", New: `"n"`}, {Field: "stages", Old: `["x"]`, New: `["x","y"]`}}},
		{"no edit", before, before, nil},
		{"a creation", nil, audit.Fields{"name": "a", "key": audit.Secret("sealed")}, []audit.Change{{Field: "key", New: mask}, {Field: "name", New: `"a"`}}},
		{"a removal", audit.Fields{"name": "a", "key": audit.Secret("sealed")}, nil, []audit.Change{{Field: "key", Old: mask}, {Field: "name", Old: `"a"`}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, audit.Event{}.Changed(test.before, test.after).Changes); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}
