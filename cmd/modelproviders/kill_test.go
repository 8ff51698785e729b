package main

import (
	"bytes"
	"database/sql"
	"flag"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"modelproviders/pkg/store/storetest"
)

// kills is how often TestKilledService kills the service on each database.
// TestKilledPostgres kills PostgreSQL a tenth as often.
var kills = flag.Int("kills", 10, "how often the service is killed under load on each database")

// TestKilledService kills the service under load, over and over: everything that it
// acknowledged is there, and nothing is half written.
func TestKilledService(t *testing.T) {
	t.Parallel()
	storetest.Long(t)
	t.Run("SQLite", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "data")
		killService(t, dir, []string{"--data-dir", dir}, func() {})
		var sound string
		if err := openDatabase(t, dir).QueryRow("PRAGMA integrity_check").Scan(&sound); err != nil || sound != "ok" {
			t.Errorf("the file is not sound: %v %v", sound, err)
		}
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		dir, url := filepath.Join(t.TempDir(), "data"), storetest.Postgres(t)
		db, err := sql.Open("pgx", url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		killService(t, dir, []string{"--data-dir", dir, "--database-url", url}, func() {
			eventually(t, "PostgreSQL has ended what the process left", func() bool {
				var left int
				err := db.QueryRow("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()").Scan(&left)
				return err == nil && left == 0
			})
		})
	})
}

// killService runs the service with these arguments. afterKill returns when the
// database does nothing any more for the process that was killed.
func killService(t *testing.T, dir string, args []string, afterKill func()) {
	t.Helper()
	args = append(args, loadFlags()...)
	p := launch(t, args...)
	if !p.settle(t) {
		t.Fatalf("the process ended:\n%s", p.stderr)
	}
	p.signIn(t, dir)
	secrets := secretFiles(t, dir)
	l, stop := startLoad(t, &p.service)
	l.killed = true
	for n := range *kills {
		if n > 0 && n%50 == 0 {
			t.Logf("killed %d times", n)
		}
		time.Sleep(rand.N(300 * time.Millisecond))
		kill(p)
		afterKill()
		if p = launch(t, args...); rand.N(4) == 0 { // while it starts
			time.Sleep(rand.N(100 * time.Millisecond))
			kill(p)
			afterKill()
			p = launch(t, args...)
		}
		if !p.settle(t) {
			t.Fatalf("the process does not start again:\n%s", p.stderr)
		}
		l.moveTo(p.url)
		l.check()
		verifyAudit(t, args)
		if !bytes.Equal(secrets, secretFiles(t, dir)) {
			t.Error("the keyset or the admin token has changed")
		}
		if t.Failed() {
			t.Fatalf("the last process said:\n%s", p.stderr.tail())
		}
	}
	stop()
	l.compare()
	l.compareEvents(exportAudit(t, args))
	l.report()
}

func kill(p *process) {
	p.signal(os.Kill)
	<-p.ended
}

// secretFiles returns the content of the keyset and of the first token.
func secretFiles(t *testing.T, dir string) []byte {
	t.Helper()
	return []byte(readFile(t, filepath.Join(dir, "keyset.json")) + readFile(t, filepath.Join(dir, "admin.token")))
}

// TestKilledPostgres kills all processes of PostgreSQL under load, over and over.
func TestKilledPostgres(t *testing.T) {
	t.Parallel()
	cluster := storetest.StartDurableCluster(t)
	dir := filepath.Join(t.TempDir(), "data")
	args := append(loadFlags(), "--data-dir", dir, "--database-url", cluster.URL())
	p := launch(t, args...)
	if !p.settle(t) {
		t.Fatalf("the process ended:\n%s", p.stderr)
	}
	p.signIn(t, dir)
	l, stop := startLoad(t, &p.service)
	for range max(2, *kills/10) {
		time.Sleep(rand.N(time.Second))
		cluster.Kill(t)
		time.Sleep(rand.N(200 * time.Millisecond))
		cluster.Start(t)
		l.check()
		verifyAudit(t, args)
		if t.Failed() {
			t.Fatalf("the process said:\n%s", p.stderr.tail())
		}
	}
	stop()
	l.compare()
	l.compareEvents(exportAudit(t, args))
	l.report()
	if l.answered(http.StatusServiceUnavailable) == 0 {
		t.Error("no request was answered 503")
	}
}

// verifyAudit checks the audit chain while the service serves. After an outage it
// takes the service a while to link new events.
func verifyAudit(t *testing.T, args []string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		var said output
		err := run(t.Context(), append([]string{"audit", "verify"}, dataArgs(args)...), environmentOf(nil), &said, io.Discard)
		if err == nil {
			return
		}
		if !strings.Contains(said.String(), "not linked within a second") || time.Now().After(deadline) {
			t.Errorf("audit verify: %v\n%s", err, &said)
			return
		}
	}
}

// exportAudit returns all audit events.
func exportAudit(t *testing.T, args []string) string {
	t.Helper()
	var said output
	if err := run(t.Context(), append([]string{"audit", "export"}, dataArgs(args)...), environmentOf(nil), &said, io.Discard); err != nil {
		t.Errorf("audit export: %v\n%s", err, &said)
	}
	return said.String()
}

// dataArgs are those arguments of serve that say where the data is.
func dataArgs(args []string) (data []string) {
	for i, name := range args[:len(args)-1] {
		if strings.HasPrefix(name, "--data") || name == "--keyset" {
			data = append(data, name, args[i+1])
		}
	}
	return data
}
