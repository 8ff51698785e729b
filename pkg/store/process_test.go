package store_test

import (
	"sync"
	"testing"

	"github.com/google/uuid"

	"modelproviders/pkg/registry"
)

// ageProcesses is the SQL that lets some seconds pass for every process.
var ageProcesses = map[string]string{
	"SQLite":   "UPDATE processes SET seen_at = seen_at - 1000 * ?",
	"Postgres": "UPDATE processes SET seen_at = seen_at - make_interval(secs => $1)",
}

// TestDeadProcesses checks that a process that did not call Beat for 15 seconds is
// not counted, and is removed after a minute.
func TestDeadProcesses(t *testing.T) {
	t.Parallel()
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			s := d.open(t)
			one, two := uuid.NewString(), uuid.NewString()
			wait := func(seconds int) {
				t.Helper()
				if _, err := s.Writer().ExecContext(t.Context(), ageProcesses[d.name], seconds); err != nil {
					t.Fatal(err)
				}
			}
			beat := func(what, id string, wantAlive, wantRows int) {
				t.Helper()
				alive, _, err := s.Beat(t.Context(), registry.Process{ID: id})
				if err != nil || alive != wantAlive {
					t.Errorf("%s: %d are alive, %v; want %d", what, alive, err, wantAlive)
				}
				if rows := len(column(t, s, "SELECT CAST(id AS text) FROM processes")); rows != wantRows {
					t.Errorf("%s: there are %d rows, want %d", what, rows, wantRows)
				}
			}
			beat("the first", one, 1, 1)
			beat("the second", two, 2, 2)
			wait(14)
			beat("within 15 seconds", one, 2, 2)
			wait(2)
			beat("after 15 seconds", one, 1, 2)
			beat("the second is back", two, 2, 2)
			wait(61)
			beat("after a minute", one, 1, 1)

			// After an outage all beat at once, and each finds all others dead.
			ids := make([]string, 8)
			for round := range 20 {
				var group sync.WaitGroup
				for i := range ids {
					if round == 0 {
						ids[i] = uuid.NewString()
					}
					group.Go(func() {
						if _, _, err := s.Beat(t.Context(), registry.Process{ID: ids[i]}); err != nil {
							t.Error("beat at once:", err)
						}
					})
				}
				group.Wait()
				wait(61)
			}
		})
	}
}
