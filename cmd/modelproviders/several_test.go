package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"modelproviders/pkg/store/storetest"
)

// together is how many processes start concurrently.
const together = 4

func TestSeveralStartAtOnceOnOneDataDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var all []*process
	for range together {
		all = append(all, launch(t, "--data-dir", dir))
	}
	makers := 0
	for _, p := range all {
		if !p.settle(t) {
			t.Fatalf("a process ended:\n%s", p.stderr)
		}
		makers += strings.Count(p.stderr.String(), "created the first admin token")
		p.signIn(t, dir)
	}
	if n := countIn(t, dir, "tokens"); makers != 1 || n != 1 {
		t.Errorf("%d processes made a token, the database holds %d", makers, n)
	}
	oneService(t, all)
}

func TestSeveralStartAtOnceOnOnePostgres(t *testing.T) {
	url, keyset := storetest.Postgres(t), filepath.Join(t.TempDir(), "keyset.json")
	var all []*process
	var dirs []string
	for range together {
		dirs = append(dirs, filepath.Join(t.TempDir(), "data"))
		all = append(all, launch(t, "--data-dir", dirs[len(dirs)-1], "--keyset", keyset, "--database-url", url))
	}
	var tokens []string
	for i, p := range all {
		if !p.settle(t) {
			t.Fatalf("a process ended:\n%s", p.stderr)
		}
		if path := filepath.Join(dirs[i], "admin.token"); exists(path) {
			tokens = append(tokens, strings.TrimSpace(readFile(t, path)))
		}
	}
	if len(tokens) != 1 {
		t.Fatalf("%d processes made a token", len(tokens))
	}
	for _, p := range all {
		p.token = tokens[0]
	}
	oneService(t, all)
}

func TestSeveralKeysetsForOnePostgres(t *testing.T) {
	url := storetest.Postgres(t)
	var all []*process
	var dirs []string
	for range together {
		dirs = append(dirs, filepath.Join(t.TempDir(), "data"))
		all = append(all, launch(t, "--data-dir", dirs[len(dirs)-1], "--database-url", url))
	}
	var serving []*process
	for i, p := range all {
		if p.settle(t) {
			serving = append(serving, p)
			p.signIn(t, dirs[i])
			continue
		}
		if code := p.command.ProcessState.ExitCode(); code != 1 || !strings.Contains(p.stderr.String(), "MODELPROVIDERS_KEYSET") {
			t.Errorf("ended with %d and:\n%s", code, p.stderr)
		}
		for path := range contentsOf(t, dirs[i]) {
			t.Errorf("the refused process left %s", path)
		}
	}
	if len(serving) != 1 {
		t.Fatalf("%d processes serve, each with a keyset of its own", len(serving))
	}
	oneService(t, serving)
}

// oneService checks that all processes can open what one has sealed.
func oneService(t *testing.T, all []*process) {
	t.Helper()
	path := "/providers/" + all[0].must(t, http.StatusCreated, "POST", "/providers", aProvider).text("id")
	for _, p := range all {
		if got := p.must(t, http.StatusOK, "POST", path+"/credentials/api_key/reveal", "").text("value"); got != "sk-first-key" {
			t.Errorf("revealed %q", got)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestSignalStopsTheProgram(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		p := launch(t, "--data-dir", filepath.Join(t.TempDir(), "data"))
		if !p.settle(t) {
			t.Fatalf("the process ended:\n%s", p.stderr)
		}
		p.signal(signal)
		<-p.ended
		if p.err != nil || !strings.Contains(p.stderr.String(), "stopping") {
			t.Errorf("after %v: %v\n%s", signal, p.err, p.stderr)
		}
	}
}

func TestExitCodeOfARefusedStart(t *testing.T) {
	p := launch(t, "--data-dir", t.TempDir(), "--base-path", "api")
	<-p.ended
	if code := p.command.ProcessState.ExitCode(); code != exitUsage || !strings.HasPrefix(p.stderr.String(), "modelproviders: --base-path (MODELPROVIDERS_BASE_PATH): ") {
		t.Errorf("ended with %d and:\n%s", code, p.stderr)
	}
}
