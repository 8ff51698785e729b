package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

// TestHangupInterruptsNothing: SIGHUP ends neither a start nor another command.
func TestHangupInterruptsNothing(t *testing.T) {
	tests := map[string][]string{
		"start":   {"serve", "--addr", "127.0.0.1:0"},
		"command": {"tokens", "create", "--name", "new", "--role", "viewer"},
	}
	for name, args := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			lock := flock.New(filepath.Join(dir, "modelproviders.db.lock"))
			if err := lock.Lock(); err != nil {
				t.Fatal(err)
			}
			watch := watchOpen(t, lock.Path())
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			out := &output{}
			command := exec.CommandContext(ctx, os.Args[0], append(args, "--data-dir", dir, "--core-dumps", "on")...)
			command.Env, command.Stdout, command.Stderr = []string{asProgram + "=1"}, out, out
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			waitForOpen(t, watch)
			for range 3 {
				if err := command.Process.Signal(syscall.SIGHUP); err != nil {
					t.Error(err)
				}
			}
			if err := lock.Unlock(); err != nil {
				t.Fatal(err)
			}
			if name == "start" {
				for !strings.Contains(out.String(), "reloaded the keyset") && ctx.Err() == nil {
					time.Sleep(10 * time.Millisecond)
				}
				if err := command.Process.Signal(syscall.SIGTERM); err != nil {
					t.Error(err)
				}
			}
			if err := command.Wait(); err != nil {
				t.Errorf("ended with %v:\n%s", err, out)
			}
			if name == "command" && !strings.Contains(out.String(), "mp_") {
				t.Errorf("printed:\n%s", out)
			}
		})
	}
}

// watchOpen returns a file that can be read when the file at path is opened. See
// inotify(7).
func watchOpen(t *testing.T, path string) *os.File {
	t.Helper()
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC | syscall.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	watch := os.NewFile(uintptr(fd), "inotify")
	t.Cleanup(func() { _ = watch.Close() })
	if _, err := syscall.InotifyAddWatch(fd, path, syscall.IN_OPEN); err != nil {
		t.Fatal(err)
	}
	return watch
}

func waitForOpen(t *testing.T, watch *os.File) {
	t.Helper()
	err := watch.SetReadDeadline(time.Now().Add(patience))
	if err == nil {
		_, err = watch.Read(make([]byte, syscall.SizeofInotifyEvent))
	}
	if err != nil {
		t.Fatal(err)
	}
}
