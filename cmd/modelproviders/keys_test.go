package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"modelproviders/pkg/store/storetest"
)

// keysBed is a service with some providers, and the flags that lead commands to its data.
type keysBed struct {
	*service
	keyset string
	flags  []string
	ids    []string // of the providers
}

// onBothDatabases runs a test with a service on each database, which has n providers.
func onBothDatabases(t *testing.T, n int, test func(t *testing.T, b *keysBed)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, newKeysBed(t, n))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(t, newKeysBed(t, n, "--database-url", storetest.Postgres(t)))
	})
}

func newKeysBed(t *testing.T, n int, flags ...string) *keysBed {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	b := &keysBed{keyset: filepath.Join(dir, "keyset.json"), flags: append(flags, "--data-dir", dir)}
	b.service = start(t, nil, append(b.flags, "--rate-reveals", "0")...)
	b.signIn(t, dir)
	for i := range n {
		body := strings.Replace(aProvider, "Production", fmt.Sprint("No. ", i), 1)
		b.ids = append(b.ids, b.must(t, http.StatusCreated, "POST", "/providers", body).text("id"))
	}
	return b
}

// keys runs a command that must succeed, and returns what it prints.
func (b *keysBed) keys(t *testing.T, args ...string) string {
	t.Helper()
	return strings.TrimSpace(printed(t, append(append([]string{"keys"}, args...), b.flags...)...))
}

// refusedKeys runs a command that must fail with a status, and says all these words.
func (b *keysBed) refusedKeys(t *testing.T, status int, args []string, words ...string) {
	t.Helper()
	var said bytes.Buffer
	err := run(t.Context(), append(append([]string{"keys"}, args...), b.flags...), environmentOf(nil), io.Discard, &said)
	if got := conclude(err, &said); got != status {
		t.Errorf("keys %v ends with the status %d, not %d: %s", args, got, status, &said)
	}
	for _, word := range words {
		if !strings.Contains(said.String(), word) {
			t.Errorf("keys %v does not say %q: %s", args, word, &said)
		}
	}
}

// aKey is a line of `keys list --json`.
type aKey struct {
	ID         uint32
	State      string
	Values     int
	Kinds      map[string]int
	AddedAt    *time.Time `json:"added_at"`
	PromotedAt *time.Time `json:"promoted_at"`
	RetiredAt  *time.Time `json:"retired_at"`
	MissingIn  []string   `json:"missing_in"`
}

