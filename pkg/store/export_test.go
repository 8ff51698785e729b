package store

import (
	"database/sql"

	"gorm.io/gorm"
)

// ErrTimeout is the cause of a context that ended at the bound of a call.
var ErrTimeout = errTimeout

// Reader returns the pool that reads.
func (s *Store) Reader() *sql.DB { return pool(s.engine.reader) }

// Writer returns the pool that writes.
func (s *Store) Writer() *sql.DB { return pool(s.engine.writer) }

func pool(handle *gorm.DB) *sql.DB {
	db, err := handle.DB()
	if err != nil {
		panic(err)
	}
	return db
}

// OnQuery has every query reported before it runs.
func (s *Store) OnQuery(report func(sql string, values []any)) {
	err := s.engine.reader.Callback().Query().After("gorm:query").Register("test:query", func(db *gorm.DB) {
		report(db.Statement.SQL.String(), db.Statement.Vars)
	})
	if err != nil {
		panic(err)
	}
}
