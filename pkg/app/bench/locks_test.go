package bench_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// lockWatch samples the waits for locks in PostgreSQL.
type lockWatch struct {
	b       *testing.B
	db      *sql.DB
	samples int
	seen    map[string]int // waits, by the kind of lock and the query
}

func newLockWatch(b *testing.B, db *sql.DB) *lockWatch {
	return &lockWatch{b: b, db: db, seen: map[string]int{}}
}

// during takes a sample every 20 ms while a load runs.
func (w *lockWatch) during(run load) load {
	return func(d time.Duration) (figures, error) {
		ctx, cancel := context.WithCancel(w.b.Context())
		done := make(chan error)
		go func() {
			var err error
			for err == nil && ctx.Err() == nil {
				err = w.sample()
				time.Sleep(20 * time.Millisecond)
			}
			done <- err
		}()
		f, err := run(d)
		cancel()
		if failed := <-done; err == nil {
			err = failed
		}
		return f, err
	}
}

func (w *lockWatch) sample() error {
	waits, err := query(w.b.Context(), &database{reader: w.db}, func(rows *sql.Rows) (string, error) {
		var lock, text string
		err := rows.Scan(&lock, &text)
		text = strings.Join(strings.Fields(text), " ")
		return lock + " in " + text[:min(len(text), 60)], err
	}, "SELECT wait_event, query FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
	for _, wait := range waits {
		w.seen[wait]++
	}
	w.samples++
	return err
}

// String lists the waits by the kind of lock and the query.
func (w *lockWatch) String() string {
	if len(w.seen) == 0 {
		return fmt.Sprintf("none in %d samples", w.samples)
	}
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(w.seen)) {
		kinds = append(kinds, fmt.Sprintf("%d × %s", w.seen[kind], kind))
	}
	return fmt.Sprintf("in %d samples %s", w.samples, strings.Join(kinds, "; "))
}
