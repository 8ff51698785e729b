package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

// postgresConns is the default bound on connections. PostgreSQL allows 100 in
// all; this leaves room for some replicas and for the operator.
const postgresConns = 10

const (
	// migrationLease is how long the lock of a process that was killed while it
	// changed the schema keeps others waiting. Alive, a process renews it.
	migrationLease = 15 * time.Second
	// migrationPoll is how often others look whether the lock is free, and
	// migrationPolls how often at most: for five minutes.
	migrationPoll  = 200 * time.Millisecond
	migrationPolls = 1500
)

// postgresSettings bound what a statement, a lock and an idle transaction may
// hold up. A URL that sets one of them itself has its way. A pooler passes none
// of them on: there they belong to the role.
func postgresSettings() map[string]string {
	return map[string]string{
		"application_name":                    "modelproviders",
		"statement_timeout":                   "10s",
		"lock_timeout":                        "5s",
		"idle_in_transaction_session_timeout": "30s",
	}
}

// openPostgres opens a PostgreSQL database. The pool finds out about broken
// connections by itself, so that the store recovers when the server is back.
func openPostgres(ctx context.Context, c Config, log *slog.Logger) (engine, int64, error) {
	config, err := pgx.ParseConfig(c.DatabaseURL)
	if err != nil {
		return engine{}, 0, fmt.Errorf("read the database URL: %w", err) // pgx leaves the password out
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	if c.Pooler && config.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe // prepares nothing by name
	}
	unbounded := config.Copy() // a migration may last longer than a statement of the service
	if !c.Pooler {
		for name, value := range postgresSettings() {
			if _, set := config.RuntimeParams[name]; !set {
				config.RuntimeParams[name] = value
			}
		}
	}
	if c.MaxConns <= 0 { // to database/sql that is no bound at all
		c.MaxConns = postgresConns
	}
	conns := newPostgresPool(*config, c.MaxConns)
	schema, err := openSchema(ctx, goose.DialectPostgres, conns, c.Existing, func() error { return migratePostgres(ctx, *unbounded, log) })
	if err != nil {
		err = fmt.Errorf("open the database %s at %s: %w", config.Database, config.Host, err)
		return engine{}, 0, errors.Join(err, conns.db.Close())
	}
	pool, err := newPool(postgres.New(postgres.Config{Conn: conns, WithoutReturning: true}))
	if err != nil {
		return engine{}, 0, errors.Join(err, conns.db.Close())
	}
	return engine{
		writer: pool, reader: pool, statements: postgresStatements(), tryLock: tryLockPostgres,
		classify: classifyPostgres, present: func() error { return nil },
	}, schema, nil
}

// migratePostgres works on connections of its own. Processes take turns by a row
// with a lease, in a table: an advisory lock of the session would be lost behind
// a pooler.
func migratePostgres(ctx context.Context, config pgx.ConnConfig, log *slog.Logger) (err error) {
	conns := newPostgresPool(config, postgresConns)
	defer func() { err = errors.Join(err, conns.db.Close()) }()
	if err := conns.PingContext(ctx); err != nil {
		return err
	}
	locker, err := lock.NewPostgresTableLocker(
		lock.WithTableLeaseDuration(migrationLease), lock.WithTableLockTimeout(migrationPoll, migrationPolls),
		lock.WithTableRetryPolicy(func(err error) bool { // the lock is held; what the server refuses it will refuse again
			var answer *pgconn.PgError
			return !errors.As(err, &answer)
		}),
		lock.WithTableLogger(log))
	if err != nil {
		return err
	}
	if err := locker.Lock(ctx, conns.db); err != nil {
		return fmt.Errorf("wait for other processes that change the schema: %w", err)
	}
	defer func() { err = errors.Join(err, locker.Unlock(ctx, conns.db)) }()
	return migrate(ctx, goose.DialectPostgres, conns.db, log)
}

// tryLockPostgres takes an advisory lock
// (https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADVISORY-LOCKS).
func tryLockPostgres(ctx context.Context, tx gorm.ConnPool, number int64) (locked bool, err error) {
	err = tx.QueryRowContext(ctx, "SELECT pg_try_advisory_xact_lock($1)", number).Scan(&locked)
	return locked, err
}

// classifyPostgres sorts errors by SQLSTATE
// (https://www.postgresql.org/docs/current/errcodes-appendix.html) and those of
// the connection.
func classifyPostgres(err error) class {
	var refused *pgconn.ConnectError
	var answer *pgconn.PgError
	switch {
	case errors.As(err, &refused):
		if errors.As(err, &answer) && answer.Code == pgTooManyConnections {
			return crowded
		}
		return away // whatever the server says of it: it let us in before
	case errors.As(err, &answer):
		if strings.HasSuffix(answer.ConstraintName, "_pkey") {
			return unknown // ids are ours: no request can make one twice
		}
		return classifySQLState(answer.Code)
	case connectionLost(err):
		return away
	}
	return unknown
}

func classifySQLState(code string) class {
	switch code {
	case pgUniqueViolation:
		return duplicate
	case pgSerializationFailure, pgDeadlockDetected:
		return collision
	case pgLockNotAvailable, pgQueryCanceled, pgIdleInTransactionTimeout:
		return busy
	case pgReadOnlyTransaction: // a primary that became a standby
		return away
	}
	for _, class := range []string{"08", "53", "57P", "58"} { // connection, resources, shutdown, system
		if strings.HasPrefix(code, class) {
			return away
		}
	}
	return unknown
}

// The SQLSTATEs that are told apart.
const (
	pgUniqueViolation          = "23505"
	pgReadOnlyTransaction      = "25006"
	pgIdleInTransactionTimeout = "25P03"
	pgSerializationFailure     = "40001"
	pgDeadlockDetected         = "40P01"
	pgTooManyConnections       = "53300"
	pgLockNotAvailable         = "55P03"
	pgQueryCanceled            = "57014"
)

// connectionLost reports whether an error is the network's or a closed
// connection's.
func connectionLost(err error) bool {
	var network net.Error
	return errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone)
}
