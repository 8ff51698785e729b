package app

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"modelproviders/pkg/secret"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// claimOfAnother returns the claim of some other keyset, as an SQL literal.
func claimOfAnother(t *testing.T) string {
	t.Helper()
	keys, err := secret.Create(t.Context(), filepath.Join(t.TempDir(), "other.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	claim, err := keys.Claim()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("x'%x'", claim)
}

func TestOpenKeyset(t *testing.T) {
	const (
		claimed = "INSERT INTO claims (name, value) VALUES ('keyset', OTHER)"
		// Another process claims the database between the read and the claim.
		faster = "CREATE TRIGGER faster BEFORE INSERT ON claims BEGIN " + claimed + "; END"
		away   = "DROP TABLE claims"
		// The database goes away between the read and the claim.
		awayThen = "CREATE TRIGGER away BEFORE INSERT ON claims BEGIN SELECT RAISE(ABORT, 'away'); END"
	)
	tests := map[string]struct {
		statement string
		present   bool // there is a keyset file before
		opens     bool
		remains   bool // there is one after
	}{
		"first start":                         {"", false, true, true},
		"first start, keyset prepared":        {"", true, true, true},
		"another was faster":                  {faster, false, false, false},
		"another was faster, keyset prepared": {faster, true, false, true},
		"claimed by another, keyset missing":  {claimed, false, false, false},
		"claimed by another":                  {claimed, true, false, true},
		"database away":                       {away, false, false, false},
		// Whether the claim was committed is unknown, so the keyset must stay.
		"database away while it is claimed": {awayThen, false, false, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			file, path := filepath.Join(t.TempDir(), "store.db"), filepath.Join(t.TempDir(), "keyset.json")
			db := storetest.Open(t, store.Config{SQLitePath: file})
			execute(t, file, strings.ReplaceAll(test.statement, "OTHER", claimOfAnother(t)))
			if test.present {
				if _, err := secret.Create(t.Context(), path, nil); err != nil {
					t.Fatal(err)
				}
			}
			keys, err := openKeyset(t.Context(), db, path, nil, nil, slog.New(slog.DiscardHandler))
			if opens := err == nil; opens != test.opens || opens != (keys != nil) {
				t.Errorf("got %v, %v", keys, err)
			}
			_, err = os.Stat(path)
			if remains := !errors.Is(err, fs.ErrNotExist); remains != test.remains {
				t.Errorf("there is a keyset file: %t, want %t", remains, test.remains)
			}
		})
	}
}

func execute(t *testing.T, file, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// TestFingerprintIsBounded: of a file that can be no keyset, not everything is read.
func TestFingerprintIsBounded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyset.json")
	if err := os.WriteFile(path, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	before := fingerprint(path)
	if err := os.Truncate(path, 3<<20); err != nil {
		t.Fatal(err)
	}
	if fingerprint(path) != before {
		t.Error("more than 2 MiB were read")
	}
}
