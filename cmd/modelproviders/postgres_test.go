package main

import (
	"database/sql"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver

	"modelproviders/pkg/store/storetest"
)

// TestPooler runs processes with one connection each, and the operator's commands,
// behind PgBouncer in transaction mode.
func TestPooler(t *testing.T) {
	keyset := filepath.Join(t.TempDir(), "keyset.json")
	args := []string{"--database-url", storetest.StartPgBouncer(t, 2).Database(t), "--database-pooler", "on", "--database-connections", "1", "--keyset", keyset}
	dir := filepath.Join(t.TempDir(), "data")
	first := launch(t, append(args, "--data-dir", dir)...)
	if !first.settle(t) {
		t.Fatalf("the process ended:\n%s", first.stderr)
	}
	first.signIn(t, dir)
	second := launch(t, append(args, "--data-dir", dir)...)
	if !second.settle(t) {
		t.Fatalf("the process ended:\n%s", second.stderr)
	}
	second.token = first.token
	oneService(t, []*process{first, second})
	listed := &output{}
	if err := run(t.Context(), append([]string{"tokens", "list", "--data-dir", dir}, args...), environmentOf(nil), listed, io.Discard); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(listed.String(), "admin") {
		t.Errorf("listed:\n%s", listed)
	}
}

// TestConnections counts the connections of a process with many callers.
func TestConnections(t *testing.T) {
	url, dir := storetest.Postgres(t), filepath.Join(t.TempDir(), "data")
	s := start(t, map[string]string{"MODELPROVIDERS_DATABASE_CONNECTIONS": "2"}, "--data-dir", dir, "--database-url", url)
	s.signIn(t, dir)
	t.Run("callers", func(t *testing.T) {
		for range 20 {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for range 5 {
					s.must(t, http.StatusOK, "GET", "/providers", "")
				}
			})
		}
	})
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var connections int
	if err := db.QueryRow("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").Scan(&connections); err != nil {
		t.Fatal(err)
	}
	if connections < 1 || connections > 2 {
		t.Errorf("the process has %d connections", connections)
	}
}
