package store

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
)

// openSQLiteReadOnly opens a SQLite file. It creates and changes nothing.
func openSQLiteReadOnly(c Config) (e engine, err error) {
	if e.path, err = filepath.Abs(c.SQLitePath); err != nil {
		return e, err
	}
	if _, err := os.Stat(e.path); err != nil {
		return e, fmt.Errorf("could not find the database: %w", err)
	}
	db, err := sqlitePool(e.path, 1, preparing{ran: c.ran}, "&_query_only=on"+keepingFiles(e.path))
	if err != nil {
		return e, err
	}
	e.pools, e.writer, e.reader = map[string]*sql.DB{"sqlite_reader": db}, db, db
	e.dialect, e.classify, e.exists = sqliteDialect(), classifySQLite, func() error { return nil }
	e.batches = &batches{db: db, lasts: batchTime, exists: e.exists}
	return e, nil
}

// keepingFiles is how to open a SQLite file that another process may be using, or that
// was left by one that was killed, without changing which files there are. SQLite
// removes a -wal file that it may write when the last connection is closed, and
// otherwise leaves the one that it creates.
func keepingFiles(path string) (settings string) {
	if _, err := os.Stat(path + "-wal"); err == nil {
		return "&mode=ro"
	}
	return "&mode=rw"
}
