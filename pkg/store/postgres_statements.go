package store

import (
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"modelproviders/pkg/registry"
)

// postgresStatements is the SQL of PostgreSQL where it differs.
func postgresStatements() statements {
	const models = `jsonb_to_recordset($3::jsonb) AS e(id uuid, model_id text, model_key text, display_name text, name_key text, stages text[],
		enabled boolean, version bigint, created_at timestamptz, updated_at timestamptz)`
	return statements{
		combines: true,
		insertModels: `INSERT INTO models (workspace, id, provider_id, model_id, model_key, display_name, name_key, stages, enabled, version, created_at, updated_at)
			SELECT $1, e.id, $2::uuid, e.model_id, e.model_key, e.display_name, e.name_key, e.stages, e.enabled, e.version, e.created_at, e.updated_at FROM ` + models,
		updateModels: updateModels + ` FROM ` + models + ` WHERE models.workspace = $1 AND models.provider_id = $2 AND models.id = e.id`,
		linkEvents: `UPDATE audit_events SET number = l.number, link_mac = decode(l.mac, 'hex')
			FROM jsonb_to_recordset($2::jsonb) AS l(id uuid, number bigint, mac text)
			WHERE workspace = $1 AND audit_events.id = l.id AND audit_events.number IS NULL`,
		contains:  "strpos",
		hasStage:  "m.stages @> ?",
		stage:     func(stage registry.Stage) any { return []string{string(stage)} },
		jsonTime:  func(t time.Time) any { return newMoment(t).Time },
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
