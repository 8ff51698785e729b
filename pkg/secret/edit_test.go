package secret_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"modelproviders/pkg/secret"
)

// newFile returns the path of a new keyset file.
func newFile(t *testing.T, kek secret.KEK) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keyset.json")
	if _, err := secret.Create(t.Context(), path, kek); err != nil {
		t.Fatal(err)
	}
	return path
}

func edit(t *testing.T, path string, change func(*secret.File) error) {
	t.Helper()
	if err := secret.Edit(t.Context(), path, nil, "", change); err != nil {
		t.Fatal(err)
	}
}

// keys returns the keys of a file.
func keys(t *testing.T, path string, kek secret.KEK) (keys []secret.Key) {
	t.Helper()
	stop := errors.New("stop")
	err := secret.Edit(t.Context(), path, kek, "", func(f *secret.File) error {
		keys = f.Keys()
		return stop
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	return keys
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestEditThroughALifeOfKeys(t *testing.T) {
	path := newFile(t, nil)
	before, err := secret.Load(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	sealed := seal(t, before, canary, home)
	first := keys(t, path, nil)[0].ID

	var second uint32
	edit(t, path, func(f *secret.File) (err error) { second, err = f.Add(); return err })
	want := []secret.Key{{ID: first, Enabled: true, Primary: true}, {ID: second, Enabled: true}}
	if got := keys(t, path, nil); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("after Add: %v, want %v", got, want)
	}

	edit(t, path, func(f *secret.File) error { return f.Disable(first) })
	want = []secret.Key{{ID: first}, {ID: second, Enabled: true, Primary: true}}
	if got := keys(t, path, nil); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("after Disable of the primary key: %v, want %v", got, want)
	}
	disabled, err := secret.Load(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := disabled.Open(sealed, home); err == nil {
		t.Error("a disabled key opens")
	}

	edit(t, path, func(f *secret.File) error { return f.Enable(first) })
	enabled, err := secret.Load(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := enabled.Open(sealed, home); err != nil || opened.Reveal() != canary {
		t.Errorf("the key that was enabled again does not open: %v", err)
	}

	edit(t, path, func(f *secret.File) error { return errors.Join(f.Disable(first), f.Destroy(first)) })
	if got := keys(t, path, nil); len(got) != 1 || got[0].ID != second {
		t.Errorf("after Destroy: %v, want key %d alone", got, second)
	}
	if names := list(t, filepath.Dir(path)); len(names) != 1 {
		t.Errorf("files %v are left behind", names)
	}
}

func TestEditRefuses(t *testing.T) {
	path := newFile(t, nil)
	before, only := content(t, path), keys(t, path, nil)[0].ID
	refused := errors.New("changed my mind")
	for name, test := range map[string]struct {
		change func(*secret.File) error
		says   string
	}{
		"the caller's error":       {func(*secret.File) error { return refused }, refused.Error()},
		"disable the only key":     {func(f *secret.File) error { return f.Disable(only) }, "only enabled key"},
		"destroy an enabled key":   {func(f *secret.File) error { return f.Destroy(only) }, "is enabled"},
		"enable an unknown key":    {func(f *secret.File) error { return f.Enable(only + 1) }, "has no key"},
		"disable an unknown key":   {func(f *secret.File) error { return f.Disable(only + 1) }, "has no key"},
		"destroy an unknown key":   {func(f *secret.File) error { return f.Destroy(only + 1) }, "has no key"},
		"an error after an adding": {func(f *secret.File) error { _, err := f.Add(); return errors.Join(err, refused) }, refused.Error()},
	} {
		err := secret.Edit(t.Context(), path, nil, "", test.change)
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: error %v, want %q", name, err, test.says)
		}
		if !bytes.Equal(content(t, path), before) {
			t.Fatalf("%s: the file was changed", name)
		}
	}
	err := secret.Edit(t.Context(), filepath.Join(t.TempDir(), "none.json"), nil, "", add)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v, want fs.ErrNotExist", err)
	}
}

func add(f *secret.File) error {
	_, err := f.Add()
	return err
}

func TestConcurrentEditsLoseNoKey(t *testing.T) {
	path := newFile(t, nil)
	const editors = 8
	var wg sync.WaitGroup
	for range editors {
		wg.Go(func() {
			if err := secret.Edit(t.Context(), path, nil, "", add); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := keys(t, path, nil); len(got) != editors+1 {
		t.Errorf("%d keys, want %d", len(got), editors+1)
	}
}

func TestEditWaitsUntilItsContextEnds(t *testing.T) {
	path := newFile(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	edit(t, path, func(*secret.File) error {
		cancel()
		err := secret.Edit(ctx, path, nil, "", add)
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), path) {
			t.Errorf("error %v, want context.Canceled and the path", err)
		}
		return nil
	})
}

func TestEditKeepsTheMode(t *testing.T) {
	path := newFile(t, nil)
	for _, mode := range []fs.FileMode{0o600, 0o400, 0o440, 0o640} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		edit(t, path, add)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("mode %v, %v; want %v", info.Mode(), err, mode)
		}
	}
}

func TestEditToAnotherFile(t *testing.T) {
	path := newFile(t, nil)
	link, out := filepath.Join(t.TempDir(), "keyset.json"), filepath.Join(t.TempDir(), "new.json")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	before := content(t, path)
	if err := secret.Edit(t.Context(), link, nil, "", add); err == nil || !strings.Contains(err.Error(), "symbolic link") || !strings.Contains(err.Error(), "--out") {
		t.Errorf("a symbolic link: error %v, want one that names --out", err)
	}
	if err := secret.Edit(t.Context(), link, nil, out, add); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	if got := keys(t, out, nil); len(got) != 2 {
		t.Errorf("%d keys in the other file, want 2", len(got))
	}
	if !bytes.Equal(content(t, path), before) {
		t.Error("the file itself was changed")
	}
	// The key that is only in the other file may already seal.
	written := content(t, out)
	if err := secret.Edit(t.Context(), link, nil, out, add); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), out) || !strings.Contains(err.Error(), "name another") {
		t.Errorf("a file that exists: error %v, want fs.ErrExist, its name and what to do", err)
	}
	if !bytes.Equal(content(t, out), written) {
		t.Error("the other file was replaced")
	}
}
