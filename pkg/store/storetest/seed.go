package storetest

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"
)

// FirstSeeded is when the first seeded row was made; one follows a millisecond.
var FirstSeeded = time.Date(2026, 11, 5, 10, 0, 0, 0, time.UTC)

// Seed fills the workspace `default` of a database that a store has made with
// providers of two models each; postgres says which kind of database it is. Names
// are in another order than creation. Of 100 providers one is failing, one is
// switched off, and five have another type; of 100 models one is switched off and
// five serve summarization, of 1000 one serves the guardrail stage.
func Seed(t testing.TB, db *sql.DB, postgres bool, providers int) {
	t.Helper()
	SeedWorkspace(t, db, postgres, "default", 0, providers, 2)
	if postgres { // what a server does by itself in the background
		execute(t, db, "VACUUM ANALYZE")
	}
}

// SeedWorkspace is Seed for one workspace of many, with so many models a
// provider; the numbers of its ids begin after first.
func SeedWorkspace(t testing.TB, db *sql.DB, postgres bool, workspace string, first, providers, models int) {
	t.Helper()
	// What differs: how to let a statement last, and to write a list and a time.
	patient, list, at := "", `'["'||%s||'"]'`, func(ms string) string { return ms }
	if postgres {
		patient, list = "SET statement_timeout = 0", "ARRAY[%s]"
		at = func(ms string) string { return "to_timestamp((" + ms + ") / 1000.0)" }
	}
	numbers := func(n int) string {
		return fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d) ", first+1, first+n)
	}
	ofModel := fmt.Sprintf("(%d + 1 + (i - %d - 1) / %d)", first, first, models) // the provider's number
	name := fmt.Sprintf("'provider ' || CAST(1000000000 + i * CAST(7919 AS bigint) %% %d AS text)", first+providers)
	created := at(fmt.Sprintf("%d + i", FirstSeeded.UnixMilli()))
	stage := fmt.Sprintf(list, "CASE WHEN i % 1000 = 9 THEN 'guardrail' WHEN i % 20 = 4 THEN 'summarization' WHEN i % 3 = 0 THEN 'tool_call' ELSE 'planning' END")
	id := func(i string) string {
		if postgres {
			return "CAST(" + SeededID(i) + " AS uuid)"
		}
		return SeededID(i)
	}
	json := "%s"
	if postgres {
		json = "CAST(%s AS jsonb)"
	}
	execute(t, db, patient,
		numbers(providers)+`INSERT INTO providers (workspace, id, name, name_key, type, enabled, error_kind, error_message,
			error_model_id, error_since, credentials, config, version, connection, created_at, updated_at)
			SELECT '`+workspace+`', `+id("i")+`, `+name+`, `+name+`, CASE i % 20 WHEN 11 THEN 'anthropic' ELSE 'openai' END, i % 100 <> 7,
			CASE i % 100 WHEN 3 THEN 'unreachable' END, CASE i % 100 WHEN 3 THEN 'down' END,
			CASE i % 100 WHEN 3 THEN '' END, CASE i % 100 WHEN 3 THEN `+at("0")+` END,
			`+fmt.Sprintf(json, `'{"api_key":{"sealed":"`+strings.Repeat("c2Vh", 47)+`","hash":"'||CAST(1000000000 + i AS text)||'`+
			strings.Repeat("A", 33)+`=","updated_at":"2026-11-05T10:00:00Z"}}'`)+`,
			`+fmt.Sprintf(json, `'{"base_url":"https://llm.example"}'`)+`,
			1, 1, `+created+`, `+at("0")+` FROM n`,
		numbers(models*providers)+`INSERT INTO models (workspace, id, provider_id, model_id, model_key, display_name, name_key, stages, enabled,
			version, created_at, updated_at)
			SELECT '`+workspace+`', `+id("i")+`, `+id(ofModel)+`, 'gpt-' || CAST(i AS text), 'gpt-' || CAST(i AS text), 'GPT',
			'gpt ' || CAST(1000000000 + i * CAST(7919 AS bigint) % 1000003 AS text), `+stage+`, i % 100 <> 13, 1, `+created+`, `+at("0")+` FROM n`)
}

// SeedNeighbours makes that many copies of a seeded workspace.
func SeedNeighbours(t testing.TB, db *sql.DB, postgres bool, workspaces, providers, models int) {
	t.Helper()
	if workspaces == 0 {
		return
	}
	const first = 1_000_000_000
	SeedWorkspace(t, db, postgres, "neighbour 1", first, providers, models)
	copies := fmt.Sprintf("WITH RECURSIVE w(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM w WHERE i < %d) ", workspaces)
	patient := ""
	if postgres {
		patient = "SET statement_timeout = 0"
	}
	const providerColumns = "id, name, name_key, type, enabled, error_kind, error_message, error_model_id, error_since, credentials, config, version, connection, created_at, updated_at"
	const modelColumns = "id, provider_id, model_id, model_key, display_name, name_key, stages, enabled, version, created_at, updated_at"
	for _, table := range []struct{ name, columns string }{{"providers", providerColumns}, {"models", modelColumns}} { // in the order of the foreign key
		execute(t, db, patient, copies+"INSERT INTO "+table.name+" (workspace, "+table.columns+") SELECT 'neighbour ' || CAST(i AS text), "+table.columns+
			" FROM w, "+table.name+" WHERE workspace = 'neighbour 1' AND i <= "+fmt.Sprint(workspaces))
	}
}

// execute runs the statements that are not empty on one connection.
func execute(t testing.TB, db *sql.DB, statements ...string) {
	t.Helper()
	connection, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal("seed:", err)
	}
	defer func() { _ = connection.Close() }()
	for _, statement := range statements {
		if statement == "" {
			continue
		}
		if _, err := connection.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("seed: %v\n%s", err, statement)
		}
	}
}

// SeededID is the SQL of the id of the seeded row with the number i.
func SeededID(i string) string {
	return "'00000000-0000-7000-8000-' || CAST(100000000000 + (" + i + ") AS text)"
}
