package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // registers the driver

	"modelproviders/pkg/store/storetest"
)

// finding is a line of `doctor --json`.
type finding struct{ Check, Status, Detail string }

// examine runs `doctor`, and returns what it found and whether it succeeded.
func examine(t *testing.T, args ...string) (findings []finding, healthy bool) {
	t.Helper()
	var stdout bytes.Buffer
	err := run(t.Context(), append([]string{"doctor", "--json"}, args...), environmentOf(nil), &stdout, io.Discard)
	for decoder := json.NewDecoder(&stdout); decoder.More(); {
		var f finding
		if err := decoder.Decode(&f); err != nil {
			t.Fatal(err)
		}
		findings = append(findings, f)
	}
	return findings, err == nil
}

func wantHealthy(t *testing.T, args ...string) {
	t.Helper()
	findings, healthy := examine(t, args...)
	for _, f := range findings {
		if f.Status != "ok" {
			t.Errorf("%s %s: %s", f.Check, f.Status, f.Detail)
		}
	}
	if !healthy || len(findings) != 9 {
		t.Errorf("healthy: %t, findings: %v", healthy, findings)
	}
}

// wantBroken checks that one check failed, with one finding that contains the words.
func wantBroken(t *testing.T, check string, words []string, args ...string) {
	t.Helper()
	findings, healthy := examine(t, args...)
	if healthy {
		t.Error("the doctor succeeds")
	}
	failed := slices.DeleteFunc(findings, func(f finding) bool { return f.Status != "failed" })
	if len(failed) != 1 || failed[0].Check != check {
		t.Fatalf("found %v, want one about %s", failed, check)
	}
	for _, word := range words {
		if !strings.Contains(failed[0].Detail, word) {
			t.Errorf("%s: %s; does not say %q", check, failed[0].Detail, word)
		}
	}
	if strings.Contains(fmt.Sprint(findings), "sk-first-key") {
		t.Errorf("the findings contain a key: %v", findings)
	}
}

func TestDoctorOnSQLite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	flags := []string{"--data-dir", dir}
	s := start(t, nil, flags...)
	s.signIn(t, dir)
	provider := s.must(t, 201, "POST", "/providers", aProvider).text("id")
	other := s.must(t, 201, "POST", "/providers", strings.Replace(aProvider, "Production", "Other", 1)).text("id")
	eventuallyHealthy(t, flags...) // while it serves
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	before := contentsOf(t, dir)
	wantHealthy(t, flags...)
	unchanged(t, before, contentsOf(t, dir))

	note := filepath.Join(dir, "keyset.json.claimed")
	for name, test := range map[string]struct {
		spoil func(t *testing.T)
		check string
		words []string
	}{
		"no note":                        {func(t *testing.T) { removeFile(t, note) }, "", nil},
		"keyset as Kubernetes mounts it": {func(t *testing.T) { chmod(t, filepath.Join(dir, "keyset.json"), 0o440) }, "", nil},
		"exposed keyset": {func(t *testing.T) { chmod(t, filepath.Join(dir, "keyset.json"), 0o644) },
			"files", []string{"keyset.json", "0600"}},
		"exposed database": {func(t *testing.T) { chmod(t, filepath.Join(dir, "modelproviders.db"), 0o644) },
			"files", []string{"modelproviders.db"}},
		"moved credential": {func(t *testing.T) {
			execSQLite(t, dir, "UPDATE providers SET credentials = (SELECT credentials FROM providers WHERE id = '"+other+"') WHERE id = '"+provider+"'")
		}, "credentials", []string{"default", provider, "api_key", "changed"}},
		"credentials that are no JSON": {func(t *testing.T) {
			execSQLite(t, dir, "UPDATE providers SET credentials = 'x' WHERE id = '"+provider+"'")
		}, "credentials", []string{"default", provider}},
		"master key": {func(t *testing.T) { execSQLite(t, dir, "UPDATE claims SET value = x'00' WHERE name = 'hmac_master'") },
			"master key", []string{"hmac_master"}},
		"audit event": {func(t *testing.T) {
			execSQLite(t, dir, "UPDATE audit_events SET actor_subject = 'someone' WHERE number = 2")
		},
			"audit log", []string{"default", "link 2", "changed"}},
		"keyset of another database": {func(t *testing.T) { execSQLite(t, dir, "UPDATE claims SET value = x'00' WHERE name = 'keyset'") },
			"keyset", []string{"keyset.json", "not the one"}},
		"no keyset": {func(t *testing.T) { removeFile(t, filepath.Join(dir, "keyset.json")) },
			"keyset", []string{"MODELPROVIDERS_KEYSET", "keyset.json"}},
		"newer schema": {func(t *testing.T) {
			execSQLite(t, dir, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
		},
			"database", []string{"9999"}},
		"lost database": {func(t *testing.T) { removeFile(t, filepath.Join(dir, "modelproviders.db")) },
			"database", []string{"missing or empty", "keyset.json.claimed"}},
		"empty database": {func(t *testing.T) { writeFile(t, filepath.Join(dir, "modelproviders.db"), "") },
			"database", []string{"missing or empty", "keyset.json.claimed"}},
	} {
		t.Run(name, func(t *testing.T) {
			defer putBack(t, dir, before)
			test.spoil(t)
			spoiled := contentsOf(t, dir)
			if test.check == "" {
				wantHealthy(t, flags...)
			} else {
				wantBroken(t, test.check, test.words, flags...)
			}
			unchanged(t, spoiled, contentsOf(t, dir))
		})
	}
}

