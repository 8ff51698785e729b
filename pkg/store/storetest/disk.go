package storetest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Disk is a file system in memory that a test can fill.
type Disk struct{ Dir string }

// NewDisk mounts a disk of a few megabytes until the test ends. Where that is not
// permitted, the test is skipped, or fails when CI=true.
func NewDisk(t testing.TB, megabytes int) *Disk {
	t.Helper()
	dir, err := os.MkdirTemp("", "storetest-disk-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
	size := fmt.Sprintf("size=%dm", megabytes)
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "mode=0755,"+size, "tmpfs", dir).CombinedOutput(); err != nil {
		missing := fmt.Sprintf("a small file system can't be mounted; run the test as root: %v: %s", err, out)
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("unmount: %v: %s", err, out)
		}
	})
	return &Disk{Dir: dir}
}

// DatabaseOn returns the URL of a fresh database whose tables are on that disk.
func (c *Cluster) DatabaseOn(t testing.TB, d *Disk) string {
	t.Helper()
	tables := filepath.Join(d.Dir, "tables")
	err := os.Mkdir(tables, 0o700)
	if err == nil && c.owner != nil {
		err = errors.Join(os.Chmod(filepath.Dir(tables), 0o755), os.Chown(tables, int(c.owner.Uid), int(c.owner.Gid)))
	}
	if err != nil {
		t.Fatal(err)
	}
	address := c.Database(t)
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(t.Context(), "CREATE TABLESPACE small LOCATION '"+tables+"'")
	if err := errors.Join(err, conn.Close(t.Context())); err != nil {
		t.Fatal("make a tablespace: ", err)
	}
	return address + "&default_tablespace=small"
}

func (d *Disk) filler() string { return filepath.Join(d.Dir, "filler") }

// Fill takes all space that is left.
func (d *Disk) Fill(t testing.TB) {
	t.Helper()
	file, err := os.OpenFile(d.filler(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := io.Copy(file, zeros{}); err == nil {
		t.Fatal("the disk has no end")
	}
}

// Free removes what Fill wrote.
func (d *Disk) Free(t testing.TB) {
	t.Helper()
	if err := os.Remove(d.filler()); err != nil {
		t.Fatal(err)
	}
}

// MakeReadOnly forbids to write on the disk.
func (d *Disk) MakeReadOnly(t testing.TB) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "mount", "-o", "remount,ro", d.Dir).CombinedOutput(); err != nil {
		t.Fatalf("make the disk read-only: %v: %s", err, out)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
