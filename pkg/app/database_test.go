package app_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // registers the driver
)

// inSQLite runs a statement in the database of a data directory.
func inSQLite(t testing.TB, dir, statement string) {
	t.Helper()
	execute(t, "sqlite", "file:"+filepath.Join(dir, "modelproviders.db")+"?_pragma=busy_timeout(10000)", statement)
}

func execute(t testing.TB, driver, source, statement string) {
	t.Helper()
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%v\n%s", err, statement)
	}
}
