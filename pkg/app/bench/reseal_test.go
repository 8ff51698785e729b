package bench_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"modelproviders/pkg/store/storetest"
)

var (
	credentialCount = flag.Int("credentials", 100_000, "how many credentials BenchmarkReseal seals anew")
	resealRate      = flag.Int("reseal-rate", 1000, "how many credentials a second BenchmarkReseal seals anew in its second run")
)

// BenchmarkReseal seals all credentials of a service anew while it is called, once as fast
// as possible and once with a limit, and prints how long the calls took meanwhile, beside
// the same calls before. It fails on a call that fails and on a lost edit, never on a slow
// call.
func BenchmarkReseal(b *testing.B) {
	program := build(b)
	upstream, _ := startChild(b, "upstream")
	b.Run("SQLite", func(b *testing.B) {
		newResealing(b, program, upstream, "", *credentialCount).print(20*time.Second, *resealRate)
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		newResealing(b, program, upstream, storetest.StartDurableCluster(b).Database(b), *credentialCount).print(20*time.Second, *resealRate)
	})
}

// TestReseal does the same with few credentials.
func TestReseal(t *testing.T) {
	storetest.Long(t)
	program := build(t)
	upstream, _ := startChild(t, "upstream")
	for name, url := range map[string]func() string{
		"SQLite":     func() string { return "" },
		"PostgreSQL": func() string { return storetest.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newResealing(t, program, upstream, url(), 500)
			r.reseal("--rate", "100") // otherwise it ends before many calls are made
			r.check()
		})
	}
}

// resealing is a service whose credentials are sealed anew while it is called.
type resealing struct {
	testing.TB
	program string
	place   []string // the flags that say where the data is
	db      *database
	side    *side
	total   int // credentials
	edited  []edited
}

// edited is a provider that is edited.
type edited struct {
	sync.Mutex // held by an edit
	edits      int
}

// newResealing starts a service with that many credentials.
func newResealing(b testing.TB, program, upstream, databaseURL string, credentials int) *resealing {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "data")
	process := startProduct(b, program, dir, databaseURL)
	r := &resealing{TB: b, program: program, place: []string{"--data-dir", dir, "--database-url", databaseURL},
		side: newSide(b, process.url, adminToken(b, dir)), total: credentials}
	var err error
	if r.db, err = openDatabase(dir, databaseURL); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = r.db.close() })
	r.side.fill(b, upstream)
	r.edited = make([]edited, len(r.side.targets))
	var left atomic.Int64
	left.Store(int64(credentials - len(r.side.targets)))
	var made sync.WaitGroup
	for range manyCallers {
		made.Go(func() {
			for left.Add(-1) >= 0 && !b.Failed() {
				if _, err := r.side.send(create(upstream), 0); err != nil {
					b.Error(err)
				}
			}
		})
	}
	if made.Wait(); b.Failed() {
		b.FailNow()
	}
	waitLinked(b, r.db)
	return r
}

// mixed are the calls of the load, and how many are made in a second.
var mixed = []struct {
	name      string
	perSecond int
	send      func(r *resealing, i int) error
}{
	{"read a provider", 200, func(r *resealing, i int) error { _, err := r.side.send(get, i); return err }},
	{"test a model", 50, func(r *resealing, i int) error { _, err := r.side.send(test(fast), i); return err }},
	{"edit a key", 50, (*resealing).edit},
}

// edit gives a provider another name and another key.
func (r *resealing) edit(i int) error {
	i %= len(r.edited)
	e := &r.edited[i]
	e.Lock()
	defer e.Unlock()
	body, _ := json.Marshal(map[string]any{"name": editedName(i, e.edits+1), "credentials": map[string]string{"api_key": editedKey(i, e.edits+1)}})
	_, err := r.side.send(call{method: "PATCH", path: fixed("/providers/" + r.side.targets[i].provider), status: http.StatusOK,
		body: func(*side, int) string { return string(body) }}, 0)
	if err == nil {
		e.edits++
	}
	return err
}

func editedName(i, edits int) string { return fmt.Sprintf("Edited %d, %d times", i, edits) }
func editedKey(i, edits int) string  { return fmt.Sprintf("sk-0123456789abcdef-%d-%d", i, edits) }

