package app_test

import (
	"bytes"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"modelproviders/pkg/app"
	"modelproviders/pkg/provider/providertest"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// TestEverythingSealedIsKnown fills every table, and searches all columns for values that
// begin like those that the keyset encrypts. Each must be of one of the kinds that `keys`
// commands know: otherwise it is lost when its key is retired.
func TestEverythingSealedIsKnown(t *testing.T) {
	for name, on := range map[string]func(t *testing.T) (change func(*app.Config), open func(dir string) (driver, source string, config store.Config)){
		"SQLite": func(*testing.T) (func(*app.Config), func(string) (string, string, store.Config)) {
			return func(*app.Config) {}, func(dir string) (string, string, store.Config) {
				file := filepath.Join(dir, "modelproviders.db")
				return "sqlite", "file:" + file, store.Config{SQLitePath: file}
			}
		},
		"PostgreSQL": func(t *testing.T) (func(*app.Config), func(string) (string, string, store.Config)) {
			url := storetest.Postgres(t)
			return func(c *app.Config) { c.DatabaseURL = url }, func(string) (string, string, store.Config) {
				return "pgx", url, store.Config{DatabaseURL: url}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change, open := on(t)
			s := running(t, change, func(c *app.Config) { c.Checks.Every = time.Hour })
			credentials := fill(t, s)
			driver, source, config := open(s.dir)
			keys, err := app.ListKeys(t.Context(), app.Config{DataDir: s.dir, DatabaseURL: config.DatabaseURL, DatabaseConnections: 2})
			if err != nil || len(keys) != 1 {
				t.Fatal(keys, err)
			}
			db, err := sql.Open(driver, source)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			eventually(t, "health checks are scheduled", func() bool {
				var n int
				return db.QueryRowContext(t.Context(), "SELECT count(*) FROM health_checks").Scan(&n) == nil && n > 0
			})
			found := searchSealed(t, db, driver, keys[0].ID)
			if want := credentials + 2; len(found) != want || keys[0].Values != want || keys[0].Kinds["credentials"] != credentials {
				t.Errorf("there are %d encrypted values in the database, and %d are known, of %d credentials, the fingerprint and the master key.\n"+
					"Add what is missing to registry.SealedKinds:\n%s\nknown: %v", len(found), keys[0].Values, credentials, strings.Join(found, "\n"), keys[0].Kinds)
			}
			if len(keys[0].Kinds) != len(registry.SealedKinds()) {
				t.Errorf("not all of the %d kinds are in the database: %v", len(registry.SealedKinds()), keys[0].Kinds)
			}
		})
	}
}

// fill makes a database have rows in every table, and returns the number of credentials.
func fill(t *testing.T, s *service) (credentials int) {
	t.Helper()
	for i, fake := range providertest.Variants(t) {
		upstream := providertest.Start(t, fake)
		body := object{"name": fmt.Sprint("A ", upstream.Type, i), "type": upstream.Type, "credentials": upstream.Credentials, "config": settingsOf(upstream),
			"models": []object{{"model_id": upstream.ModelID, "supported_stages": []string{"planning"}}}}
		made := s.must(t, 201, "POST", "/providers", body, "Idempotency-Key", fmt.Sprint("create ", i))
		credentials += countSet(made.body["credentials"].(object))
		s.must(t, 200, "GET", "/providers?limit=1", nil) // with a cursor
		s.must(t, 201, "PUT", "/models/"+made.body["models"].([]any)[0].(object)["id"].(string)+"/references/rule", object{"label": "Rule"})
	}
	return credentials
}

// countSet counts the credentials of an answer that are set, also those in objects.
func countSet(credentials object) (n int) {
	if credentials["set"] == true {
		return 1
	}
	for _, value := range credentials {
		if inner, ok := value.(object); ok {
			n += countSet(inner)
		}
	}
	return n
}

// sealedText is base64 that is long enough to be an encrypted value.
var sealedText = regexp.MustCompile(`[A-Za-z0-9+/_-]{60,}={0,2}`)

// searchSealed returns where there are values that begin with the prefix of a key.
func searchSealed(t *testing.T, db *sql.DB, driver string, key uint32) (found []string) {
	t.Helper()
	prefix := binary.BigEndian.AppendUint32([]byte{1}, key)
	for _, table := range tablesOf(t, db, driver) {
		rows := 0
		eachRow(t, db, table, func(columns []string, values []any) {
			rows++
			for i, value := range values {
				for range sealedIn(value, prefix) {
					found = append(found, table+"."+columns[i])
				}
			}
		})
		if rows == 0 {
			t.Errorf("the table %s is empty; the test must fill it, to see whether it has encrypted values", table)
		}
	}
	slices.Sort(found)
	return found
}

func eachRow(t *testing.T, db *sql.DB, table string, fn func(columns []string, values []any)) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT * FROM "`+table+`"`) //nolint:gosec // the name comes from the database
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	values, fields := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		fields[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(fields...); err != nil {
			t.Fatal(err)
		}
		fn(columns, values)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

// sealedIn returns the encrypted values in a column: the value itself, or base64 in it.
func sealedIn(value any, prefix []byte) (found [][]byte) {
	content := []byte(fmt.Sprint(value))
	if b, ok := value.([]byte); ok {
		content = b
	}
	if bytes.HasPrefix(content, prefix) {
		found = append(found, content)
	}
	for _, text := range sealedText.FindAllString(string(content), -1) {
		text = strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(text)
		if decoded, err := base64.RawURLEncoding.DecodeString(text); err == nil && bytes.HasPrefix(decoded, prefix) {
			found = append(found, decoded)
		}
	}
	return found
}

func tablesOf(t *testing.T, db *sql.DB, driver string) (tables []string) {
	t.Helper()
	query := map[string]string{
		"sqlite": `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`,
		"pgx":    `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`,
	}
	rows, err := db.QueryContext(t.Context(), query[driver])
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil || len(tables) < 8 {
		t.Fatal(slices.Collect(maps.Keys(query)), tables, err)
	}
	return tables
}
