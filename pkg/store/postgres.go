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
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// postgresConns is the default limit on connections. PostgreSQL allows 100 in total,
// so that several replicas and the operator can connect.
const postgresConns = 10

// Processes take turns to migrate. The lock of one that was killed expires after
// migrationLease; others try to take it every migrationPoll, for five minutes.
const (
	migrationLease = 15 * time.Second
	migrationPoll  = 200 * time.Millisecond
	migrationPolls = 1500
)

// postgresSettings bound how long a statement, a lock and an idle transaction may
// take. A URL can override them. A pooler does not pass them on; with a
// pooler they must be settings of the role.
func postgresSettings() map[string]string {
	return map[string]string{
		"application_name":                    "modelproviders",
		"statement_timeout":                   "10s",
		"lock_timeout":                        "5s",
		"idle_in_transaction_session_timeout": "30s",
	}
}

// openPostgres opens a PostgreSQL database. The pool replaces broken connections,
// so the store recovers when the server is back.
func openPostgres(ctx context.Context, c Config, log *slog.Logger) (engine, int64, error) {
	config, err := parseURL(c.DatabaseURL)
	if err != nil {
		return engine{}, 0, err
	}
	// A server that takes no writes may be a former primary. A new connection may reach
	// the present one.
	closeOnError := config.OnPgError
	config.OnPgError = func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		return err.Code != readOnlyTransaction && closeOnError(conn, err)
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	if c.Pooler && config.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe // prepares no named statements
	}
	unbounded := config.Copy() // a migration may last longer than other statements
	if !c.Pooler {
		for name, value := range postgresSettings() {
			if _, set := config.RuntimeParams[name]; !set {
				config.RuntimeParams[name] = value
			}
		}
		if c.ReadOnly {
			config.RuntimeParams["default_transaction_read_only"] = "on"
		}
	}
	if c.MaxConns <= 0 { // database/sql would take it for unlimited
		c.MaxConns = postgresConns
	}
	pool := newPostgresPool(*config, c.MaxConns)
	var schema int64
	if err = pool.connect(ctx); err == nil {
		schema, err = openSchema(ctx, goose.DialectPostgres, pool.DB, c, func() error {
			if err := migratePostgres(ctx, *unbounded, log); err != nil {
				return err
			}
			return pool.connect(ctx) // the idle connection may have been closed during the migration
		})
	}
	if err != nil {
		err = fmt.Errorf("could not open the database %s at %s: %w", config.Database, config.Host, err)
		return engine{}, 0, errors.Join(err, pool.Close())
	}
	var listen *pgx.ConnConfig
	if !c.Pooler {
		listen = config
	}
	return engine{
		pools:  map[string]*sql.DB{"postgres": pool.DB},
		writer: pool.DB, reader: pool.DB, pool: pool, listen: listen, dialect: postgresDialect(),
		classify: classifyPostgres, exists: func() error { return nil },
	}, schema, nil
}

// CheckURL checks a URL for [Config.DatabaseURL]. It does not connect. Its error contains
// no password.
func CheckURL(address string) error {
	_, err := parseURL(address)
	return err
}

func parseURL(address string) (*pgx.ConnConfig, error) {
	if !strings.HasPrefix(address, "postgres://") && !strings.HasPrefix(address, "postgresql://") {
		return nil, errors.New("the database URL must begin with postgres:// or postgresql://")
	}
	if !isDatabaseURL(address) {
		return nil, errors.New("the database URL is not valid; write it as postgres://user:password@host:port/database, " +
			"and percent-encode special characters in the password: # as %23, / as %2F, ? as %3F, @ as %40")
	}
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("could not read the database URL: %w", err) // pgx leaves the password out
	}
	return config, nil
}

// isDatabaseURL reports whether a URL is parsed as intended. In other URLs, a part of
// the password could be parsed as something else, and errors would contain it.
func isDatabaseURL(address string) bool {
	u, err := url.Parse(address)
	ats := 0 // not those in `?user=me@directory`
	if u != nil && !u.Query().Has("user") {
		ats = strings.Count(address, "@")
	}
	return err == nil && u.Fragment == "" && (ats == 0 || ats == 1 && u.User != nil)
}

// migratePostgres uses separate connections. The lock is a row with a lease, because
// an advisory lock of a session would be lost behind a pooler.
func migratePostgres(ctx context.Context, config pgx.ConnConfig, log *slog.Logger) (err error) {
	pool := newPostgresPool(config, postgresConns)
	defer func() { err = errors.Join(err, pool.Close()) }()
	if err := pool.connect(ctx); err != nil {
		return err
	}
	locker, err := lock.NewPostgresTableLocker(
		lock.WithTableLeaseDuration(migrationLease), lock.WithTableLockTimeout(migrationPoll, migrationPolls),
		lock.WithTableRetryPolicy(func(err error) bool { // retry while the lock is held, not after an error of the server
			var answer *pgconn.PgError
			return !errors.As(err, &answer)
		}),
		lock.WithTableLogger(log))
	if err != nil {
		return err
	}
	if err := locker.Lock(ctx, pool.DB); err != nil {
		return fmt.Errorf("could not lock the schema, which another process is migrating: %w", err)
	}
	defer func() { err = errors.Join(err, locker.Unlock(ctx, pool.DB)) }()
	return migrate(ctx, goose.DialectPostgres, pool.DB, log)
}

// classifyPostgres sorts errors of the server and of the connection.
func classifyPostgres(err error) class {
	var refused *pgconn.ConnectError
	var answer *pgconn.PgError
	switch {
	case errors.As(err, &refused):
		if errors.As(err, &answer) && answer.Code == tooManyConnections {
			return crowded
		}
		return away // for any reason, because the server has accepted a connection before
	case errors.As(err, &answer):
		if strings.HasSuffix(answer.ConstraintName, "_pkey") {
			return unknown // no request can cause the same id twice
		}
		return classifySQLState(answer.Code)
	case connectionLost(err):
		return away
	}
	return unknown
}

const (
	tooManyConnections  = "53300"
	readOnlyTransaction = "25006" // the server is a standby, or the database takes no writes
)

// classifySQLState sorts SQLSTATEs
// (https://www.postgresql.org/docs/current/errcodes-appendix.html).
func classifySQLState(code string) class {
	for _, known := range []struct {
		prefix string
		class  class
	}{
		{"23505", duplicate}, // unique_violation
		{readOnlyTransaction, away},
		{"25P03", busy},      // idle_in_transaction_session_timeout
		{"40001", collision}, // serialization_failure
		{"40P01", collision}, // deadlock_detected
		{"53100", full},      // disk_full
		{"55P03", busy},      // lock_not_available
		{"57014", busy},      // query_canceled
		{"08", away},         // connection exceptions
		{"53", away},         // insufficient resources
		{"57P", away},        // shutdown
		{"58", away},         // system errors
	} {
		if strings.HasPrefix(code, known.prefix) {
			return known.class
		}
	}
	return unknown
}

// connectionLost reports whether an error comes from the network or a closed
// connection.
func connectionLost(err error) bool {
	var network net.Error
	return errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, driver.ErrBadConn) || closed(err)
}
