package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"modelproviders/pkg/store/storetest"
)

// TestRotation rotates the key of a service under load. After each step, every process
// can open everything; no call fails, and no edit is lost.
func TestRotation(t *testing.T) {
	t.Parallel()
	storetest.Long(t)
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		rotate(newRotating(t, "", "one"))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		r := newRotating(t, storetest.Postgres(t), "first", "second")
		r.out = t.TempDir()
		rotate(r)
	})
}

func rotate(r *rotating) {
	old := r.sealing()
	added := r.edit("add")
	r.check("add")
	for i := range r.processes[1:] {
		r.give("add", i)
		r.processes[i].waitFor(r.T, `msg="reloaded the keyset"`)
		time.Sleep(6 * time.Second) // a process reports its keys every 5 seconds
		if _, _, err := r.keys("promote", added); err == nil {
			r.Fatal("a key was promoted that a process lacks")
		}
		r.check("the key is in some processes")
	}
	r.give("add", len(r.processes)-1)
	eventually(r.T, "the key is promoted", func() bool {
		_, _, err := r.keys("promote", added)
		return err == nil
	})
	r.check("promote")
	if now := r.sealing(); now != added {
		r.Errorf("%s seals, not %s", now, added)
	}
	if _, _, err := r.keys("retire", old, "--out", filepath.Join(r.TempDir(), "keyset.json")); err == nil {
		r.Error("a key was retired with which values are sealed")
	}
	r.mustKeys("reseal")
	r.check("reseal")
	for _, step := range [][]string{{"retire", old}, {"destroy", old, "--yes"}} {
		r.edit(step...)
		r.check(step[0])
		for i := range r.processes {
			r.give(step[0], i)
			time.Sleep(3 * time.Second) // a process looks at the file every 2 seconds
			r.check(step[0] + ", in the files of some processes")
		}
	}
	r.stop()
	r.load.compare()
	r.load.compareEvents(exportAudit(r.T, r.args))
	verifyAudit(r.T, r.args)
	r.load.report()
	if n := r.load.answered(http.StatusServiceUnavailable); n > 0 {
		r.Errorf("%d calls were answered 503", n)
	}
}

// rotating is a service of one or several processes under load.
type rotating struct {
	*testing.T
	args      []string // of the commands
	processes []*process
	keysets   []string // the files of the processes
	out       string   // where commands write keysets; empty: into the file of the process
	load      *load
	stop      func()
}

// newRotating starts a process for each name, each with a keyset file of its own.
func newRotating(t *testing.T, databaseURL string, names ...string) *rotating {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	r := &rotating{T: t}
	var urls []string
	for i, name := range names {
		keyset := filepath.Join(t.TempDir(), name, "keyset.json")
		if err := os.Mkdir(filepath.Dir(keyset), 0o700); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			copyFile(t, r.keysets[0], keyset)
		}
		args := []string{"--data-dir", dir, "--database-url", databaseURL, "--keyset", keyset}
		p := launch(t, append(args, loadFlags()...)...)
		if !p.settle(t) {
			t.Fatalf("the process ended:\n%s", p.stderr)
		}
		p.signIn(t, dir)
		r.processes, r.keysets, urls = append(r.processes, p), append(r.keysets, keyset), append(urls, p.url)
		if i == 0 {
			r.args = args
		}
	}
	r.load, r.stop = startLoad(t, &r.processes[0].service)
	r.load.moveTo(urls...)
	return r
}

// keys runs a command and returns what it prints on stdout, and what it says.
func (r *rotating) keys(args ...string) (printed, said string, err error) {
	r.Helper()
	var stdout, stderr bytes.Buffer
	err = run(r.Context(), append(append([]string{"keys"}, args...), r.args...), environmentOf(nil), &stdout, &stderr)
	return strings.TrimSpace(stdout.String()), stderr.String(), err
}

func (r *rotating) mustKeys(args ...string) string {
	r.Helper()
	printed, said, err := r.keys(args...)
	if err != nil {
		r.Fatalf("keys %s: %v\n%s%s", args, err, printed, said)
	}
	return printed
}

// edit runs a command that changes the keyset.
func (r *rotating) edit(args ...string) string {
	r.Helper()
	if r.out == "" {
		return r.mustKeys(args...)
	}
	return r.mustKeys(append(args, "--out", filepath.Join(r.out, args[0]))...)
}

// give puts the keyset that a command has written in the place of that of a process.
func (r *rotating) give(command string, process int) {
	r.Helper()
	if r.out == "" {
		return
	}
	path := r.keysets[process]
	copyFile(r.T, filepath.Join(r.out, command), path+".new")
	if err := os.Rename(path+".new", path); err != nil {
		r.Fatal(err)
	}
}

func (r *rotating) sealing() string {
	r.Helper()
	return listedIn(r.T, r.mustKeys("list", "--json"), seals)
}

// listedKey is a line of `keys list --json`.
type listedKey struct {
	ID     uint32
	State  string
	Values int
}

func (k listedKey) id() string { return strconv.FormatUint(uint64(k.ID), 10) }

// listedIn returns the id of the key for which is returns true.
func listedIn(t *testing.T, list string, is func(listedKey) bool) string {
	t.Helper()
	for line := range strings.Lines(list) {
		var key listedKey
		if err := json.Unmarshal([]byte(line), &key); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if is(key) {
			return key.id()
		}
	}
	t.Fatalf("there is no such key in:\n%s", list)
	return ""
}

func seals(k listedKey) bool  { return k.State == "sealing" }
func unused(k listedKey) bool { return k.State == "enabled" && k.Values == 0 }

// check checks every provider through each process.
func (r *rotating) check(step string) {
	r.Helper()
	r.load.operations.Lock()
	defer r.load.operations.Unlock()
	var urls []string
	for _, p := range r.processes {
		r.load.moveTo(p.url)
		r.load.compare()
		urls = append(urls, p.url)
	}
	r.load.moveTo(urls...)
	if r.Failed() {
		for i, p := range r.processes {
			r.Logf("process %d said:\n%s", i, p.stderr.tail())
		}
		r.Fatal("failed after this step: ", step)
	}
}
