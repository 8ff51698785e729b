package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"modelproviders/pkg/audit/chain"
)

// postgresStatements is the SQL of PostgreSQL where it differs.
func postgresStatements() statements {
	const models = `jsonb_to_recordset($3::jsonb) AS e(id uuid, model_id text, model_key text, display_name text, name_key text, stages text[],
		enabled boolean, version bigint, created_at timestamptz, updated_at timestamptz)`
	return statements{
		combines: true,
		// https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADVISORY-LOCKS
		tryLock: "SELECT pg_try_advisory_xact_lock($1)",
		insertModels: `INSERT INTO models (workspace, id, provider_id, model_id, model_key, display_name, name_key, stages, enabled, version, created_at, updated_at)
			SELECT $1, e.id, $2::uuid, e.model_id, e.model_key, e.display_name, e.name_key, e.stages, e.enabled, e.version, e.created_at, e.updated_at FROM ` + models,
		updateModels: updateModels + ` FROM ` + models + ` WHERE models.workspace = $1 AND models.provider_id = $2 AND models.id = e.id`,
		linkEvents:   linkPostgres,
		eventsAtOnce: 500,
		// Both skip locked rows: processes that store uses of the same tokens, or that
		// find each other dead after an outage, would deadlock.
		touchTokens: `WITH u AS (
				SELECT t.workspace, t.id, u.at FROM jsonb_to_recordset($1::jsonb) AS u(workspace text, id uuid, at timestamptz)
				JOIN tokens t ON t.workspace = u.workspace AND t.id = u.id
				WHERE t.last_used_at IS NULL OR t.last_used_at < u.at FOR UPDATE OF t SKIP LOCKED
			)
			UPDATE tokens SET last_used_at = u.at FROM u WHERE tokens.workspace = u.workspace AND tokens.id = u.id`,
		beat: []string{`WITH own AS (
				INSERT INTO processes (id, seen_at) VALUES ($1, now()) ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at
			), dead AS (
				DELETE FROM processes WHERE id IN (
					SELECT id FROM processes WHERE id <> $1 AND seen_at < now() - interval '1 minute' FOR UPDATE SKIP LOCKED)
			)
			SELECT 1 + count(*) FROM processes WHERE id <> $1 AND seen_at > now() - interval '15 seconds'`},
		contains:  "strpos",
		hasStage:  "m.stages @> '{%s}'",
		jsonTime:  func(t time.Time) any { return millis(t) },
		forUpdate: " FOR UPDATE",
		indexedBy: func(string) string { return "" },
		inIDs:     func(parameter string) string { return "= ANY(" + parameter + ")" },
		ids:       func(ids []string) any { return ids },
		violates: func(err error, constraint, _ string) bool {
			var e *pgconn.PgError
			return errors.As(err, &e) && e.ConstraintName == constraint
		},
	}
}

// linkPostgres links events with one statement.
func linkPostgres(ctx context.Context, s *Store, workspace string, links []chain.Link) (int64, error) {
	ids, numbers, macs := make([]string, len(links)), make([]int64, len(links)), make([][]byte, len(links))
	for i, link := range links {
		ids[i], numbers[i], macs[i] = link.EntryID, link.Number, link.MAC
	}
	return s.exec(ctx, `UPDATE audit_events SET number = l.number, link_mac = l.mac
		FROM unnest($2::uuid[], $3::bigint[], $4::bytea[]) AS l(id, number, mac)
		WHERE workspace = $1 AND audit_events.id = l.id AND audit_events.number IS NULL`, workspace, ids, numbers, macs)
}