func (b *keysBed) list(t *testing.T) (keys []aKey) {
	t.Helper()
	for decoder := json.NewDecoder(strings.NewReader(b.keys(t, "list", "--json"))); decoder.More(); {
		var key aKey
		if err := decoder.Decode(&key); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	return keys
}

// wantKeys checks the states and numbers of values of the keys, in order.
func (b *keysBed) wantKeys(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for _, key := range b.list(t) {
		got = append(got, fmt.Sprint(key.State, " ", key.Values))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the keys are %q, want %q", got, want)
	}
}

// wantReadable checks that every provider has the key that it should have.
func (b *keysBed) wantReadable(t *testing.T, want func(i int) string) {
	t.Helper()
	for i, id := range b.ids {
		got := b.must(t, http.StatusOK, "POST", "/providers/"+id+"/credentials/api_key/reveal", "").text("value")
		if got != want(i) {
			t.Errorf("provider %d has the key %q, want %q", i, got, want(i))
		}
	}
}

func theFirstKey(int) string { return "sk-first-key" }

// actions returns the actions of keys in the audit log, oldest first, with their changes.
func (b *keysBed) actions(t *testing.T) (actions []string) {
	t.Helper()
	for line := range strings.Lines(printed(t, append([]string{"audit", "export"}, b.flags...)...)) {
		var event struct {
			Action, Outcome string
			Actor, Target   struct{ Kind, Type string }
			Changes         []struct {
				Field string
				New   any
			}
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(event.Action, "keys.") {
			continue
		}
		text := event.Action
		for _, change := range event.Changes {
			if event.Action == "keys.reseal" {
				text += fmt.Sprint(" ", change.Field, "=", change.New)
			}
		}
		if event.Outcome != "success" {
			text += " " + event.Outcome
		}
		if event.Actor.Kind != "operator" || event.Target.Type != "key" {
			t.Errorf("an event of a key is %s", line)
		}
		actions = append(actions, text)
	}
	slices.Reverse(actions)
	return actions
}

// TestKeysStepByStep: each command alone, while the service serves.
func TestKeysStepByStep(t *testing.T) {
	onBothDatabases(t, 3, func(t *testing.T, b *keysBed) {
		b.wantKeys(t, "sealing 5")
		first := b.list(t)[0]
		if first.AddedAt == nil || first.PromotedAt == nil || first.RetiredAt != nil || len(first.MissingIn) > 0 || first.Kinds["credentials"] != 3 {
			t.Errorf("the first key is %+v", first)
		}
		one := fmt.Sprint(first.ID)
		b.refusedKeys(t, exitFailed, []string{"retire", one}, one, "Promote another key")
		b.refusedKeys(t, exitFailed, []string{"destroy", one, "--yes"}, one, "Promote another key")

		two := b.keys(t, "add")
		b.wantKeys(t, "sealing 5", "enabled 0")
		eventually(t, "the service loads the key", func() bool { return len(b.list(t)[1].MissingIn) == 0 })
		b.keys(t, "promote", two)
		b.wantKeys(t, "enabled 5", "sealing 0")
		b.must(t, http.StatusCreated, "POST", "/providers", strings.Replace(aProvider, "Production", "Later", 1))
		b.wantKeys(t, "enabled 5", "sealing 1")
		b.refusedKeys(t, exitFailed, []string{"retire", one}, "credentials: 3", "master key: 1", "fingerprint: 1", "keys reseal")
		b.refusedKeys(t, exitFailed, []string{"destroy", one, "--yes"}, "Retire the key first")

		if got := b.keys(t, "reseal"); got != "5\t0" {
			t.Errorf("reseal prints %q", got)
		}
		b.wantKeys(t, "enabled 0", "sealing 6")
		b.keys(t, "retire", one)
		b.wantKeys(t, "disabled 0", "sealing 6")
		b.wantReadable(t, theFirstKey)

		b.keys(t, "enable", one)
		b.wantKeys(t, "enabled 0", "sealing 6")
		b.refusedKeys(t, exitFailed, []string{"destroy", one, "--yes"}, "is enabled")
		b.keys(t, "retire", one)
		b.refusedKeys(t, exitUsage, []string{"destroy", one}, "--yes")
		b.keys(t, "destroy", one, "--yes")
		b.wantKeys(t, "sealing 6")
		b.refusedKeys(t, exitFailed, []string{"enable", one}, "has no key "+one)
		b.wantReadable(t, theFirstKey)
		eventuallyHealthy(t, b.flags...)

		want := []string{"keys.add", "keys.promote", `keys.reseal to_reseal=5`, `keys.reseal resealed=5 unreadable=0`, "keys.retire", "keys.enable", "keys.destroy"}
		if got := b.actions(t); !slices.Equal(got, want) {
			t.Errorf("the events are %q, want %q", got, want)
		}
	})
}

// TestRotate: one command does everything, and says what it does.
func TestRotate(t *testing.T) {
	onBothDatabases(t, 2, func(t *testing.T, b *keysBed) {
		before := b.list(t)[0].ID
		var stdout, said bytes.Buffer
		if err := run(t.Context(), append([]string{"keys", "rotate", "--json"}, b.flags...), environmentOf(nil), &stdout, &said); err != nil {
			t.Fatal(err)
		}
		b.wantKeys(t, "disabled 0", "sealing 4")
		present := b.list(t)[1].ID
		if want := fmt.Sprintf(`{"id":%d,"resealed":4,"retired":[%d]}`+"\n", present, before); stdout.String() != want {
			t.Errorf("printed %s, want %s", &stdout, want)
		}
		for _, words := range []string{fmt.Sprintf("Added the key %d", present), "Waiting until the key is loaded by", "New values", `"done":4,"total":4,`, fmt.Sprintf("Retired the key %d", before), "cursors"} {
			if !strings.Contains(said.String(), words) {
				t.Errorf("does not say %q:\n%s", words, &said)
			}
		}
		b.wantReadable(t, theFirstKey)
		b.keys(t, "rotate")
		b.wantKeys(t, "disabled 0", "disabled 0", "sealing 4")
		b.wantReadable(t, theFirstKey)
	})
}

// TestRotateInterrupted kills a rotation at every step, and runs it again.
func TestRotateInterrupted(t *testing.T) {
	t.Parallel()
	storetest.Long(t)
	for _, step := range []string{"Added the key", "Waiting until", "New values", `"done":[1-9]`, "Retired the key"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			onBothDatabases(t, 30, func(t *testing.T, b *keysBed) {
				b.killedAt(t, []string{"rotate", "--rate", "20"}, step)
				b.wantReadable(t, theFirstKey)
				b.keys(t, "rotate", "--rate", "0")
				b.wantReadable(t, theFirstKey)
				keys := b.list(t)
				if step == "Retired the key" && len(keys) == 3 { // it was finished, so this was a second one
					b.wantKeys(t, "disabled 0", "disabled 0", "sealing 32")
					return
				}
				b.wantKeys(t, "disabled 0", "sealing 32")
			})
		})
	}
}

