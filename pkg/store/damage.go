package store

import (
	"context"
	"database/sql"
	"errors"
)

// DamageError says that a SQLite file is damaged. Its text names pages and tables, and
// no values.
type DamageError struct{ Found string }

func (e *DamageError) Error() string { return "the SQLite file is damaged: " + e.Found }

// QuickCheck checks the structure of a SQLite file, which takes as long as reading it. It
// returns a [DamageError], or nil for PostgreSQL. It opens the file itself, because
// other connections have pages in memory.
func (s *Store) QuickCheck(ctx context.Context) (err error) {
	path := s.engine.path
	if path == "" {
		return nil
	}
	_, db, err := sqlitePool(path, 1, preparing{}, "&_query_only=on"+keepingFiles(path))
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