// TestDoctorAfterAKill: what is in the -wal file stays there.
func TestDoctorAfterAKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	p := launch(t, "--data-dir", dir)
	if !p.settle(t) {
		t.Fatal(p.stderr)
	}
	p.signIn(t, dir)
	p.must(t, 201, "POST", "/providers", aProvider)
	eventuallyHealthy(t, "--data-dir", dir)
	p.signal(os.Kill)
	<-p.ended
	before := contentsOf(t, dir)
	wantHealthy(t, "--data-dir", dir)
	after := contentsOf(t, dir)
	shm := filepath.Join(dir, "modelproviders.db-shm") // an index of the -wal file, which every reader may rebuild
	delete(before, shm)
	delete(after, shm)
	unchanged(t, before, after)
}

// eventuallyHealthy waits until the service has linked its audit events.
func eventuallyHealthy(t *testing.T, args ...string) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if _, healthy := examine(t, args...); healthy {
			break
		}
	}
	wantHealthy(t, args...)
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// execSQLite is inDatabase that leaves no files behind.
func execSQLite(t *testing.T, dir, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "modelproviders.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// putBack makes a directory contain what it contained before.
func putBack(t *testing.T, dir string, contents map[string]string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for path, content := range contents {
		_, text, _ := strings.Cut(content, "\n") // after the mode
		writeFile(t, path, text)
	}
}

func TestDoctorOnPostgres(t *testing.T) {
	url, dir, keyset := storetest.Postgres(t), filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "keyset.json")
	flags := []string{"--data-dir", dir, "--keyset", keyset, "--database-url", url}
	s := start(t, nil, flags...)
	s.signIn(t, dir)
	provider := s.must(t, 201, "POST", "/providers", aProvider).text("id")
	eventuallyHealthy(t, flags...)
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	spoil := func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	spoil("UPDATE providers SET config = '{\"base_url\":\"https://elsewhere.example.com\"}', type = 'custom'")
	wantBroken(t, "credentials", []string{"default", provider, "api_key"}, flags...)
	spoil("UPDATE providers SET config = '{}', type = 'openai'")
	wantHealthy(t, flags...)
	spoil("UPDATE audit_events SET outcome = 'failure' WHERE number = 1")
	wantBroken(t, "audit log", []string{"default", "link 1"}, flags...)

	wantBroken(t, "database", []string{"missing or empty", keyset + ".claimed"}, "--data-dir", dir, "--keyset", keyset, "--database-url", storetest.Postgres(t))
	away := []string{"--data-dir", dir, "--keyset", keyset, "--database-url", "postgres://me:hunter22@127.0.0.1:1/x"}
	wantBroken(t, "database", []string{"MODELPROVIDERS_DATABASE_URL", "connection refused"}, away...)
	if findings, _ := examine(t, away...); strings.Contains(fmt.Sprint(findings), "missing or empty") {
		t.Errorf("a database that can't be reached is said to be lost: %v", findings)
	}
}

// TestDamagedFile: a SQLite file that is damaged in the middle is found by the service
// and by the doctor. A copy of it is refused.
func TestDamagedFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := start(t, nil, "--data-dir", dir)
	s.signIn(t, dir)
	for n := range 200 {
		s.must(t, 201, "POST", "/providers", strings.Replace(aProvider, "Production", fmt.Sprint(n), 1))
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	damage(t, dir, "models_name")

	again := start(t, nil, "--data-dir", dir)
	again.token = s.token
	again.must(t, 200, "GET", "/stages", "")
	for deadline := time.Now().Add(patience); again.call(t, "GET", "/readyz", "").status == http.StatusOK; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the service stays ready")
		}
	}
	got := again.must(t, http.StatusServiceUnavailable, "GET", "/readyz", "")
	if !strings.Contains(got.text("detail"), "damaged") || !strings.Contains(again.stderr.String(), "level=ERROR msg=\"the database is damaged") {
		t.Errorf("%v\n%s", got.body, again.stderr)
	}
	again.must(t, http.StatusOK, "GET", "/healthz", "")
	wantBroken(t, "damage", []string{"page"}, "--data-dir", dir)
	target := t.TempDir()
	refused(t, nil, []string{"backup", filepath.Join(target, "backup.db"), "--data-dir", dir}, "back up")
	for path := range contentsOf(t, target) {
		t.Errorf("a backup of a damaged file left %s", path)
	}
}

// damage overwrites the leaf pages of a table or an index in the SQLite file.
func damage(t *testing.T, dir, name string) {
	t.Helper()
	path := filepath.Join(dir, "modelproviders.db")
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := db.QueryContext(t.Context(), "SELECT pageno, pgsize FROM dbstat WHERE name = ? AND pagetype = 'leaf'", name)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	pages := map[int64]int{}
	for rows.Next() {
		var number int64
		var size int
		if err := rows.Scan(&number, &size); err != nil {
			t.Fatal(err)
		}
		pages[number] = size
	}
	if err := rows.Err(); err != nil || len(pages) < 2 {
		t.Fatal(len(pages), " pages, ", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for number, size := range pages {
		if _, err := file.WriteAt(bytes.Repeat([]byte{0xa5}, size), (number-1)*int64(size)); err != nil {
			t.Fatal(err)
		}
	}
}