// TestRotateContinues: what a kill can leave between two writes is finished.
func TestRotateContinues(t *testing.T) {
	t.Parallel()
	b := newKeysBed(t, 1)
	dir := filepath.Dir(b.keyset)
	t.Run("a key in the file only", func(t *testing.T) {
		b.keys(t, "add")
		inDatabase(t, dir, "DELETE FROM sealing_keys WHERE promoted_at IS NULL")
		b.wantKeys(t, "sealing 3", "not in the database 0")
		b.keys(t, "rotate")
		b.wantKeys(t, "disabled 0", "sealing 3")
	})
	t.Run("a retired key that is enabled in the file", func(t *testing.T) {
		b.keys(t, "enable", fmt.Sprint(b.list(t)[0].ID))
		b.keys(t, "rotate")
		b.wantKeys(t, "disabled 0", "sealing 3")
	})
	b.wantReadable(t, theFirstKey)
}

// TestRotateTakesTheLastKey: of several keys that have encrypted nothing, the last one that
// was added is promoted. Ids are random, so some keys are added until it is not the lowest.
func TestRotateTakesTheLastKey(t *testing.T) {
	t.Parallel()
	b := newKeysBed(t, 1)
	known := map[uint32]bool{b.list(t)[0].ID: true}
	lowest, last := uint32(math.MaxUint32), uint32(0)
	for last <= lowest {
		b.keys(t, "add")
		for _, key := range b.list(t) {
			if !known[key.ID] {
				known[key.ID], last = true, key.ID
			}
		}
		lowest = min(lowest, last)
		if len(known) == 2 {
			last = 0 // one is not several
		}
	}
	b.keys(t, "rotate")
	for _, key := range b.list(t) {
		if sealing := key.State == "sealing"; sealing != (key.ID == last) {
			t.Errorf("of the keys, of which %d was added last, %d is %s", last, key.ID, key.State)
		}
	}
}

// killedAt launches a command, and kills it as soon as it says something.
func (b *keysBed) killedAt(t *testing.T, args []string, words string) {
	t.Helper()
	said := regexp.MustCompile(words)
	out := &output{}
	command := exec.Command(os.Args[0], append(append([]string{"keys"}, args...), append(b.flags, "--core-dumps", "on")...)...)
	command.Env, command.Stdout, command.Stderr = []string{asProgram + "=1"}, io.Discard, out
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); !said.MatchString(out.String()); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("does not say %q:\n%s", words, out)
		}
	}
	_ = command.Process.Kill() // it may have ended
	_ = command.Wait()
}

// TestResealKilled kills it in the middle: the next run does the rest.
func TestResealKilled(t *testing.T) {
	onBothDatabases(t, 40, func(t *testing.T, b *keysBed) {
		b.promoteNew(t)
		b.killedAt(t, []string{"reseal", "--rate", "10"}, `"done":[1-9]`)
		b.wantReadable(t, theFirstKey)
		keys := b.list(t)
		if keys[0].Values+keys[1].Values != 42 || keys[0].Values == 0 || keys[1].Values == 0 {
			t.Fatalf("it was not killed in the middle: %+v", keys)
		}
		if got := b.keys(t, "reseal"); got != fmt.Sprintf("%d\t0", keys[0].Values) {
			t.Errorf("the next run prints %q, with %d left", got, keys[0].Values)
		}
		b.wantKeys(t, "enabled 0", "sealing 42")
		b.wantReadable(t, theFirstKey)
	})
}

// promoteNew adds and promotes a key.
func (b *keysBed) promoteNew(t *testing.T) {
	t.Helper()
	id := b.keys(t, "add")
	eventually(t, "the service loads the key", func() bool {
		keys := b.list(t)
		return len(keys[len(keys)-1].MissingIn) == 0
	})
	b.keys(t, "promote", id)
}

