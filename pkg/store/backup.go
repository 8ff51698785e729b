package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"
)

// Backup copies the SQLite database of a configuration to a new file and returns the
// size of the copy. The copy contains everything that was committed before. Other
// processes may read and write the database meanwhile. If Backup fails, there is no file.
//
// The copy is written by one statement in one read transaction. In WAL mode that delays
// no writer, and it takes the memory of one connection.
func Backup(ctx context.Context, c Config, to string) (size int64, err error) {
	if to, err = filepath.Abs(to); err != nil {
		return 0, err
	}
	if _, err := os.Lstat(to); err == nil {
		return 0, fmt.Errorf("%s exists already; give the backup another name", to)
	}
	from, err := filepath.Abs(c.SQLitePath)
	if err != nil {
		return 0, err
	}
	file, err := os.CreateTemp(filepath.Dir(to), "."+filepath.Base(to)+".*") // mode 0600
	if err != nil {
		return 0, fmt.Errorf("could not create the backup: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("could not back up the database: %w", err), os.Remove(file.Name()))
		}
	}()
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := copySQLite(ctx, from, file.Name()); err != nil {
		return 0, err
	}
	if err := finishCopy(ctx, file.Name()); err != nil {
		return 0, err
	}
	info, err := file.Stat()
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = os.Rename(file.Name(), to)
	}
	if err != nil {
		return 0, err
	}
	if err := syncDir(filepath.Dir(to)); err != nil {
		return 0, errors.Join(err, os.Rename(to, file.Name())) // to be removed
	}
	return info.Size(), nil
}

// copySQLite copies a database to an empty file.
func copySQLite(ctx context.Context, from, to string) (err error) {
	db, err := sqlitePool(from, 1, preparing{}, keepingFiles(from))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	version, err := storedVersion(ctx, goose.DialectSQLite3, db)
	if err == nil && version == 0 {
		err = fmt.Errorf("%s: %w", from, ErrNoSchema)
	}
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "VACUUM INTO $1", to)
	return err
}

// finishCopy checks a copy and removes from it the processes that serve the original.
func finishCopy(ctx context.Context, path string) (err error) {
	db, err := sqlitePool(path, 1, preparing{}, "&mode=rw&_journal_mode=MEMORY") // creates no files next to it
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, "DELETE FROM processes; "+unmark); err != nil {
		return err
	}
	if err := quickCheck(ctx, db); err != nil {
		return fmt.Errorf("the copy is not sound: %w", err)
	}
	return nil
}

// syncDir flushes a directory, so that new names in it survive a crash.
func syncDir(dir string) error {
	d, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
