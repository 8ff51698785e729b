package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBuildHasTheCommit builds the program in a clone of the repository, as an image
// does: without what .dockerignore excludes.
func TestBuildHasTheCommit(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the program")
	}
	dir := t.TempDir()
	in := func(dir, name string, args ...string) string {
		t.Helper()
		command := exec.CommandContext(t.Context(), name, args...)
		command.Dir = dir
		command.Env = append(os.Environ(), "GOFLAGS=-buildvcs=auto") // the default; a machine may have another
		var stderr bytes.Buffer
		command.Stderr = &stderr
		out, err := command.Output()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, &stderr)
		}
		return strings.TrimSpace(string(out))
	}
	if err := exec.Command("git", "rev-parse", "HEAD").Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("this is not a Git repository: ", err)
		}
		t.Skip("this is not a Git repository: ", err)
	}
	source, program := filepath.Join(dir, "source"), filepath.Join(dir, "modelproviders")
	in(".", "git", "clone", "-q", in(".", "git", "rev-parse", "--show-toplevel"), source)
	for line := range strings.Lines(readFile(t, "../../.dockerignore")) {
		pattern := strings.TrimSpace(line)
		if pattern == "" || strings.HasPrefix(pattern, "#") {
			continue
		}
		if tracked := in(source, "git", "ls-files", "--", ":(glob)"+pattern, ":(glob)"+pattern+"/**"); tracked != "" {
			t.Errorf(".dockerignore excludes %s", tracked)
		}
		if pattern == ".git" {
			t.Error(".dockerignore excludes the repository")
		}
	}
	in(source, "go", "build", "-o", program, "./cmd/modelproviders")
	commit := in(source, "git", "rev-parse", "HEAD")
	if got := in(dir, program, "version", "--json"); !strings.Contains(got, `"commit":"`+commit+`"`) {
		t.Errorf("the version is %s, want the commit %s", got, commit)
	}
}
