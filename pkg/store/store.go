// Package store keeps providers, models, credentials, API tokens and audit
// events in SQLite or PostgreSQL.
//
// The schema is written once for each database under migrations/. Both hold the
// same values in the same order: text compares by bytes, times are whole
// milliseconds, and what is sorted or searched was folded in Go.
//
// Every row belongs to a workspace. Frequent statements are handwritten SQL whose
// first parameter is the workspace (statement.go); GORM builds the others.
//
// Lists are read along an index, beginning at a position, without a count or an
// offset. A page therefore takes the same time anywhere in a list (page.go).
//
// Errors are translated to faults once (errors.go). No call lasts longer than
// [callTimeout].
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/auth"
	"modelproviders/pkg/registry"
)

// callTimeout bounds each call into the store, including the wait for a connection
// and for locks. PostgreSQL also bounds each statement; see postgres.go.
const callTimeout = 30 * time.Second

// Config says which database to open.
type Config struct {
	DatabaseURL string // postgres:// or postgresql://; empty means SQLite
	SQLitePath  string // the SQLite file, created if there is none; its directory must exist
	// MaxConns limits the open connections; 0 means the default of the store. On
	// SQLite it limits the connections that read; one more connection writes.
	MaxConns int
	// Pooler means that PostgreSQL is behind a pooler, such as PgBouncer, that assigns
	// connections to transactions. Settings and prepared statements are then lost.
	Pooler   bool
	Existing bool         // refuse an empty database instead of creating a schema
	Webhooks bool         // a receiver of webhooks is told of changes
	ReadOnly bool         // create and change nothing, even if the schema is not current
	Logger   *slog.Logger // may be nil

	ran func(statement string) // called with each statement on SQLite, for tests
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	engine engine
	gorm   *gorm.DB // builds statements; see [Store.build]
	log    *slog.Logger
	schema int64       // the schema version that this program knows
	full   atomic.Bool // a write failed because the disk is full, and none has succeeded since
	beaten atomic.Bool // Beat was called

	unnumbered unnumbered
	webhooks   bool // a receiver of webhooks is told of changes

	combined sync.Map // texts of [Store.combine]
}

var (
	_ registry.Store            = (*Store)(nil)
	_ registry.IdempotencyStore = (*Store)(nil)
	_ registry.KeyStore         = (*Store)(nil)
	_ registry.WebhookStore     = (*Store)(nil)
	_ registry.HealthCheckStore = (*Store)(nil)
	_ auth.Store                = (*Store)(nil)
	_ audit.Store               = (*Store)(nil)
)

// engine contains what differs between the databases.
type engine struct {
	pools   map[string]*sql.DB // by name, for their statistics
	writer  *sql.DB            // the pool for transactions
	reader  gorm.ConnPool      // the pool for everything else; the same on PostgreSQL
	batches *batches           // runs the transactions of SQLite; else nil
	pool    *postgresPool      // of PostgreSQL; else nil
	listen  *pgx.ConnConfig    // of a connection that gets notifications; nil: there are none
	dialect
	classify func(error) class // sorts the errors of the driver
	exists   func() error      // returns an error when the database is no longer the one that was opened
	path     string            // of the SQLite file
}

// Open opens the database and migrates its schema. Several processes may do so at
// once. It refuses a database whose schema is newer than the program.
func Open(ctx context.Context, c Config) (*Store, error) {
	s := &Store{log: c.Logger, webhooks: c.Webhooks}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	var err error
	switch {
	case c.DatabaseURL == "" && c.SQLitePath == "":
		return nil, errors.New("no database is configured; set a PostgreSQL URL or the path of a SQLite file")
	case c.DatabaseURL == "" && c.ReadOnly:
		if s.engine, err = openSQLiteReadOnly(c); err == nil {
			s.schema, err = knownVersion(goose.DialectSQLite3)
		}
	case c.DatabaseURL == "":
		s.engine, s.schema, err = openSQLite(ctx, c, s.log)
	default:
		s.engine, s.schema, err = openPostgres(ctx, c, s.log)
	}
	if err != nil {
		return nil, err
	}
	s.unnumbered.wake = make(chan struct{}, 1)
	if s.gorm, err = newHandle(s.engine); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close closes the connections. Calls under way may return unavailable.
func (s *Store) Close() error {
	return s.engine.close()
}

func (e engine) close() error {
	var errs []error
	for _, pool := range e.pools {
		errs = append(errs, pool.Close())
	}
	return errors.Join(errs...)
}

// Pools returns the pools of connections by name, for their statistics.
func (s *Store) Pools() map[string]*sql.DB { return s.engine.pools }

// SchemaCurrent returns an error if the schema is older than this program needs. A newer
// one is usable: while processes are replaced one by one, the first new one migrates the
// database, and the old ones go on. It returns unavailable when the database cannot be
// read.
func (s *Store) SchemaCurrent(ctx context.Context) error {
	var version int64
	if _, err := s.one(ctx, newestVersion, nil, &version); err != nil {
		return err
	}
	if version < s.schema {
		return fmt.Errorf("the schema of the database has version %d, but this program needs version %d", version, s.schema)
	}
	return nil
}

// newHandle makes the handle of GORM. SQLite understands what GORM's dialect of PostgreSQL
// writes, except for row locks. GORM's own dialect of SQLite would compile and link
// the SQLite library in C wherever there is a C compiler.
//
// The handle never logs: statements contain values.
func newHandle(e engine) (*gorm.DB, error) {
	handle, err := gorm.Open(postgres.New(postgres.Config{Conn: e.writer, WithoutReturning: true}), &gorm.Config{
		Logger:                 logger.Discard,
		SkipDefaultTransaction: true, // InTx opens them
		QueryFields:            true, // a column that a newer program adds changes no query
		DisableAutomaticPing:   true,
	})
	if err == nil && e.batches != nil { // on SQLite a transaction that writes locks the whole file
		handle.ClauseBuilders["FOR"] = func(clause.Clause, clause.Builder) {}
	}
	return handle, err
}

// build runs a statement that GORM builds, and returns how many rows it changed.
func (s *Store) build(ctx context.Context, name string, fn func(db *gorm.DB) *gorm.DB) (changed int64, err error) {
	err = s.run(ctx, name, func(ctx context.Context, conn gorm.ConnPool) error {
		db := s.gorm.Session(&gorm.Session{NewDB: true, Context: ctx})
		db.Statement.ConnPool = conn
		done := fn(db)
		changed = done.RowsAffected
		return done.Error
	})
	return changed, err
}
