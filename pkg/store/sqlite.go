package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	sqliteReaders   = 8 // default number of connections that read; more are hardly faster
	sqliteLockRetry = 20 * time.Millisecond
)

// openSQLite opens a SQLite file. In WAL mode readers and the one writer don't
// wait for each other. The writer's pool has a single connection, so that
// transactions wait in Go instead of polling for the lock of the file. Other
// processes have that lock only briefly.
func openSQLite(ctx context.Context, c Config, log *slog.Logger) (e engine, schema int64, err error) {
	path, err := filepath.Abs(c.SQLitePath)
	if err != nil {
		return e, 0, fmt.Errorf("could not find the SQLite file: %w", err)
	}
	// One process at a time turns a new file into a database.
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, sqliteLockRetry); err != nil {
		return e, 0, fmt.Errorf("could not lock the SQLite file %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()

	_, missing := os.Stat(path + "-wal")
	file, err := makePrivate(path)
	if err != nil {
		return e, 0, fmt.Errorf("could not create the SQLite file %s: %w", path, err)
	}
	exists := func() error {
		if now, err := os.Stat(path); err != nil {
			return err
		} else if !os.SameFile(now, file) {
			return fmt.Errorf("%s was replaced by another file; restart the program to open the new file", path)
		}
		return nil
	}
	readers := c.MaxConns
	if readers <= 0 { // database/sql would take it for unlimited
		readers = sqliteReaders
	}
	batches := &batches{lasts: batchTime, exists: exists}
	prepare := preparing{ran: c.ran, undone: func() { batches.open = false }}
	if batches.db, err = sqlitePool(path, 1, prepare, "&_txlock=immediate&_journal_mode=WAL"); err != nil {
		return e, 0, err
	}
	reader, err := sqlitePool(path, readers, preparing{ran: c.ran}, "&_query_only=on")
	if err != nil {
		return e, 0, errors.Join(err, batches.db.Close())
	}
	e = engine{
		pools:  map[string]*sql.DB{"sqlite_reader": reader, "sqlite_writer": batches.db},
		writer: batches.db, reader: reader, batches: batches,
		dialect: sqliteDialect(), classify: classifySQLite, exists: exists, path: path,
	}
	schema, err = openSchema(ctx, goose.DialectSQLite3, batches.db, c, func() error {
		return migrate(ctx, goose.DialectSQLite3, batches.db, log)
	})
	if err == nil {
		err = warnOfCopy(ctx, batches.db, missing == nil, log)
	}
	if err != nil {
		return e, 0, errors.Join(fmt.Errorf("could not open the SQLite file %s: %w", path, err), e.close())
	}
	return e, schema, nil
}

// makePrivate creates the file if there is none, and lets only its owner read it.
// SQLite creates the files next to it (-wal, -shm) with the same mode.
func makePrivate(path string) (fs.FileInfo, error) {
	file, err := os.OpenFile(filepath.Clean(path), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			err = os.Chmod(path+suffix, 0o600)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return file.Stat()
}

// sqliteSettings are the settings of every connection. With synchronous=FULL a
// commit survives a power cut, as in PostgreSQL. With NORMAL the last ones could be
// lost, and a revoked token would be valid again.
const sqliteSettings = "_busy_timeout=5000" + // milliseconds
	"&_foreign_keys=on&_synchronous=FULL&_defensive=1&_dqs=0&_error_rc=1&_time_integer_format=unix_milli"

// sqlitePool opens a pool of connections with more settings.
func sqlitePool(path string, conns int, prepare preparing, more string) (pool *sql.DB, err error) {
	// An escaped URI allows any character in the path.
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + sqliteSettings + more
	if prepare.Connector, err = sqlite.NewConnector(dsn); err != nil {
		return nil, fmt.Errorf("could not open the SQLite file %s: %w", path, err)
	}
	pool = sql.OpenDB(prepare)
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	return pool, nil
}

// classifySQLite sorts errors by SQLite's result codes
// (https://www.sqlite.org/rescode.html).
func classifySQLite(err error) class {
	var e *sqlite.Error
	switch {
	case errors.As(err, &e):
	case closed(err), errors.Is(err, errUndone):
		return away
	default:
		return unknown
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE: // a primary key has another code
		return duplicate
	case sqlite3.SQLITE_IOERR_SHMSIZE: // the file next to the database could not grow
		return full
	}
	switch e.Code() & 0xff { // without the extension
	case sqlite3.SQLITE_FULL:
		return full
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return damaged
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return busy
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM:
		return away
	}
	return unknown
}
