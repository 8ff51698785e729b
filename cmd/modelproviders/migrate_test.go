package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"modelproviders/pkg/store/storetest"
)

// schemaOf runs a command that prints a schema, and returns its exit status.
func schemaOf(t *testing.T, args ...string) (schema struct {
	Database, Program int64
	Pending           []string
}, status int) {
	t.Helper()
	var stdout bytes.Buffer
	err := run(t.Context(), append(args, "--json"), environmentOf(nil), &stdout, io.Discard)
	if stdout.Len() > 0 {
		if err := json.Unmarshal(stdout.Bytes(), &schema); err != nil {
			t.Fatal(err)
		}
	}
	if exit := new(exitError); errors.As(err, exit) {
		return schema, exit.status
	} else if err != nil {
		t.Log(err)
		return schema, exitFailed
	}
	return schema, exitOK
}

func TestMigrate(t *testing.T) {
	for name, flags := range map[string][]string{
		"SQLite":   {"--data-dir", filepath.Join(t.TempDir(), "data")},
		"Postgres": {"--data-dir", filepath.Join(t.TempDir(), "data"), "--database-url", storetest.Postgres(t)},
	} {
		t.Run(name, func(t *testing.T) {
			command := func(args ...string) []string { return append(args, flags...) }
			for range 2 { // it changes nothing
				got, status := schemaOf(t, command("migrate", "status")...)
				if status != exitPending || got.Database != 0 || got.Program == 0 || int64(len(got.Pending)) != got.Program {
					t.Errorf("before: %+v, exit status %d", got, status)
				}
			}
			for path := range contentsOf(t, flags[1]) {
				t.Errorf("`migrate status` made %s", path)
			}
			for _, args := range [][]string{{"migrate", "up"}, {"migrate", "up"}, {"migrate", "status"}} {
				if got, status := schemaOf(t, command(args...)...); status != exitOK || got.Database != got.Program || len(got.Pending) != 0 {
					t.Errorf("%v: %+v, exit status %d", args, got, status)
				}
			}
			s := start(t, nil, flags...)
			s.signIn(t, flags[1])
			session(t, s)
			if got, status := schemaOf(t, command("migrate", "status")...); status != exitOK {
				t.Errorf("while the service runs: %+v, exit status %d", got, status)
			}
		})
	}
}

func TestMigrateRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := start(t, nil, "--data-dir", dir).stop(); err != nil {
		t.Fatal(err)
	}
	execSQLite(t, dir, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
	if got, status := schemaOf(t, "migrate", "status", "--data-dir", dir); status != exitFailed || got.Database != 9999 {
		t.Errorf("a newer schema: %+v, exit status %d", got, status)
	}
	refused(t, nil, []string{"migrate", "up", "--data-dir", dir}, "9999")

	removeFile(t, filepath.Join(dir, "modelproviders.db"))
	before := contentsOf(t, dir)
	refused(t, nil, []string{"migrate", "up", "--data-dir", dir}, "keyset.json.claimed", "--new-database")
	unchanged(t, before, contentsOf(t, dir))
	if out := new(strings.Builder); run(t.Context(), []string{"migrate", "status", "--data-dir", dir}, environmentOf(nil), out, io.Discard) == nil || !strings.HasPrefix(out.String(), "0\t") {
		t.Errorf("printed %q", out)
	}
}
