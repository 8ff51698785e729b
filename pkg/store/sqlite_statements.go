package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"modernc.org/sqlite"

	"modelproviders/pkg/audit/chain"
)

// sqliteStatements is the SQL of SQLite where it differs.
//
// Lists name their index: without statistics SQLite may choose one that most rows
// match. In a list that skips many models, looking up the provider of each costs
// most, so rareProviders checks first whether only a few providers match.
//
// A stage is searched for in the JSON text: the names of stages have no special
// characters, and json_each takes five times as long.
func sqliteStatements() statements {
	const models = `SELECT value->>'id' AS id, value->>'model_id' AS model_id, value->>'model_key' AS model_key, value->>'display_name' AS display_name,
		value->>'name_key' AS name_key, value->>'stages' AS stages, value->>'enabled' AS enabled, value->>'version' AS version,
		value->>'created_at' AS created_at, value->>'updated_at' AS updated_at FROM json_each($3)`
	const now = `CAST(unixepoch('subsec') * 1000 AS integer)`
	return statements{
		insertModels: `INSERT INTO models (workspace, id, provider_id, model_id, model_key, display_name, name_key, stages, enabled, version, created_at, updated_at)
			SELECT $1, id, $2, model_id, model_key, display_name, name_key, stages, enabled, version, created_at, updated_at FROM (` + models + `)`,
		updateModels: `WITH e AS MATERIALIZED (` + models + `) ` + updateModels + ` FROM e WHERE models.workspace = $1 AND models.provider_id = $2 AND models.id = e.id`,
		linkEvents:   linkSQLite,
		eventsAtOnce: 1, // a text for each number of events would stay prepared, and many parameters take long to bind
		touchTokens: `WITH u AS MATERIALIZED (SELECT value->>'workspace' AS workspace, value->>'id' AS id, value->>'at' AS at FROM json_each($1))
			UPDATE tokens SET last_used_at = u.at FROM u WHERE tokens.workspace = u.workspace AND tokens.id = u.id AND (tokens.last_used_at IS NULL OR tokens.last_used_at < u.at)`,
		beat: []string{
			`INSERT INTO processes (id, seen_at) VALUES ($1, ` + now + `) ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at`,
			`DELETE FROM processes WHERE id <> $1 AND seen_at < ` + now + ` - 60000`,
			`SELECT 1 + count(*) FROM processes WHERE id <> $1 AND seen_at > ` + now + ` - 15000`,
		},
		contains:  "instr",
		hasStage:  `instr(m.stages, '"%s"') > 0`,
		jsonTime:  func(t time.Time) any { return t.UnixMilli() },
		nested:    " CROSS", // https://www.sqlite.org/optoverview.html#crossjoin
		indexedBy: func(index string) string { return " INDEXED BY " + index },
		inIDs:     func(parameter string) string { return "IN (SELECT value FROM json_each(" + parameter + "))" },
		ids:       func(ids []string) any { return encoded(ids) },
		rareProviders: ` AND CASE WHEN (SELECT count(*) FROM (SELECT 1 FROM providers p INDEXED BY providers_created WHERE p.workspace = $1<conditions> LIMIT 11)) < 11
			THEN m.provider_id IN (SELECT p.id FROM providers p INDEXED BY providers_created WHERE p.workspace = $1<conditions> LIMIT 11) ELSE 1 END`,
		violates: func(err error, _, columns string) bool {
			var e *sqlite.Error
			return errors.As(err, &e) && strings.Contains(e.Error(), columns)
		},
	}
}

// linkSQLite links each event with one statement, which stays prepared.
func linkSQLite(ctx context.Context, s *Store, workspace string, links []chain.Link) (linked int64, err error) {
	for _, link := range links {
		one, err := s.exec(ctx, `UPDATE audit_events SET number = $3, link_mac = $4 WHERE workspace = $1 AND id = $2 AND number IS NULL`,
			workspace, link.EntryID, link.Number, link.MAC)
		if err != nil {
			return linked, err
		}
		linked += one
	}
	return linked, nil
}