// TestResealWhileOthersEdit: two commands reseal at once while credentials and names are
// edited. No edit is lost, and the version counts edits only.
func TestResealWhileOthersEdit(t *testing.T) {
	onBothDatabases(t, 30, func(t *testing.T, b *keysBed) {
		b.promoteNew(t)
		values, versions := make([]string, len(b.ids)), make([]int, len(b.ids))
		for i := range values {
			values[i], versions[i] = "sk-first-key", 1
		}
		ctx, stop := context.WithCancel(t.Context())
		var editing, resealing sync.WaitGroup
		for worker := range 3 {
			editing.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					i := rand.IntN(len(b.ids)/3)*3 + worker // each has providers of its own
					body := fmt.Sprintf(`{"name":"Edit %d of %d"}`, n, i)
					value := fmt.Sprintf("sk-edit-%d-of-%d", n, i)
					if n%2 == 0 {
						body = fmt.Sprintf(`{"credentials":{"api_key":%q}}`, value)
					}
					if got := b.call(t, "PATCH", "/providers/"+b.ids[i], body); got.status != http.StatusOK {
						t.Errorf("an edit is answered %d: %v", got.status, got.body)
						return
					}
					versions[i]++
					if n%2 == 0 {
						values[i] = value
					}
				}
			})
		}
		for range 2 {
			resealing.Go(func() {
				err := run(t.Context(), append([]string{"keys", "reseal", "--rate", "60"}, b.flags...), environmentOf(nil), io.Discard, io.Discard)
				if err != nil {
					t.Error(err)
				}
			})
		}
		resealing.Wait()
		stop()
		editing.Wait()
		b.wantKeys(t, "enabled 0", "sealing 32")
		b.wantReadable(t, func(i int) string { return values[i] })
		for i, id := range b.ids {
			if got := b.must(t, 200, "GET", "/providers/"+id, "").body["version"]; got != float64(versions[i]) {
				t.Errorf("provider %d has the version %v after %d edits", i, got, versions[i]-1)
			}
		}
	})
}

// TestResealSkipsUnreadable: a value that can't be decrypted is named, and all others are
// resealed.
func TestResealSkipsUnreadable(t *testing.T) {
	b := newKeysBed(t, 3)
	inDatabase(t, filepath.Dir(b.keyset), "UPDATE providers SET credentials = (SELECT credentials FROM providers WHERE id = '"+b.ids[0]+"') WHERE id = '"+b.ids[1]+"'")
	b.promoteNew(t)
	b.refusedKeys(t, exitFailed, []string{"reseal"}, b.ids[1], "api_key", "can't be decrypted: 1")
	b.wantKeys(t, "enabled 1", "sealing 4")
	if got := b.actions(t); !slices.Contains(got, "keys.reseal resealed=4 unreadable=1 failure") {
		t.Errorf("the events are %q", got)
	}
	b.refusedKeys(t, exitFailed, []string{"rotate"}, b.ids[1], "can't be decrypted")
}

// TestReadOnlyKeyset: where the keyset can't be replaced, as in Kubernetes, the commands
// say what to do, and that works.
func TestReadOnlyKeyset(t *testing.T) {
	b := newKeysBed(t, 1)
	mounted := filepath.Join(t.TempDir(), "mounted.json")
	if err := os.Rename(b.keyset, mounted); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(mounted, b.keyset); err != nil {
		t.Fatal(err)
	}
	replace := func(by string) {
		t.Helper()
		if modeOf(t, by) != 0o600 {
			t.Errorf("%s has the mode %v", by, modeOf(t, by))
		}
		if err := os.Rename(by, mounted); err != nil {
			t.Fatal(err)
		}
	}
	first := fmt.Sprint(b.list(t)[0].ID)
	b.refusedKeys(t, exitFailed, []string{"rotate"}, "can't be replaced", "keys add --out FILE", "rotate` again")
	out := filepath.Join(t.TempDir(), "new.json")
	b.keys(t, "add", "--out", out)
	b.wantKeys(t, "sealing 3", "missing from the file 0")
	replace(out)
	b.refusedKeys(t, exitFailed, []string{"rotate"}, "can't be replaced", "keys retire "+first+" --out FILE")
	b.wantKeys(t, "enabled 0", "sealing 3")
	b.keys(t, "retire", first, "--out", out)
	replace(out)
	b.wantKeys(t, "disabled 0", "sealing 3")
	b.wantReadable(t, theFirstKey)
	b.keys(t, "destroy", first, "--yes", "--out", out)
	replace(out)
	b.wantKeys(t, "sealing 3")
}

