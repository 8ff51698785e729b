package main

import (
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

// TestLostDatabase: an empty database is refused where files show that there was one.
func TestLostDatabase(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		gone  []string // of the data directory
		shows string   // the file that shows that there was a database
	}{
		"database":                   {[]string{"modelproviders.db"}, "keyset.json.claimed"},
		"database, without the note": {[]string{"modelproviders.db", "keyset.json.claimed"}, "admin.token"},
		"database and token":         {[]string{"modelproviders.db", "admin.token"}, "keyset.json.claimed"},
		"database and keyset":        {[]string{"modelproviders.db", "keyset.json"}, "keyset.json.claimed"},
		"database, keyset and note":  {[]string{"modelproviders.db", "keyset.json", "keyset.json.claimed"}, "admin.token"},
		"database, keyset and token": {[]string{"modelproviders.db", "keyset.json", "admin.token"}, "keyset.json.claimed"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			if err := start(t, nil, "--data-dir", dir).stop(); err != nil {
				t.Fatal(err)
			}
			for _, file := range test.gone {
				removeFile(t, filepath.Join(dir, file))
			}
			before := contentsOf(t, dir)
			words := []string{"MODELPROVIDERS_DATA_DIR", test.shows, "backup", "--new-database"}
			refused(t, nil, []string{"--addr", "127.0.0.1:0", "--data-dir", dir}, words...)
			refused(t, nil, []string{"tokens", "create", "--name", "n", "--role", "admin", "--data-dir", dir}, words...)
			if err := run(t.Context(), []string{"tokens", "list", "--data-dir", dir}, environmentOf(nil), io.Discard, io.Discard); err == nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error is not one line: %v", err)
			}
			unchanged(t, before, contentsOf(t, dir))

			// An empty file, or one without a claim, is no better.
			writeFile(t, filepath.Join(dir, "modelproviders.db"), "")
			refused(t, nil, []string{"--addr", "127.0.0.1:0", "--data-dir", dir}, words...)

			s := start(t, map[string]string{"MODELPROVIDERS_NEW_DATABASE": "true"}, "--data-dir", dir)
			s.signIn(t, dir)
			session(t, s)
			if !strings.Contains(s.stderr.String(), "MODELPROVIDERS_NEW_DATABASE") {
				t.Error("the log does not say to remove the setting")
			}
			if err := s.stop(); err != nil {
				t.Fatal(err)
			}
			start(t, nil, "--data-dir", dir)
		})
	}
}

func TestLostPostgres(t *testing.T) {
	t.Parallel()
	dir, keyset := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "keyset.json")
	flags := func(url string, more ...string) []string {
		return append([]string{"--keyset", keyset, "--database-url", url}, more...)
	}
	first := storetest.Postgres(t)
	if err := start(t, nil, flags(first, "--data-dir", dir)...).stop(); err != nil {
		t.Fatal(err)
	}
	other := storetest.Postgres(t)
	// On another machine, only the keyset and its note are there.
	for _, dir := range []string{dir, filepath.Join(t.TempDir(), "data")} {
		refused(t, nil, flags(other, "--data-dir", dir, "--addr", "127.0.0.1:0"), "MODELPROVIDERS_DATABASE_URL", keyset+".claimed", "--new-database")
	}
	second := filepath.Join(t.TempDir(), "data")
	s := start(t, nil, flags(other, "--data-dir", second, "--new-database")...)
	s.signIn(t, second)
	session(t, s)
	start(t, nil, flags(first, "--data-dir", dir)...) // the first database is still there
}

// TestDatabaseOfAnEarlierVersion: the note is written at the next start, also by a
// command.
func TestDatabaseOfAnEarlierVersion(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	note := filepath.Join(dir, "keyset.json.claimed")
	if err := start(t, nil, "--data-dir", dir).stop(); err != nil {
		t.Fatal(err)
	}
	removeFile(t, note)
	start(t, nil, "--data-dir", dir)
	if text := readFile(t, note); !strings.Contains(text, "--new-database") {
		t.Errorf("the note says %q", text)
	}
}

// TestFirstStartThatWasKilled takes the steps of a first start back, one by one, the last
// one first. A start succeeds after each.
func TestFirstStartThatWasKilled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	file := func(name string) func(*testing.T) {
		return func(t *testing.T) { removeFile(t, filepath.Join(dir, name)) }
	}
	rows := func(statement string) func(*testing.T) { return func(t *testing.T) { inDatabase(t, dir, statement) } }
	steps := []struct {
		name string
		undo func(*testing.T)
	}{
		{"the token is stored", rows("DELETE FROM tokens; DELETE FROM claims WHERE name = 'first_token'; DELETE FROM audit_events; DELETE FROM audit_heads")},
		{"the file of the token", file("admin.token")},
		{"the master key", rows("DELETE FROM claims WHERE name = 'hmac_master'")},
		{"the note", file("keyset.json.claimed")},
		{"the sealing key", rows("DELETE FROM sealing_keys")},
		{"the claim", rows("DELETE FROM claims WHERE name = 'keyset'")},
		{"the keyset", file("keyset.json")},
		{"the tables", file("modelproviders.db")},
	}
	for n := range steps {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := start(t, nil, "--data-dir", dir).stop(); err != nil {
			t.Fatal(err)
		}
		for _, step := range steps[:n+1] {
			step.undo(t)
		}
		s := start(t, nil, "--data-dir", dir)
		s.signIn(t, dir)
		session(t, s)
		if err := s.stop(); err != nil {
			t.Errorf("before %s: %v", steps[n].name, err)
		}
	}
}

// TestFirstStartKilledAtAnyTime kills first starts after random times.
func TestFirstStartKilledAtAnyTime(t *testing.T) {
	t.Parallel()
	storetest.Long(t)
	dir := filepath.Join(t.TempDir(), "data")
	for range 20 {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		p := launch(t, "--data-dir", dir)
		time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond)
		p.signal(os.Kill)
		<-p.ended
		s := start(t, nil, "--data-dir", dir)
		s.signIn(t, dir)
		s.must(t, http.StatusOK, "GET", "/providers", "")
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKeysetInAReadOnlyDirectory: the note can't be written, and the service starts.
func TestKeysetInAReadOnlyDirectory(t *testing.T) {
	disk := storetest.NewDisk(t, 1)
	dir, keyset := filepath.Join(t.TempDir(), "data"), filepath.Join(disk.Dir, "keyset.json")
	if err := start(t, nil, "--data-dir", dir, "--keyset", keyset).stop(); err != nil {
		t.Fatal(err)
	}
	removeFile(t, keyset+".claimed")
	disk.MakeReadOnly(t)
	for range 2 {
		s := start(t, nil, "--data-dir", dir, "--keyset", keyset)
		if !strings.Contains(s.stderr.String(), keyset+".claimed") {
			t.Errorf("the log does not name the note:\n%s", s.stderr)
		}
		if err := s.stop(); err != nil {
			t.Fatal(err)
		}
	}
}