// during makes the calls until the work is done, and returns the figures of each.
func (r *resealing) during(work func()) []figures {
	r.Helper()
	var done atomic.Bool
	all, errs := make([]figures, len(mixed)), make([]error, len(mixed))
	var calls sync.WaitGroup
	for i, c := range mixed {
		calls.Go(func() {
			all[i], errs[i] = pace(c.perSecond, func() bool { return !done.Load() }, func(i int) error { return c.send(r, i) })
		})
	}
	work()
	done.Store(true)
	calls.Wait()
	if err := errors.Join(errs...); err != nil {
		r.Fatal("a call failed: ", err)
	}
	return all
}

// reseal rotates the key under load, and measures while everything is sealed anew.
func (r *resealing) reseal(args ...string) (took time.Duration, all []figures) {
	r.Helper()
	added := strings.TrimSpace(r.command("keys", "add"))
	r.during(func() { // it is promoted when the service has loaded it
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(500 * time.Millisecond) {
			out, err := r.try("keys", "promote", added)
			if err == nil {
				return
			}
			if time.Now().After(deadline) {
				r.Errorf("keys promote: %v\n%s", err, out)
				return
			}
		}
	})
	all = r.during(func() {
		began := time.Now()
		r.command(append([]string{"keys", "reseal"}, args...)...)
		took = time.Since(began)
	})
	return took, all
}

// command runs the program, and returns what it prints on stdout.
func (r *resealing) command(args ...string) string {
	r.Helper()
	out, err := r.try(args...)
	if err != nil {
		r.Fatalf("%s: %v\n%s", args, err, out)
	}
	return out
}

func (r *resealing) try(args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(r.Context(), r.program, append(args, r.place...)...)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return stdout.String() + stderr.String(), err
	}
	return stdout.String(), nil
}

// check demands that every edit is there, and nothing but the edits, and that every
// credential can be decrypted without the keys before the last one.
func (r *resealing) check() {
	r.Helper()
	total := 0
	for i := range r.edited {
		e := &r.edited[i]
		if total += e.edits; e.edits == 0 {
			continue
		}
		path := "/providers/" + r.side.targets[i].provider
		says := []call{
			{method: "GET", path: fixed(path), status: http.StatusOK, says: fmt.Sprintf(`"name":%q`, editedName(i, e.edits))},
			{method: "GET", path: fixed(path), status: http.StatusOK, says: fmt.Sprintf(`"version":%d,`, e.edits+1)},
			{method: "POST", path: fixed(path + "/credentials/api_key/reveal"), status: http.StatusOK, says: fmt.Sprintf(`"value":%q`, editedKey(i, e.edits))},
		}
		for _, c := range says {
			if _, err := r.side.send(c, 0); err != nil {
				r.Error(err)
			}
		}
	}
	if total == 0 {
		r.Error("nothing was edited")
	}
	waitLinked(r, r.db)
	r.command("doctor")
}

// print measures, and prints a table.
func (r *resealing) print(without time.Duration, rate int) {
	r.Helper()
	r.during(func() { time.Sleep(2 * time.Second) })
	before := r.during(func() { time.Sleep(without) })
	took, fast := r.reseal("--rate", "0")
	slowly, slow := r.reseal("--rate", fmt.Sprint(rate))
	r.check()
	name := r.Name()[strings.LastIndex(r.Name(), "/")+1:]
	fmt.Printf("\n\n**%s**, %d credentials: sealed anew in %.1f s, %.0f per second; with `--rate %d` in %.1f s, %.0f per second\n\n", name, r.total,
		took.Seconds(), float64(r.total)/took.Seconds(), rate, slowly.Seconds(), float64(r.total)/slowly.Seconds())
	fmt.Printf("| call | per s | p50 without reseal, ms | p99 | p50 during reseal | p99 | p50 with `--rate %d` | p99 |\n|---|--:|--:|--:|--:|--:|--:|--:|\n", rate)
	for i, c := range mixed {
		row := fmt.Sprintf("| %s | %d |", c.name, c.perSecond)
		for _, f := range []figures{before[i], fast[i], slow[i]} {
			row += fmt.Sprintf(" %s | %s |", milliseconds(f.p50), milliseconds(f.p99))
		}
		fmt.Println(row)
	}
}
