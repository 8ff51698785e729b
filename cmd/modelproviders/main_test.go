package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// aProvider is the body of a request to create a provider.
const aProvider = `{"name":"Production OpenAI","type":"openai","credentials":{"api_key":"sk-first-key"},
	"models":[{"model_id":"gpt-4-turbo","supported_stages":["planning"]}]}`

func TestFirstStartInAnEmptyDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	s := start(t, nil)

	if mode := modeOf(t, "data"); mode != os.ModeDir|0o700 {
		t.Errorf("the data directory has the mode %v", mode)
	}
	files, err := os.ReadDir("data")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if mode := modeOf(t, filepath.Join("data", file.Name())); mode != 0o600 {
			t.Errorf("%s has the mode %v", file.Name(), mode)
		}
	}
	for _, name := range []string{"modelproviders.db", "keyset.json", "admin.token"} {
		if _, err := os.Stat(filepath.Join("data", name)); err != nil {
			t.Error(err)
		}
	}
	if !strings.Contains(s.stderr.String(), "data/admin.token") {
		t.Errorf("the log does not say where the token is:\n%s", s.stderr)
	}

	s.must(t, http.StatusUnauthorized, "GET", "/providers", "")
	s.signIn(t, "data")
	if strings.Contains(s.stderr.String(), s.token) {
		t.Errorf("the log holds the token:\n%s", s.stderr)
	}
	session(t, s)
}

func modeOf(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

// session creates, reveals, edits and deletes a provider.
func session(t *testing.T, s *service) {
	t.Helper()
	made := s.must(t, http.StatusCreated, "POST", "/providers", aProvider)
	path := "/providers/" + made.text("id")
	if got := made.header.Get("Location"); got != path {
		t.Errorf("created at %q, not at %q", got, path)
	}
	revealed := s.must(t, http.StatusOK, "POST", path+"/credentials/api_key/reveal", "")
	if got := revealed.text("value"); got != "sk-first-key" {
		t.Errorf("revealed %q", got)
	}
	edited := s.must(t, http.StatusOK, "PATCH", path, `{"name":"Renamed","credentials":{"api_key":"sk-second-key"}}`)
	if edited.text("name") != "Renamed" || edited.header.Get("ETag") != `"2"` {
		t.Errorf("edited to %q, version %s", edited.text("name"), edited.header.Get("ETag"))
	}
	revealed = s.must(t, http.StatusOK, "POST", path+"/credentials/api_key/reveal", "")
	if got := revealed.text("value"); got != "sk-second-key" {
		t.Errorf("revealed %q after the edit", got)
	}
	s.must(t, http.StatusNoContent, "DELETE", path, "")
	s.must(t, http.StatusNotFound, "GET", path, "")
}

func TestNextStartReusesKeysetAndToken(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first := start(t, nil, "--data-dir", dir)
	first.signIn(t, dir)
	path := "/providers/" + first.must(t, http.StatusCreated, "POST", "/providers", aProvider).text("id")
	if err := first.stop(); err != nil {
		t.Fatal("stopped with", err)
	}
	keyset := readFile(t, filepath.Join(dir, "keyset.json"))
	if err := os.Remove(filepath.Join(dir, "admin.token")); err != nil {
		t.Fatal(err)
	}

	second := start(t, nil, "--data-dir", dir)
	second.token = first.token
	revealed := second.must(t, http.StatusOK, "POST", path+"/credentials/api_key/reveal", "")
	if got := revealed.text("value"); got != "sk-first-key" {
		t.Errorf("revealed %q after the restart", got)
	}
	if readFile(t, filepath.Join(dir, "keyset.json")) != keyset {
		t.Error("the restart changed the keyset")
	}
	if _, err := os.Stat(filepath.Join(dir, "admin.token")); err == nil {
		t.Error("the restart made a token again, though the database held one")
	}
}

func TestRevokedTokenIsNotRevived(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first := start(t, nil, "--data-dir", dir)
	first.signIn(t, dir)
	if err := first.stop(); err != nil {
		t.Fatal("stopped with", err)
	}
	inDatabase(t, dir, `UPDATE tokens SET revoked_at = created_at`)

	second := start(t, nil, "--data-dir", dir)
	second.token = first.token
	second.must(t, http.StatusUnauthorized, "GET", "/providers", "")
	if got := strings.TrimSpace(readFile(t, filepath.Join(dir, "admin.token"))); got != first.token {
		t.Error("the restart wrote another token, though the database held one")
	}
}

func TestAuthOffNeedsNoToken(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := start(t, map[string]string{"MODELPROVIDERS_AUTH": "off"}, "--data-dir", dir)
	session(t, s)
	if _, err := os.Stat(filepath.Join(dir, "admin.token")); err == nil {
		t.Error("a token was made, though none is needed")
	}
}

// Each command's help says what it does, with an example, and fits into a terminal.
func TestHelpTeaches(t *testing.T) {
	var commands []string
	for line := range strings.Lines(printed(t, "--help")) {
		if name, _, found := strings.Cut(strings.TrimPrefix(line, "  "), "    "); found && strings.HasPrefix(line, "  ") && !strings.HasPrefix(name, " ") && !strings.HasPrefix(name, "-") {
			commands = append(commands, name)
		}
	}
	if len(commands) < 8 {
		t.Fatalf("the commands are %q", commands)
	}
	for _, command := range append(commands, "") {
		help := printed(t, append(strings.Fields(command), "--help")...)
		for _, part := range []string{"\n    modelproviders " + command, "MODELPROVIDERS_DATA_DIR", "exit status is"} {
			if !strings.Contains(strings.ReplaceAll(help, "  ", " "), strings.ReplaceAll(part, "  ", " ")) {
				t.Errorf("the help of %q has no %q", command, part)
			}
		}
		for line := range strings.Lines(help) {
			if len(line) > 101 {
				t.Errorf("the help of %q has the line %s", command, line)
			}
		}
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"-h"}, {"serve", "--help"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Chdir(t.TempDir())
			var stdout, stderr bytes.Buffer
			if err := run(context.Background(), args, environmentOf(nil), &stdout, &stderr); err != nil {
				t.Error("ended with:", err)
			}
			if !strings.Contains(stdout.String(), "Usage: modelproviders") {
				t.Errorf("printed %q", &stdout)
			}
			if files, _ := os.ReadDir("."); len(files) > 0 {
				t.Errorf("made %v", files)
			}
		})
	}
}
