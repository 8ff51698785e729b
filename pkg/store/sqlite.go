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
	"gorm.io/gorm"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	// sqliteReaders is how many connections read at once by default. Readers
	// share one file cache of the operating system, so more gain little.
	sqliteReaders = 8
	// sqliteLockRetry is how often another process's work on the schema is
	// looked after.
	sqliteLockRetry = 20 * time.Millisecond
)

// openSQLite opens a SQLite file. In WAL mode readers and the one writer don't
// keep each other waiting; the writer's pool has a single connection, so that
// transactions queue up in Go and don't poll for the file's lock, which other
// processes hold only for moments.
func openSQLite(ctx context.Context, c Config, log *slog.Logger) (_ engine, schema int64, err error) {
	maxConns := c.MaxConns
	path, err := filepath.Abs(c.SQLitePath)
	if err != nil {
		return engine{}, 0, fmt.Errorf("find the SQLite file: %w", err)
	}
	// One process at a time turns a new file into a database.
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	if _, err := lock.TryLockContext(ctx, sqliteLockRetry); err != nil {
		return engine{}, 0, fmt.Errorf("lock the SQLite file %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()

	file, err := makePrivate(path)
	if err != nil {
		return engine{}, 0, fmt.Errorf("make the SQLite file %s: %w", path, err)
	}
	if maxConns <= 0 { // to database/sql that is no bound at all
		maxConns = sqliteReaders
	}
	batches := &batches{lasts: batchTime}
	writer, err := sqlitePool(path, 1, map[string]string{"_txlock": "immediate", "_journal_mode": "WAL"}, preparing{ran: c.ran}, func() { batches.stands = false })
	if err != nil {
		return engine{}, 0, err
	}
	db, err := writer.DB()
	if err == nil {
		schema, err = openSchema(ctx, goose.DialectSQLite3, db, c.Existing, func() error {
			return migrate(ctx, goose.DialectSQLite3, db, log)
		})
	}
	if err != nil {
		return engine{}, 0, errors.Join(fmt.Errorf("open the SQLite file %s: %w", path, err), closeAll(writer))
	}
	reader, err := sqlitePool(path, maxConns, map[string]string{"_query_only": "on"}, preparing{ran: c.ran}, nil)
	if err != nil {
		return engine{}, 0, errors.Join(err, closeAll(writer))
	}
	batches.writer, batches.db = writer, db
	batches.present = func() error {
		if now, err := os.Stat(path); err != nil {
			return err
		} else if !os.SameFile(now, file) {
			return fmt.Errorf("%s was replaced by another file: restart the program to open that one", path)
		}
		return nil
	}
	return engine{
		writer: writer, batches: batches, reader: reader, statements: sqliteStatements(), classify: classifySQLite,
		present: batches.present,
	}, schema, nil
}

// makePrivate makes the file when there is none, and keeps others from reading
// it. SQLite gives the files that it puts beside it (-wal, -shm) its mode.
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

// sqlitePool opens a pool of connections with the given settings and those that
// each connection needs. SQLite calls undone, unless nil, when it has undone a
// transaction.
//
// synchronous=FULL: a commit survives a power cut, as one of PostgreSQL does.
// NORMAL would be faster and could lose the last ones: a token that was revoked
// would be back. Waiting for a lock ends after busy_timeout (ms).
func sqlitePool(path string, conns int, settings map[string]string, conn preparing, undone func()) (*gorm.DB, error) {
	query := url.Values{
		"_busy_timeout":        {"5000"},
		"_foreign_keys":        {"on"},
		"_synchronous":         {"FULL"},
		"_defensive":           {"1"},
		"_dqs":                 {"0"},
		"_error_rc":            {"1"},
		"_time_integer_format": {"unix_milli"},
	}
	for name, value := range settings {
		query.Set(name, value)
	}
	// As a URI with an escaped path, any character of a path is its own.
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + query.Encode()
	connector, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, fmt.Errorf("open the SQLite file %s: %w", path, err)
	}
	conn.Connector = watched{connector, undone}
	db := sql.OpenDB(conn)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	pool, err := newPool(sqliteDialector{db})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return pool, nil
}

// classifySQLite sorts errors by SQLite's result codes
// (https://www.sqlite.org/rescode.html).
func classifySQLite(err error) class {
	var e *sqlite.Error
	switch {
	case errors.As(err, &e):
	case errors.Is(err, sql.ErrConnDone), errors.Is(err, errUndone):
		return away
	default:
		return unknown
	}
	if e.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE { // a primary key's code is another
		return duplicate
	}
	switch e.Code() & 0xff { // without the extension
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL:
		return busy
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM:
		return away
	}
	return unknown
}
