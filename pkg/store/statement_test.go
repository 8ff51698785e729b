package store

import (
	"testing"

	"modelproviders/pkg/audit"
)

// Joined statements are kept only if there are few of them: an edit may add any number
// of audit events.
func TestFewJoinedStatementsAreKept(t *testing.T) {
	s := &Store{}
	most := insertEvents(make([]audit.Event, 500)...)
	for rest := 1; rest <= 100; rest++ {
		s.combine([]statement{most, insertEvents(make([]audit.Event, rest)...)})
		s.combine([]statement{{clearHealth, []any{"w", "p", 1}}, insertEvents(audit.Event{})})
	}
	kept := 0
	s.combined.Range(func(any, any) bool { kept++; return true })
	if kept != 1 {
		t.Errorf("%d joined statements are kept, want 1", kept)
	}
}
