package store_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/store"
)

// TestSchemasAgree checks that both databases have the same columns and
// indexes: a migration is easily written for one and forgotten for the other.
func TestSchemasAgree(t *testing.T) {
	t.Parallel()
	databases := databases()
	sqlite, postgres := databases[0].open(t), databases[1].open(t)

	if diff := cmp.Diff(
		// On SQLite changes always have a number, which is their primary key.
		column(t, sqlite, `SELECT m.name || '.' || c.name || CASE WHEN c."notnull" AND (m.name <> 'changes' OR c.name <> 'number') THEN ' NOT NULL' ELSE '' END
			FROM sqlite_master m, pragma_table_xinfo(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE '%sq%'
			AND m.name NOT LIKE 'goose_%'`),
		column(t, postgres, `SELECT table_name || '.' || column_name || CASE is_nullable WHEN 'NO' THEN ' NOT NULL' ELSE '' END
			FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE 'goose_%'`),
	); diff != "" {
		t.Errorf("columns (-SQLite +PostgreSQL):\n%s", diff)
	}

	if diff := cmp.Diff(
		// On SQLite the indexes of models also hold what lists filter by.
		column(t, sqlite, `SELECT i.name || ' ' || i."unique" || ' ' || (SELECT group_concat(name) FROM pragma_index_info(i.name)
			WHERE i.name NOT IN ('models_name', 'models_created') OR seqno < 3)
			|| CASE WHEN i.partial THEN ' partial' ELSE '' END
			FROM sqlite_master m, pragma_index_list(m.name) i WHERE m.type = 'table' AND i.origin = 'c'`),
		column(t, postgres, `SELECT c.relname || ' ' || i.indisunique::int || ' ' ||
			(SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid)
			|| CASE WHEN i.indpred IS NOT NULL THEN ' partial' ELSE '' END
			FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class r ON r.oid = i.indrelid
			WHERE r.relnamespace = 'public'::regnamespace AND NOT i.indisprimary
			AND c.relname NOT IN ('changes_unnumbered', 'changes_number')`),
	); diff != "" {
		t.Errorf("indexes (-SQLite +PostgreSQL):\n%s", diff)
	}
}

func column(t *testing.T, s *store.Store, query string) []string {
	t.Helper()
	rows, err := s.Reader().QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	var all []string
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatalf("nothing found: %s", query)
	}
	slices.Sort(all)
	return all
}
