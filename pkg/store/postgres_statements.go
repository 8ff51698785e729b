package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// postgresDialect is the SQL of PostgreSQL.
func postgresDialect() dialect {
	return dialect{
		combines: true,
		// https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADVISORY-LOCKS
		tryLock:        "SELECT pg_try_advisory_xact_lock($1)",
		ifFirst:        "EXISTS (SELECT 1 FROM s1)",
		lockedProvider: "s1 p WHERE true",
		// https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
		lockSealingKeys: "LOCK TABLE sealing_keys IN EXCLUSIVE MODE",

		forUpdate:  " FOR UPDATE",
		forShare:   " FOR SHARE",
		skipLocked: " FOR UPDATE OF t SKIP LOCKED",
		recordset: func(table, parameter string, row columns) string {
			return "SELECT " + row.names("") + " FROM jsonb_populate_recordset(NULL::" + table + ", " + parameter + "::jsonb)"
		},
		jsonTime: func(t time.Time) any { return millis(t) },
		inIDs:    func(args *arguments, ids []string) string { return "= ANY(" + args.add(ids) + ")" },
		list: func(args *arguments, values []string) string {
			return "unnest(" + args.add(values) + "::text[]) AS v(value)"
		},
		contains:   "strpos",
		hasStage:   "m.stages @> '{%s}'",
		hasPassed:  "m.stage_checks::jsonb #>> '{%s,status}' = 'passed'",
		secondsAgo: func(seconds int) string { return fmt.Sprintf("(now() - interval '%d seconds')", seconds) },
		inSeconds:  func(parameter string) string { return "(now() + make_interval(secs => " + parameter + "))" },
		indexedBy:  func(string) string { return "" },
		violates: func(err error, constraint, _ string) bool {
			var e *pgconn.PgError
			return errors.As(err, &e) && e.ConstraintName == constraint
		},
	}
}
