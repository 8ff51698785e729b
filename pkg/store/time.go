package store

import (
	"database/sql/driver"
	"fmt"
	"time"
)

// moment is a time as a column stores it. PostgreSQL has a type for it; SQLite
// stores Unix milliseconds.
type moment time.Time

// Scan implements [sql.Scanner].
func (m *moment) Scan(value any) error {
	switch v := value.(type) {
	case time.Time:
		*m = moment(v.UTC())
	case int64:
		*m = moment(time.UnixMilli(v).UTC())
	default:
		return fmt.Errorf("%T is not a time", value)
	}
	return nil
}

// Value implements [driver.Valuer].
func (m moment) Value() (driver.Value, error) { return millis(time.Time(m)), nil }

// timeOf is zero for nil.
func timeOf(m *moment) time.Time {
	if m == nil {
		return time.Time{}
	}
	return time.Time(*m)
}

// millis is the precision that times are stored with: UTC, whole milliseconds.
func millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// ceilMillis is the first whole millisecond that is not before t.
func ceilMillis(t time.Time) moment {
	return moment(t.Add(time.Millisecond - time.Nanosecond).Truncate(time.Millisecond))
}
