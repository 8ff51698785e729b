package main

import (
	"database/sql"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // registers the driver
)

// inDatabase runs a statement in the SQLite database of a data directory.
func inDatabase(t *testing.T, dir, statement string) {
	t.Helper()
	if _, err := openDatabase(t, dir).Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// countIn counts the rows of a table of the data directory's database.
func countIn(t *testing.T, dir, table string) (n int) {
	t.Helper()
	if err := openDatabase(t, dir).QueryRow("SELECT count(*) FROM " + table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func openDatabase(t *testing.T, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "modelproviders.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}
