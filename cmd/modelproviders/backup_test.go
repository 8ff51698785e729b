package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"modelproviders/pkg/store/storetest"
)

// TestBackup backs up a service that writes, and starts another one on the copy. It has
// everything that was acknowledged before the backup began.
func TestBackup(t *testing.T) {
	dir, keyset := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "keyset.json")
	s := start(t, nil, "--data-dir", dir, "--keyset", keyset)
	s.signIn(t, dir)
	create := func(n int) (path string) {
		body := strings.NewReplacer("Production OpenAI", fmt.Sprint("Provider ", n), "sk-first-key", fmt.Sprint("sk-key-", n)).Replace(aProvider)
		return "/providers/" + s.must(t, http.StatusCreated, "POST", "/providers", body).text("id")
	}
	before := map[string]string{} // keys by path
	for n := range 50 {
		before[create(n)] = fmt.Sprint("sk-key-", n)
	}
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for n := 1000 * (w + 1); ; n++ {
				select {
				case <-stop:
					return
				default:
					create(n)
				}
			}
		})
	}
	file := filepath.Join(t.TempDir(), "backup.db")
	var stdout bytes.Buffer
	stderr := &output{}
	err := run(t.Context(), []string{"backup", file, "--data-dir", dir, "--keyset", keyset, "--json"}, environmentOf(nil), &stdout, stderr)
	close(stop)
	writers.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if mode := modeOf(t, file); mode != 0o600 {
		t.Errorf("the backup has the mode %v", mode)
	}
	if !strings.Contains(stderr.String(), keyset) || !strings.Contains(stdout.String(), fmt.Sprintf(`"file":%q`, file)) {
		t.Errorf("printed %s and %s", &stdout, stderr)
	}
	if files := contentsOf(t, filepath.Dir(file)); len(files) != 1 {
		t.Errorf("the backup left %d files", len(files))
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}

	// On another machine: a copy of the keyset, and the backup as the database.
	restored, copied := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "keyset.json")
	if err := os.MkdirAll(restored, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, copied, readFile(t, keyset))
	writeFile(t, filepath.Join(restored, "modelproviders.db"), readFile(t, file))
	again := start(t, nil, "--data-dir", restored, "--keyset", copied, "--rate-reveals", "0")
	again.token = s.token
	if strings.Contains(again.stderr.String(), "processes=2") {
		t.Error("the copy counts the process that wrote the database")
	}
	for path, key := range before {
		if got := again.must(t, http.StatusOK, "POST", path+"/credentials/api_key/reveal", "").text("value"); got != key {
			t.Errorf("%s: revealed %q, not %q", path, got, key)
		}
	}
	if err := again.stop(); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"audit", "verify", "--data-dir", restored, "--keyset", copied}, environmentOf(nil), io.Discard, io.Discard); err != nil {
		t.Error(err)
	}
}

func TestRefusedBackup(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	start(t, nil, "--data-dir", dir)
	target := t.TempDir()
	file := filepath.Join(target, "backup.db")
	nothing := func(what string) {
		t.Helper()
		if files, err := os.ReadDir(target); err != nil || len(files) > 0 {
			t.Errorf("%s left %v, %v", what, files, err)
		}
	}
	missing := filepath.Join(t.TempDir(), "missing")
	refused(t, nil, []string{"backup", file, "--data-dir", missing}, "MODELPROVIDERS_DATA_DIR", missing)
	nothing("a backup without a database")
	refused(t, map[string]string{"MODELPROVIDERS_DATABASE_URL": "postgres://me:hunter22@db/x"}, []string{"backup", file, "--data-dir", dir}, "pg_dump", "keyset")
	nothing("a backup of PostgreSQL")

	disk := storetest.NewDisk(t, 1)
	disk.Fill(t)
	refused(t, nil, []string{"backup", filepath.Join(disk.Dir, "backup.db"), "--data-dir", dir}, "full")
	disk.Free(t)
	for path := range contentsOf(t, disk.Dir) {
		t.Errorf("a backup on a full disk left %s", path)
	}

	writeFile(t, file, "another file")
	err := run(t.Context(), []string{"backup", file, "--data-dir", dir}, environmentOf(nil), io.Discard, io.Discard)
	if err == nil || err.Error() != file+" exists already; give the backup another name" {
		t.Errorf("a backup to a file that exists: %v", err)
	}
	if readFile(t, file) != "another file" {
		t.Error("the backup replaced another file")
	}
	removeFile(t, file)
}

// TestCopyOfTheFileAlone: a start warns of a copy that was made while the service was
// running, and not of a file that a killed service has left.
func TestCopyOfTheFileAlone(t *testing.T) {
	dir, copied := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(copied, 0o700); err != nil {
		t.Fatal(err)
	}
	const warning = "may lack the latest changes"
	p := launch(t, "--data-dir", dir)
	if !p.settle(t) {
		t.Fatal(p.stderr)
	}
	p.signIn(t, dir)
	p.must(t, 201, "POST", "/providers", aProvider)
	for _, file := range []string{"modelproviders.db", "keyset.json"} {
		writeFile(t, filepath.Join(copied, file), readFile(t, filepath.Join(dir, file)))
	}
	s := start(t, nil, "--data-dir", copied)
	if !strings.Contains(s.stderr.String(), warning) {
		t.Errorf("no warning of the copy:\n%s", s.stderr)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}

	p.signal(os.Kill)
	<-p.ended
	for range 2 {
		s := start(t, nil, "--data-dir", dir)
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(s.stderr.String(), warning) {
			t.Errorf("a warning after a kill:\n%s", s.stderr)
		}
	}

	// A command may be the first to open what a killed service has left.
	p = launch(t, "--data-dir", dir)
	if !p.settle(t) {
		t.Fatal(p.stderr)
	}
	p.signal(os.Kill)
	<-p.ended
	execSQLite(t, dir, "PRAGMA wal_autocheckpoint = 0; UPDATE processes SET seen_at = 0") // time passes
	writeFile(t, filepath.Join(dir, "modelproviders.db-wal"), "")                         // which the statement removed
	if err := run(t.Context(), []string{"tokens", "list", "--data-dir", dir}, environmentOf(nil), io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	if s := start(t, nil, "--data-dir", dir); strings.Contains(s.stderr.String(), warning) {
		t.Errorf("a warning after a kill and a command:\n%s", s.stderr)
	}
	restored := filepath.Join(t.TempDir(), "backup.db")
	if err := run(t.Context(), []string{"backup", restored, "--data-dir", dir}, environmentOf(nil), io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(copied, "modelproviders.db"), readFile(t, restored))
	if s := start(t, nil, "--data-dir", copied); strings.Contains(s.stderr.String(), warning) {
		t.Errorf("a warning of a backup:\n%s", s.stderr)
	}
}
