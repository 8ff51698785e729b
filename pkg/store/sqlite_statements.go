package store

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"modernc.org/sqlite"
)

// sqliteDialect is the SQL of SQLite.
//
// Lists name their index: without statistics SQLite may choose one that most rows
// match. In a list that skips many models, looking up the provider of each costs
// most, so rareProviders checks first whether only a few providers match.
//
// A stage is searched for in the JSON text: the names of stages have no special
// characters, and json_each takes five times as long.
func sqliteDialect() dialect {
	return dialect{
		lastChange:     "(SELECT coalesce(max(number), 0) FROM changes WHERE workspace = $1)",
		ifFirst:        "true",
		lockedProvider: storedProvider,

		recordset: sqliteRecordset,
		jsonTime:  func(t time.Time) any { return t.UnixMilli() },
		inIDs: func(args *arguments, ids []string) string {
			return "IN (SELECT value FROM json_each(" + args.add(encoded(ids)) + "))"
		},
		list: func(args *arguments, values []string) string {
			return "json_each(" + args.add(encoded(values)) + ") AS v"
		},
		contains:  "instr",
		hasStage:  `instr(m.stages, '"%s"') > 0`,
		hasPassed: "m.stage_checks ->> '$.%s.status' = 'passed'",
		secondsAgo: func(seconds int) string {
			return fmt.Sprintf("(CAST(unixepoch('subsec') * 1000 AS integer) - %d)", seconds*1000)
		},
		inSeconds: func(parameter string) string {
			return "CAST((unixepoch('subsec') + " + parameter + ") * 1000 AS integer)"
		},
		indexedBy: func(index string) string { return " INDEXED BY " + index },
		nested:    " CROSS", // https://www.sqlite.org/optoverview.html#crossjoin
		rareProviders: ` AND CASE WHEN (SELECT count(*) FROM (SELECT 1 FROM providers p INDEXED BY providers_created WHERE p.workspace = $1<conditions> LIMIT 11)) < 11
			THEN m.provider_id IN (SELECT p.id FROM providers p INDEXED BY providers_created WHERE p.workspace = $1<conditions> LIMIT 11) ELSE 1 END`,
		violates: func(err error, _, columns string) bool {
			var e *sqlite.Error
			return errors.As(err, &e) && strings.Contains(e.Error(), columns)
		},
	}
}

func sqliteRecordset(_, parameter string, row columns) string {
	return "SELECT " + row.join(func(c column) string {
		value := "value->>'" + c.name + "'"
		if _, binary := c.field.(*[]byte); binary {
			value = `unhex(ltrim(` + value + `, '\x'))`
		}
		return value + " AS " + c.name
	}) + " FROM json_each(" + parameter + ")"
}
