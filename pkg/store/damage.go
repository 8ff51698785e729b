package store

import (
	"context"
	"database/sql"
	"errors"
	"os"
)

// DamageError says that a SQLite file is damaged. Its text names pages and tables, and
// no values.
type DamageError struct{ Found string }

func (e *DamageError) Error() string { return "the SQLite file is damaged: " + e.Found }

// quickCheckFile checks the structure of a SQLite file. It opens the file itself,
// because other connections have pages in memory.
func quickCheckFile(ctx context.Context, path, settings string) (err error) {
	_, db, err := sqlitePool(path, 1, preparing{}, "&_query_only=on"+settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return quickCheck(ctx, db)
}

// quickCheck returns a [DamageError] for the first damage that it finds.
func quickCheck(ctx context.Context, db *sql.DB) error {
	var found string
	err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&found)
	switch {
	case err != nil && ctx.Err() == nil && classifySQLite(err) == damaged:
		return &DamageError{Found: err.Error()}
	case err != nil:
		return err
	case found != "ok":
		return &DamageError{Found: found}
	}
	return nil
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
