package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"modelproviders/pkg/store/storetest"
)

// TestRestore backs up a service under load and restores it elsewhere. The commands
// are those of docs/operations.md.
func TestRestore(t *testing.T) {
	t.Parallel()
	storetest.Long(t)
	t.Run("SQLite", func(t *testing.T) {
		dir, other := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "data")
		file := filepath.Join(t.TempDir(), "backup.db")
		restore(t, dir, other, nil, nil,
			func() {
				if err := run(t.Context(), []string{"backup", file, "--data-dir", dir}, environmentOf(nil), io.Discard, io.Discard); err != nil {
					t.Fatal(err)
				}
			},
			func() { copyFile(t, file, filepath.Join(other, "modelproviders.db")) })
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		from, to := storetest.StartCluster(t), storetest.StartCluster(t)
		dump := filepath.Join(t.TempDir(), "modelproviders.dump")
		program := func(name string, args ...string) {
			t.Helper()
			if out, err := exec.CommandContext(t.Context(), from.Program(name), args...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, out)
			}
		}
		restore(t, filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "data"),
			[]string{"--database-url", from.URL()}, []string{"--database-url", to.URL()},
			func() { program("pg_dump", "--format=custom", "--file="+dump, "--dbname="+from.URL()) },
			func() {
				program("pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--dbname="+to.URL(), dump)
			})
	})
}

// restore starts a service with the data directory dir, backs it up under load, and
// starts another one with the data directory other.
func restore(t *testing.T, dir, other string, args, otherArgs []string, backUp, putBack func()) {
	t.Helper()
	p := launch(t, append(append(args, "--data-dir", dir), loadFlags()...)...)
	if !p.settle(t) {
		t.Fatalf("the process ended:\n%s", p.stderr)
	}
	p.signIn(t, dir)
	l, stop := startLoad(t, &p.service)
	time.Sleep(500 * time.Millisecond)
	before := l.present()
	backUp()
	time.Sleep(200 * time.Millisecond)
	stop()
	if t.Failed() {
		t.Fatalf("the process said:\n%s", p.stderr.tail())
	}

	if err := os.MkdirAll(other, 0o700); err != nil {
		t.Fatal(err)
	}
	putBack()
	copyFile(t, filepath.Join(dir, "keyset.json"), filepath.Join(other, "keyset.json"))
	otherArgs = append(append(otherArgs, "--data-dir", other), loadFlags()...)
	restored := launch(t, otherArgs...)
	if !restored.settle(t) {
		t.Fatalf("the restored service does not start:\n%s", restored.stderr)
	}
	restored.token = p.token
	restored.must(t, http.StatusOK, "GET", "/readyz", "")
	l.moveTo(restored.url)
	l.compareBackup(before)
	verifyAudit(t, otherArgs)
	stopRestored(t, restored)
}

// present returns the providers as they are acknowledged now.
func (l *load) present() map[string]acknowledged {
	l.operations.Lock()
	defer l.operations.Unlock()
	now := map[string]acknowledged{}
	for _, c := range l.callers {
		for _, a := range c.live {
			now[a.id] = *a
		}
	}
	return now
}

var editsForm = regexp.MustCompile(`, edit (\d+)$`)

// compareBackup checks that the service has the providers of a moment that is not
// earlier than when present returned before, each as it was then.
func (l *load) compareBackup(before map[string]acknowledged) {
	l.t.Helper()
	found := l.list()
	for _, c := range l.callers {
		for i, a := range append(c.gone, c.live...) {
			p, there := found[a.id]
			earlier, existed := before[a.id]
			if !there {
				if existed && i >= len(c.gone) {
					l.t.Errorf("%s was acknowledged before the backup and is not in it", a.name)
				}
				continue
			}
			delete(found, a.id)
			then := acknowledged{id: a.id, name: a.name, modelID: a.modelID}
			if match := editsForm.FindStringSubmatch(p.Name); match != nil {
				then.edits, _ = strconv.Atoi(match[1])
			}
			then.version = int64(then.edits) + 1
			if then.edits < earlier.edits || then.edits > a.edits {
				l.t.Errorf("%s is in the backup as of edit %d; it was at %d before the backup, and at %d after it", a.name, then.edits, earlier.edits, a.edits)
			}
			if then.edits == earlier.edits { // the test was not forgotten
				then.testedAt = earlier.testedAt
			}
			l.compareProvider(&then, p)
			if status, text := l.insist("POST", "/models/"+a.modelID+"/test", map[string]any{"prompt": "Say hello."}); status != http.StatusOK {
				l.t.Errorf("test %s: %d %s", a.name, status, text)
			}
		}
	}
	for _, p := range found {
		l.t.Errorf("a provider in the backup was never created: %+v", p)
	}
	if len(before) == 0 {
		l.t.Error("nothing was created before the backup")
	}
}

func stopRestored(t *testing.T, p *process) {
	t.Helper()
	p.signal(os.Interrupt)
	if <-p.ended; p.err != nil {
		t.Errorf("the restored service ended with %v:\n%s", p.err, p.stderr.tail())
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	if err := os.WriteFile(to, []byte(readFile(t, from)), 0o600); err != nil {
		t.Fatal(err)
	}
}
