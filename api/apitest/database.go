package apitest

import (
	"context"
	"database/sql"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"

	"modelproviders/pkg/store/storetest"
)

// Database is the database of a service under test. Tests use it to change data
// without the service.
type Database struct {
	Name string // SQLite or PostgreSQL
	url  string // of PostgreSQL
	file string // of SQLite
}

// DatabaseNames are the names of all databases.
func DatabaseNames() []string { return slices.Sorted(maps.Keys(engines())) }

// engines says how to make an empty database for a service.
func engines() map[string]func(t testing.TB, dataDir string) *Database {
	return map[string]func(t testing.TB, dataDir string) *Database{
		"SQLite": func(_ testing.TB, dataDir string) *Database {
			return &Database{Name: "SQLite", file: filepath.Join(dataDir, "modelproviders.db")}
		},
		"PostgreSQL": func(t testing.TB, _ string) *Database {
			return &Database{Name: "PostgreSQL", url: storetest.Postgres(t)}
		},
	}
}

// Exec runs a statement that both databases understand.
func (d *Database) Exec(t testing.TB, statement string) {
	t.Helper()
	if d.url == "" {
		execute(t, "sqlite", "file:"+(&url.URL{Path: d.file}).EscapedPath()+"?_busy_timeout=10000", statement)
		return
	}
	execute(t, "pgx", d.url, statement)
}

// TakeAway makes the database unreachable, also for connections that are open:
// the file is moved, or the server lets no one in.
func (d *Database) TakeAway(t testing.TB) {
	t.Helper()
	if d.url == "" {
		move(t, d.file, d.file+".away")
		return
	}
	d.admit(t, "false")
	execute(t, "pgx", d.neighbour(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+d.database()+"'")
}

// BringBack undoes [Database.TakeAway].
func (d *Database) BringBack(t testing.TB) {
	t.Helper()
	if d.url == "" {
		move(t, d.file+".away", d.file)
		return
	}
	d.admit(t, "true")
	// The service checks only connections that were idle for a second. Younger ones may
	// be among those that the server has closed, and the next call on each would fail.
	time.Sleep(1100 * time.Millisecond)
}

func (d *Database) admit(t testing.TB, allow string) {
	t.Helper()
	execute(t, "pgx", d.neighbour(), "ALTER DATABASE "+d.database()+" WITH ALLOW_CONNECTIONS "+allow)
}

func (d *Database) database() string {
	u, err := url.Parse(d.url)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(u.Path, "/")
}

// neighbour is the URL of another database of the same server.
func (d *Database) neighbour() string {
	u, err := url.Parse(d.url)
	if err != nil {
		return ""
	}
	u.Path = "/postgres"
	return u.String()
}

func execute(t testing.TB, driver, source, statement string) {
	t.Helper()
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal("open the database: ", err)
	}
	defer db.Close()
	if _, err := db.ExecContext(context.Background(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func move(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
