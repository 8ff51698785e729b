package store

import (
	"context"
	"database/sql"

	"gorm.io/gorm"
)

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

// Recorded is a statement that ran.
type Recorded struct {
	SQL  string
	Args []any
}

// Record has every statement outside transactions noted that ran since.
func (s *Store) Record() *[]Recorded {
	noted := &[]Recorded{}
	pool := s.engine.reader.Statement.ConnPool
	s.engine.reader.Statement.ConnPool = recorder{pool, noted}
	return noted
}

type recorder struct {
	gorm.ConnPool
	noted *[]Recorded
}

func (r recorder) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	*r.noted = append(*r.noted, Recorded{query, args})
	return r.ConnPool.QueryContext(ctx, query, args...)
}

// GetDBConn implements [gorm.GetDBConnector].
func (r recorder) GetDBConn() (*sql.DB, error) { return r.ConnPool.(*sql.DB), nil }