// TestRotateWaits for processes that have not loaded the key, and says which.
func TestRotateWaits(t *testing.T) {
	t.Parallel()
	storetest.Long(t)
	url, dir := storetest.Postgres(t), t.TempDir()
	b := newKeysBed(t, 1, "--database-url", url)
	copied := filepath.Join(dir, "copied.json")
	writeFile(t, copied, readFile(t, b.keyset))
	other := launch(t, "--database-url", url, "--data-dir", filepath.Join(dir, "data"), "--keyset", copied)
	if !other.settle(t) {
		t.Fatal(other.stderr)
	}
	other.token = b.token
	pid := fmt.Sprintf("pid %d", other.command.Process.Pid)
	b.refusedKeys(t, exitFailed, []string{"rotate", "--wait", "6s"}, pid, "after 6s", "run `modelproviders keys rotate` again")
	added := b.list(t)[1]
	if len(added.MissingIn) != 1 || !strings.Contains(added.MissingIn[0], pid) {
		t.Errorf("the key is missing in %q", added.MissingIn)
	}
	b.refusedKeys(t, exitFailed, []string{"promote", fmt.Sprint(added.ID)}, pid)
	b.wantKeys(t, "sealing 3", "enabled 0")
	writeFile(t, copied, readFile(t, b.keyset))
	b.keys(t, "rotate")
	b.wantKeys(t, "disabled 0", "sealing 3")
	b.wantReadable(t, theFirstKey)
	b.service = &other.service
	b.wantReadable(t, theFirstKey)
}

// TestKeysCreate makes a keyset that a first start uses, and never replaces one.
func TestKeysCreate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	made := printedJSON(t, "keys", "create", "--data-dir", dir)
	path := filepath.Join(dir, "keyset.json")
	if len(made) != 1 || made[0]["file"] != path || modeOf(t, path) != 0o600 {
		t.Fatalf("made %v", made)
	}
	before := readFile(t, path)
	refused(t, nil, []string{"keys", "create", "--data-dir", dir}, "there is a keyset")
	b := &keysBed{flags: []string{"--data-dir", dir}}
	b.service = start(t, nil, b.flags...)
	if got := b.list(t); len(got) != 1 || float64(got[0].ID) != made[0]["id"] || readFile(t, path) != before {
		t.Errorf("the keys are %+v, made %v", got, made)
	}
}

// TestDoctorOfKeys: values that are encrypted with an older key are a detail; a key that
// is disabled or missing is broken, and a start names it, too.
func TestDoctorOfKeys(t *testing.T) {
	b := newKeysBed(t, 1)
	b.promoteNew(t)
	one, two := fmt.Sprint(b.list(t)[0].ID), fmt.Sprint(b.list(t)[1].ID)
	eventuallyHealthy(t, b.flags...)
	detail := func(check string) string {
		findings, _ := examine(t, b.flags...)
		return findings[slices.IndexFunc(findings, func(f finding) bool { return f.Check == check })].Detail
	}
	if got := detail("keys"); !strings.Contains(got, "3 stored values with other keys; `modelproviders keys reseal`") || !strings.Contains(got, "not encrypted") {
		t.Errorf("says of keys: %s", got)
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	before := readFile(t, b.keyset)
	disabled := strings.Replace(before, "ENABLED", "DISABLED", 1)                         // the first key
	disabled = strings.Replace(disabled, `"primaryKeyId":`+one, `"primaryKeyId":`+two, 1) // which can't be primary then
	writeFile(t, b.keyset, disabled)
	if got := detail("keys"); !strings.Contains(got, one+" is disabled, and 3 values") || !strings.Contains(got, "keys enable "+one) {
		t.Errorf("says of a disabled key: %s", got)
	}
	if got := detail("keyset"); !strings.Contains(got, "lacks the keys "+one) {
		t.Errorf("says of the keyset: %s", got)
	}
	refused(t, nil, append([]string{"serve", "--addr", "127.0.0.1:0"}, b.flags...), one, "keys enable")
	b.keys(t, "enable", one)
	wantHealthy(t, b.flags...)
	if got := b.actions(t); got[len(got)-1] != "keys.enable" {
		t.Errorf("the events are %q", got)
	}
}
