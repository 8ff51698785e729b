package store

import (
	"database/sql/driver"
	"fmt"
	"time"
)

// moment is a time as a column keeps it: UTC, whole milliseconds. PostgreSQL has
// a type for it; SQLite keeps Unix milliseconds, which its driver makes of a time.
type moment struct{ time.Time }

func newMoment(t time.Time) moment { return moment{t.UTC().Truncate(time.Millisecond)} }

// newMomentOrNil is newMoment for a column that may be null.
func newMomentOrNil(t *time.Time) *moment {
	if t == nil {
		return nil
	}
	m := newMoment(*t)
	return &m
}

// orNil is the time of a column that may be null.
func (m *moment) orNil() *time.Time {
	if m == nil {
		return nil
	}
	return &m.Time
}

// Scan implements [sql.Scanner].
func (m *moment) Scan(value any) error {
	switch v := value.(type) {
	case time.Time:
		m.Time = v.UTC()
	case int64:
		m.Time = time.UnixMilli(v).UTC()
	default:
		return fmt.Errorf("%T is not a time", value)
	}
	return nil
}

// Value implements [driver.Valuer].
func (m moment) Value() (driver.Value, error) { return m.Time, nil }

// ceilMillis is the first whole millisecond that is not before t.
func ceilMillis(t time.Time) time.Time {
	return t.Add(time.Millisecond - time.Nanosecond).Truncate(time.Millisecond)
}
