package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
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
	db, err := sqlitePool(path, 1, preparing{}, "&_query_only=on"+keepingFiles(path))
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

// A service marks the SQLite file while it is running, and removes the mark when it
// stops. The mark is a claim.
const (
	mark   = "INSERT INTO claims (name, value) VALUES ('in_use', x'01') ON CONFLICT DO NOTHING"
	unmark = "DELETE FROM claims WHERE name = 'in_use'"
)

// markInUse writes the mark to the SQLite file itself, not only to its -wal file.
func (s *Store) markInUse(ctx context.Context) error {
	if _, err := s.together(ctx, statement{mark, nil}); err != nil {
		return err
	}
	_, err := s.engine.writer.ExecContext(ctx, "PRAGMA wal_checkpoint(PASSIVE)")
	return s.translate(ctx, err)
}

// warnOfCopy warns of a SQLite file that was copied, without its -wal file, from a
// service that was running: the copy has the mark, and lacks the latest changes. If a
// service was killed, the -wal file is still there; then warnOfCopy removes the mark.
func warnOfCopy(ctx context.Context, db *sql.DB, hadWAL bool, log *slog.Logger) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	if hadWAL {
		_, err := db.ExecContext(ctx, unmark+" AND NOT EXISTS (SELECT 1 FROM processes WHERE seen_at >= "+sqliteDialect().secondsAgo(15)+")")
		return err
	}
	var marked bool
	err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM claims WHERE name = 'in_use')").Scan(&marked)
	if marked {
		log.WarnContext(ctx, "the SQLite file may lack the latest changes: it seems to be a copy that was made while the service was running, without the -wal file; "+
			"make such copies with `modelproviders backup`")
	}
	return err
}
