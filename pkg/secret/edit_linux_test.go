package secret_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"modelproviders/pkg/secret"
)

const nobody = 65534

// asNobody runs a function as a user who is not root.
func asNobody(t *testing.T, run func()) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can give files to others")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		if _, err := unix.SetfsuidRetUid(nobody); err != nil {
			t.Error(err)
			return
		}
		run()
	}()
	<-done
}

// openTo lets everybody into the directory of a file and those above, and gives the
// file an owner and a mode.
func openTo(t *testing.T, path string, owner int, dirMode os.FileMode) {
	t.Helper()
	dir := filepath.Dir(path)
	for above := filepath.Dir(dir); above != os.TempDir() && above != "/"; above = filepath.Dir(above) {
		if err := os.Chmod(above, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, dirMode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, owner, -1); err != nil {
		t.Skip("only root can give files to others")
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestEditByRootKeepsTheOwner(t *testing.T) {
	path := newFile(t, nil)
	if err := os.Chown(path, nobody, nobody); err != nil {
		t.Skip("only root can give files to others")
	}
	edit(t, path, add)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if stat := info.Sys().(*syscall.Stat_t); stat.Uid != nobody || stat.Gid != nobody {
		t.Errorf("owner %d:%d, want %d:%d: the service could not read its keyset", stat.Uid, stat.Gid, nobody, nobody)
	}
}

func TestEditWhereTheFileCantBeReplaced(t *testing.T) {
	for name, test := range map[string]struct {
		owner   int
		dirMode os.FileMode
	}{
		"read-only directory":         {nobody, 0o755},
		"the file of another account": {0, 0o777},
	} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t, nil)
			openTo(t, path, test.owner, test.dirMode)
			before := content(t, path)
			asNobody(t, func() {
				err := secret.Edit(t.Context(), path, nil, "", add)
				if err == nil || !strings.Contains(err.Error(), "--out") {
					t.Errorf("error %v, want one that names --out", err)
				}
			})
			if string(content(t, path)) != string(before) {
				t.Error("the file was changed")
			}
			if names := list(t, filepath.Dir(path)); len(names) != 1 {
				t.Errorf("files %v are left behind", names)
			}
		})
	}
}
