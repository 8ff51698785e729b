// Package store keeps providers, models, credentials, API tokens and audit
// events in SQLite or PostgreSQL, and is the only package that knows GORM.
//
// One schema, written once for each database under migrations/, holds the same
// values in the same order on both: text compares by bytes, times are whole
// milliseconds, and what is sorted or searched was folded in Go.
//
// Every row belongs to a workspace. What each request needs is SQL, run on the
// driver with the workspace as its first parameter (statement.go); the rest is
// built by GORM on a handle that carries the workspace ([Store.read],
// [Store.write]): a hook adds the condition to it, and refuses a statement without
// a workspace, so none can forget it (scope.go).
//
// Lists are read along an index, from a position on, without a count or an
// offset: a page costs the same wherever it is in a list of whatever length
// (page.go).
//
// Errors leave as faults, translated once (errors.go). No call lasts longer
// than [callTimeout].
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/registry"
)

// callTimeout bounds each call into the store: waiting for a connection, for
// locks and for all statements of one transaction. PostgreSQL also bounds each
// statement by itself; see postgres.go.
const callTimeout = 30 * time.Second

// Config says which database to open.
type Config struct {
	// DatabaseURL is a postgres:// or postgresql:// URL. Empty means SQLite.
	DatabaseURL string
	// SQLitePath is the SQLite file, made when there is none. Its directory
	// must exist.
	SQLitePath string
	// MaxConns bounds the open connections; 0 leaves the choice to the store. On
	// SQLite it bounds those that read; one more writes.
	MaxConns int
	// Pooler says that a pooler, such as PgBouncer, hands a connection to
	// PostgreSQL from transaction to transaction: none has settings of ours, and
	// nothing is prepared on one.
	Pooler bool
	// Existing refuses a database that holds nothing of ours, rather than
	// beginning one.
	Existing bool
	// Logger is told of migrations and of repeated transactions; nil is silence.
	Logger *slog.Logger

	ran func(statement string) // hears of each statement on SQLite; tests count them
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	engine engine
	log    *slog.Logger
	schema int64 // the schema version that this program knows
}

var (
	_ registry.Store            = (*Store)(nil)
	_ registry.IdempotencyStore = (*Store)(nil)
	_ auth.Store                = (*Store)(nil)
	_ audit.Store               = (*Store)(nil)
)

// engine is what differs between the databases.
type engine struct {
	// writer runs transactions; reader runs what only reads. They are one pool
	// on PostgreSQL.
	writer, reader *gorm.DB
	// batches runs the transactions of SQLite; nil where a transaction is by
	// itself.
	batches *batches
	statements
	// tryLock takes a lock by number for the rest of a transaction, unless another
	// has it, and reports whether it did. Nil: transactions run one at a time.
	tryLock func(ctx context.Context, tx gorm.ConnPool, number int64) (bool, error)
	// classify sorts the errors of the driver.
	classify func(error) class
	// present reports, as an error, that the database is no longer the one that
	// was opened.
	present func() error
}

// Open opens the database, brings its schema up to date, and verifies it. Of
// several processes that open an empty database at once, one makes the schema.
// A database whose schema is newer than the program is refused.
func Open(ctx context.Context, c Config) (*Store, error) {
	s := &Store{log: c.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	switch {
	case c.DatabaseURL == "" && c.SQLitePath == "":
		return nil, errors.New("no database: give a PostgreSQL URL or the path of a SQLite file")
	case c.DatabaseURL == "":
		s.engine, s.schema, err = openSQLite(ctx, c, s.log)
	case strings.HasPrefix(c.DatabaseURL, "postgres://"), strings.HasPrefix(c.DatabaseURL, "postgresql://"):
		s.engine, s.schema, err = openPostgres(ctx, c, s.log)
	default:
		return nil, errors.New("the database URL must begin with postgres:// or postgresql://")
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Close closes the connections. Calls that are under way fail.
func (s *Store) Close() error {
	return closeAll(s.engine.writer, s.engine.reader)
}

func closeAll(pools ...*gorm.DB) error {
	errs := make([]error, 0, len(pools))
	for _, pool := range pools {
		db, err := pool.DB()
		if err == nil {
			err = db.Close()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// SchemaCurrent returns an error unless the schema is the one that this program
// knows: unavailable when the database cannot be read.
func (s *Store) SchemaCurrent(ctx context.Context) error {
	version, err := s.schemaVersion(ctx)
	if err != nil {
		return err
	}
	if version != s.schema {
		return fmt.Errorf("the database's schema has version %d, this program works with %d", version, s.schema)
	}
	return nil
}

// newPool makes a GORM handle over a pool. It never logs: SQL comes with values.
func newPool(dialector gorm.Dialector) (*gorm.DB, error) {
	pool, err := gorm.Open(dialector, &gorm.Config{
		Logger:                 logger.Discard,
		SkipDefaultTransaction: true, // InTx opens them
		QueryFields:            true, // a column that a newer program adds changes no query
		DisableAutomaticPing:   true,
	})
	if err != nil {
		return nil, err
	}
	return pool, registerScope(pool)
}
