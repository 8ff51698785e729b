package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// printed runs a command that must succeed, and returns what it prints.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if err := run(t.Context(), args, environmentOf(nil), &stdout, &stderr); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, &stderr)
	}
	return stdout.String()
}

// printedJSON is printed for a command with --json. It returns the objects.
func printedJSON(t *testing.T, args ...string) (objects []map[string]any) {
	t.Helper()
	for line := range strings.Lines(printed(t, append(args, "--json")...)) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Fatalf("%v prints %q: %v", args, line, err)
		}
		objects = append(objects, object)
	}
	return objects
}

// TestOutputForPrograms: what is not printed on a terminal is one record per line, with
// tabs between the values, or JSON.
func TestOutputForPrograms(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	command := func(args ...string) []string { return append(args, "--data-dir", dir) }
	create := command("tokens", "create", "--role", "editor", "--workspace", "acme")

	value := printed(t, append(create, "--name", "Deploy script")...)
	if !strings.HasPrefix(value, "mp_") || strings.Count(value, "\n") != 1 || strings.ContainsAny(value, "\t ") {
		t.Errorf("a new token is printed as %q", value)
	}
	made := printedJSON(t, append(create, "--name", "Nightly job", "--expires-in", "720h")...)
	if len(made) != 1 || !strings.HasPrefix(made[0]["token"].(string), "mp_") || made[0]["expires_at"] == nil {
		t.Fatalf("a new token is printed as %v", made)
	}

	listed := strings.Split(printed(t, command("tokens", "list", "--workspace", "acme")...), "\n")
	if len(listed) != 3 || !slices.Equal(strings.Split(listed[0], "\t")[1:3], []string{"Nightly job", "editor"}) || strings.Split(listed[0], "\t")[0] != made[0]["id"] {
		t.Errorf("the tokens are listed as %q", listed)
	}
	objects := printedJSON(t, command("tokens", "list", "--workspace", "acme")...)
	delete(made[0], "token")
	if len(objects) != 2 || !cmp.Equal(objects[0], made[0]) {
		t.Errorf("the tokens are listed as %v", objects)
	}

	if got := printed(t, command("tokens", "revoke", "--workspace", "acme", objects[0]["id"].(string))...); got != "" {
		t.Errorf("a revocation prints %q", got)
	}
	if got := printed(t, command("audit", "verify")...); got != "acme\tintact\t3\t\ndefault\tintact\t0\t\n" && got != "acme\tintact\t3\t\n" {
		t.Errorf("a verification prints %q", got)
	}
	if got := printedJSON(t, command("audit", "verify")...); got[0]["workspace"] != "acme" || got[0]["links"] != 3.0 || got[0]["break"] != nil {
		t.Errorf("a verification prints %v", got)
	}
	if got := strings.Split(printed(t, "version"), "\t"); len(got) != 3 || got[2] != runtime.Version()+"\n" {
		t.Errorf("the version is printed as %q", got)
	}
	if got := printedJSON(t, "version"); len(got) != 1 || got[0]["go"] != runtime.Version() || got[0]["version"] == "" {
		t.Errorf("the version is printed as %v", got)
	}
}

// A broken chain is printed, and is a failure.
func TestOutputOfABrokenChain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	printed(t, "tokens", "create", "--name", "one", "--role", "admin", "--data-dir", dir)
	inDatabase(t, dir, `UPDATE audit_events SET target_name = 'another'`)
	var stdout bytes.Buffer
	err := run(t.Context(), []string{"audit", "verify", "--data-dir", dir}, environmentOf(nil), &stdout, io.Discard)
	if err == nil || conclude(err, io.Discard) != 1 {
		t.Errorf("a broken chain ends with %v", err)
	}
	if got := strings.Split(stdout.String(), "\t"); len(got) != 4 || got[1] != "broken" || !strings.Contains(got[3], "was changed") {
		t.Errorf("a broken chain is printed as %q", got)
	}
}

// A name can't break a line, or move the cursor.
func TestOutputHasNoControlCharacters(t *testing.T) {
	var stdout bytes.Buffer
	values := func(s string) []any { return []any{s, 1} }
	if err := printRecords(streams{stdout: &stdout}, outputFlags{}, "NAME\tLENGTH", values, "a\tb\nc\x1b[2J"); err != nil {
		t.Fatal(err)
	}
	if got := stdout.String(); got != "a b c [2J\t1\n" {
		t.Errorf("printed %q", got)
	}
}

func TestExitStatus(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	for _, test := range []struct {
		args   []string
		status int
		said   string
	}{
		{[]string{"version"}, exitOK, ""},
		{[]string{"tokens", "list", "--data-dir", dir}, exitFailed, "modelproviders: "},
		{[]string{"launch"}, exitUsage, "modelproviders: "},
		{[]string{"version", "--no-such-flag"}, exitUsage, "modelproviders: "},
	} {
		var stderr bytes.Buffer
		err := run(t.Context(), test.args, environmentOf(nil), io.Discard, io.Discard)
		if got := conclude(err, &stderr); got != test.status || !strings.HasPrefix(stderr.String(), test.said) {
			t.Errorf("%v ends with the status %d and says %q", test.args, got, &stderr)
		}
	}
	var stderr bytes.Buffer
	if got := conclude(exitError{status: 2}, &stderr); got != 2 || stderr.Len() > 0 {
		t.Errorf("the status is %d, and %q is said", got, &stderr)
	}
}

// Errors of commands are words, without the codes of the API.
func TestErrorsOfCommandsAreWords(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	printed(t, "tokens", "create", "--name", "one", "--role", "admin", "--data-dir", dir)
	for _, args := range [][]string{
		{"tokens", "revoke", "0199d1a4-7c1e-7d3a-9a53-3f2c5a8e9b10"},
		{"tokens", "create", "--name", " ", "--role", "admin"},
	} {
		var stderr bytes.Buffer
		conclude(run(t.Context(), append(args, "--data-dir", dir), environmentOf(nil), io.Discard, io.Discard), &stderr)
		if said := stderr.String(); !strings.HasPrefix(said, "modelproviders: ") || strings.Contains(said, "not_found") || strings.Contains(said, "validation_failed") {
			t.Errorf("%v says %q", args, said)
		}
	}
}

func TestLogFormatAndLevel(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := start(t, nil, "--data-dir", dir)
	if said := s.stderr.String(); !strings.Contains(said, "level=INFO msg=serving") || !strings.Contains(said, "version=") {
		t.Errorf("by default the log is\n%s", s.stderr)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	exposed := filepath.Join(dir, "keyset.json")
	if err := os.Chmod(exposed, 0o644); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	variables := environmentOf(map[string]string{"MODELPROVIDERS_LOG_FORMAT": "json", "MODELPROVIDERS_LOG_LEVEL": "warn"})
	if err := run(t.Context(), []string{"tokens", "list", "--data-dir", dir}, variables, io.Discard, &stderr); err != nil {
		t.Fatal(err)
	}
	var line map[string]any
	if err := json.Unmarshal(stderr.Bytes(), &line); err != nil || line["level"] != "WARN" || line["path"] != exposed {
		t.Errorf("the log is %q", &stderr)
	}
}
