package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"modelproviders/pkg/app"
	"modelproviders/pkg/secret"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// loadedWithin is how long a process may take to load a keyset file that was replaced.
const loadedWithin = 10 * time.Second

// addKey adds a key to a keyset file, and returns its id.
func addKey(t *testing.T, path string) (id uint32) {
	t.Helper()
	err := secret.Edit(t.Context(), path, nil, "", func(f *secret.File) (err error) {
		id, err = f.Add()
		return err
	})
	if err != nil {
		t.Fatal("add a key:", err)
	}
	return id
}

// operator opens the data of a service with a keyset file.
func operator(t *testing.T, s *service, config func(*app.Config), keyset string) *app.Operator {
	t.Helper()
	c := app.Config{DataDir: s.dir, DatabaseConnections: 4, Logger: slog.New(slog.DiscardHandler)}
	config(&c)
	c.Keyset = keyset
	o, err := app.OpenOperator(t.Context(), c, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return o
}

// databasesToShare returns settings of each database that several services can use.
func databasesToShare() map[string]func(t *testing.T) func(*app.Config) {
	return map[string]func(t *testing.T) func(*app.Config){
		"SQLite": func(t *testing.T) func(*app.Config) {
			dir := filepath.Join(t.TempDir(), "data")
			return func(c *app.Config) { c.DataDir = dir }
		},
		"Postgres": func(t *testing.T) func(*app.Config) {
			url := storetest.Postgres(t)
			return func(c *app.Config) { c.DatabaseURL = url }
		},
	}
}

// TestProcessesWithDifferentKeysets: a key is promoted only when each process has it.
// What one process stores can be read by the other at every moment.
func TestProcessesWithDifferentKeysets(t *testing.T) {
	storetest.Long(t) // it waits until files are looked at
	t.Parallel()
	for name, open := range databasesToShare() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := open(t)
			of := func(keyset string) func(*app.Config) {
				return func(c *app.Config) { config(c); c.Keyset = keyset }
			}
			mine, theirs := filepath.Join(t.TempDir(), "keyset.json"), filepath.Join(t.TempDir(), "keyset.json")
			a := running(t, of(mine))
			overwrite(t, theirs, readFile(t, mine))
			b := running(t, of(theirs))
			b.token = a.token
			stopWriting := writeAndRead(t, a, b)

			id := addKey(t, mine)
			o := operator(t, a, config, mine)
			eventually(t, "one process has loaded the key", func() bool { return strings.Contains(a.log.String(), "reloaded the keyset") })
			for range 3 {
				err := o.PromoteKey(t.Context(), id)
				if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("pid %d", os.Getpid())) || strings.Count(err.Error(), "(process ") != 1 {
					t.Fatalf("promoted with %v, want a refusal that names the one process without the key", err)
				}
				time.Sleep(100 * time.Millisecond)
			}
			overwrite(t, theirs, readFile(t, mine))
			eventually(t, "the key can be promoted", func() bool { return o.PromoteKey(t.Context(), id) == nil })
			time.Sleep(time.Second)
			stopWriting()

			for i, s := range []*service{a, b} {
				provider := s.must(t, 201, "POST", "/providers", openAI(fmt.Sprint("last ", i))).string("id")
				if got := sealedWith(t, s, config, provider); got != id {
					t.Errorf("a new credential of process %d is encrypted with key %d, want %d", i, got, id)
				}
			}
		})
	}
}

