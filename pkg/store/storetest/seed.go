package storetest

import (
	"database/sql"
	"fmt"
	"testing"
	"time"
)

// FirstSeeded is when the first seeded row was made; one follows a millisecond.
var FirstSeeded = time.Date(2026, 11, 5, 10, 0, 0, 0, time.UTC)

// Seed fills a database that a store has made with providers of two models each;
// postgres says which kind of database it is. Names are in another order than
// creation. What one filters for is rare: of 100 providers one is failing, one
// is switched off and one has another type; of 100 models one is switched off,
// of 1000 one serves the guardrail stage.
func Seed(t testing.TB, db *sql.DB, postgres bool, providers int) {
	t.Helper()
	// What differs: how to make a blob of the size of a sealed credential, to let
	// a statement last, and to do what a server does by itself in the background.
	newBlob, patient, optimise := "randomblob(140)", "", ""
	if postgres {
		newBlob, patient, optimise = "decode(repeat('ab', 140), 'hex')", "SET statement_timeout = 0", "VACUUM ANALYZE"
	}
	numbers := func(n int) string {
		return fmt.Sprintf("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) ", n)
	}
	const ofModel = "(i + 1) / 2" // the provider's number
	name := func(i string) string {
		return fmt.Sprintf("'provider ' || CAST(1000000000 + (%s) * CAST(7919 AS bigint) %% %d AS text)", i, providers)
	}
	status := func(i string) string {
		return fmt.Sprintf("CASE (%s) %% 100 WHEN 7 THEN 'inactive' WHEN 3 THEN 'error' ELSE 'active' END", i)
	}
	typ := func(i string) string {
		return fmt.Sprintf("CASE (%s) %% 100 WHEN 11 THEN 'custom' ELSE 'openai' END", i)
	}
	created := fmt.Sprintf("%d + i", FirstSeeded.UnixMilli())
	statements := []string{
		patient,
		numbers(providers) + `INSERT INTO providers (workspace, id, name, name_key, type, enabled, error_kind, error_message,
			error_model_id, error_since, config, version, connection, created_at, updated_at)
			SELECT 'default', ` + SeededID("i") + `, ` + name("i") + `, ` + name("i") + `, ` + typ("i") + `, i % 100 <> 7,
			CASE i % 100 WHEN 3 THEN 'unreachable' END, CASE i % 100 WHEN 3 THEN 'down' END,
			CASE i % 100 WHEN 3 THEN '' END, CASE i % 100 WHEN 3 THEN 0 END,
			'{"base_url":"https://llm.example"}', 1, 1, ` + created + `, 0 FROM n`,
		numbers(providers) + `INSERT INTO provider_credentials (workspace, provider_id, field, sealed, updated_at)
			SELECT 'default', ` + SeededID("i") + `, 'api_key', ` + newBlob + `, 0 FROM n`,
		numbers(2*providers) + `INSERT INTO models (workspace, id, provider_id, provider_name, provider_type,
			provider_status, model_id, model_key, display_name, name_key, stage_planning, stage_tool_call, stage_summarization,
			stage_guardrail, enabled, test_success, test_kind, test_latency_ns, version, created_at, updated_at)
			SELECT 'default', ` + SeededID("i") + `, ` + SeededID(ofModel) + `, ` + name(ofModel) + `, ` + typ(ofModel) + `, ` + status(ofModel) + `,
			'gpt-' || CAST(i AS text), 'gpt-' || CAST(i AS text), 'GPT', 'gpt ' || CAST(1000000000 + i * CAST(7919 AS bigint) % 1000003 AS text),
			i % 2 = 0, i % 3 = 0, i % 5 = 0, i % 1000 = 9, i % 100 <> 13, i < 0, '', 0, 1, ` + created + `, 0 FROM n`,
		optimise,
	}
	connection, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal("seed:", err)
	}
	defer func() { _ = connection.Close() }()
	for _, statement := range statements {
		if _, err := connection.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("seed: %v\n%s", err, statement)
		}
	}
}

// SeededID is the SQL of the id of the seeded row with the number i.
func SeededID(i string) string {
	return "'00000000-0000-7000-8000-' || CAST(100000000000 + (" + i + ") AS text)"
}