// writeAndRead creates and edits providers with each service, and reveals their keys with
// the other, until it is stopped. No call may fail.
func writeAndRead(t *testing.T, services ...*service) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for i, s := range services {
		other := services[(i+1)%len(services)]
		group.Go(func() {
			call := func(s *service, want int, method, path string, body any) answer {
				got, err := s.try(t.Context(), method, path, body)
				if err != nil || got.status != want {
					t.Errorf("%s %s: %d, %v: %s", method, path, got.status, err, got.text)
					cancel()
				}
				return got
			}
			for n := 0; ctx.Err() == nil; n++ {
				id := call(s, http.StatusCreated, "POST", "/providers", openAI(fmt.Sprintf("provider %d of %d", n, i))).string("id")
				reveal := "/providers/" + id + "/credentials/api_key/reveal"
				call(other, http.StatusOK, "POST", reveal, nil)
				call(other, http.StatusOK, "PATCH", "/providers/"+id, object{"credentials": object{"api_key": "sk-9876543210"}})
				call(s, http.StatusOK, "POST", reveal, nil)
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	return func() { cancel(); group.Wait() }
}

// sealedWith returns the key with which the credential of a provider is encrypted.
func sealedWith(t *testing.T, s *service, config func(*app.Config), provider string) uint32 {
	t.Helper()
	c := app.Config{DataDir: s.dir, DatabaseConnections: 4, Logger: slog.New(slog.DiscardHandler)}
	config(&c)
	db := storetest.Open(t, store.Config{DatabaseURL: c.DatabaseURL, SQLitePath: filepath.Join(c.DataDir, "modelproviders.db")})
	p, err := db.Provider(t.Context(), "default", provider)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := secret.KeyID(p.Credentials["api_key"].Sealed)
	return id
}

// TestKeysetIsWatched: a new keyset file is loaded without a signal, also where it is a
// link that Kubernetes replaces. A broken one is reported once, and the old one stays.
func TestKeysetIsWatched(t *testing.T) {
	storetest.Long(t) // it waits until the file is looked at
	t.Parallel()
	dir := t.TempDir()
	keyset := filepath.Join(dir, "keyset.json")
	mount := func(version, content string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		overwrite(t, filepath.Join(dir, version, "keyset.json"), content)
		link := filepath.Join(dir, "..data")
		if err := os.Symlink(version, link+"_tmp"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link+"_tmp", link); err != nil {
			t.Fatal(err)
		}
	}
	source := filepath.Join(t.TempDir(), "keyset.json")
	if _, err := secret.Create(t.Context(), source, nil); err != nil {
		t.Fatal(err)
	}
	mount("..1", readFile(t, source))
	if err := os.Symlink(filepath.Join("..data", "keyset.json"), keyset); err != nil {
		t.Fatal(err)
	}
	s := running(t, func(c *app.Config) { c.Keyset = keyset })
	before := s.must(t, 201, "POST", "/providers", openAI("before")).string("id")
	logged := func(text string) int { return strings.Count(s.log.String(), text) }

	first := addKey(t, source)
	mount("..2", readFile(t, source))
	began := time.Now()
	eventually(t, "the new keyset is loaded", func() bool { return logged("reloaded the keyset") == 1 })
	if took := time.Since(began); took > loadedWithin {
		t.Errorf("the new keyset was loaded after %v", took)
	}
	o := operator(t, s, func(*app.Config) {}, keyset)
	if err := o.PromoteKey(t.Context(), first); err != nil {
		t.Error(err)
	}

	mount("..3", "not a keyset")
	const failure = "could not reload the keyset"
	eventually(t, "the broken keyset is reported", func() bool { return logged(failure) == 1 })
	warned := func() bool {
		return strings.Contains(s.must(t, 200, "GET", "/readyz", nil).text, "The keyset could not be reloaded.")
	}
	if !warned() {
		t.Error("/readyz has no warning")
	}
	s.must(t, 201, "POST", "/providers", openAI("with the broken file"))
	s.must(t, 200, "POST", "/providers/"+before+"/credentials/api_key/reveal", nil)
	time.Sleep(12 * time.Second) // it is tried again
	if n := logged(failure); n != 1 {
		t.Errorf("the broken keyset was reported %d times, want once", n)
	}
	if err := os.Remove(keyset); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the missing keyset is reported", func() bool { return logged(failure) == 2 })
	overwrite(t, keyset, readFile(t, source))
	eventually(t, "the warning is gone", func() bool { return !warned() })
}

// TestKeysetThatLacksANeededKey: such a file is refused, by its key ids, at start and when
// it is loaded again.
func TestKeysetThatLacksANeededKey(t *testing.T) {
	t.Parallel()
	s := start(t)
	path := filepath.Join(s.dir, "keyset.json")
	old := readFile(t, path)
	promote := func() uint32 {
		t.Helper()
		id := addKey(t, path)
		if err := s.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := operator(t, s, func(*app.Config) {}, path).PromoteKey(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		return id
	}
	first := promote()
	s.must(t, 201, "POST", "/providers", openAI("one"))
	second := promote()
	present := readFile(t, path)
	overwrite(t, path, old)
	wants := func(err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), fmt.Sprint(first)) || !strings.Contains(err.Error(), fmt.Sprint(second)) ||
			strings.Contains(err.Error(), "keys enable") {
			t.Errorf("got %v, want a refusal that names the keys %d and %d, which are not there to be enabled", err, first, second)
		}
	}
	wants(s.Reload(t.Context()))
	s.must(t, 201, "POST", "/providers", openAI("two")) // with the keys in memory
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	_, err := app.Start(t.Context(), app.Config{Addr: "127.0.0.1:0", DataDir: s.dir, TestTimeout: patience, DatabaseConnections: 4})
	wants(err)
	overwrite(t, path, present)
	if err := secret.Edit(t.Context(), path, nil, "", func(f *secret.File) error { return f.Disable(first) }); err != nil {
		t.Fatal(err)
	}
	_, err = app.Start(t.Context(), app.Config{Addr: "127.0.0.1:0", DataDir: s.dir, TestTimeout: patience, DatabaseConnections: 4})
	if want := fmt.Sprintf("modelproviders keys enable %d", first); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("with a disabled key: %v, want %q", err, want)
	}
	overwrite(t, path, present)
	running(t, func(c *app.Config) { c.DataDir = s.dir })
}
