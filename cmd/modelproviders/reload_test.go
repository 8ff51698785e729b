package main

import (
	"context"
	"crypto/tls"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

// TestHangupReloads: SIGHUP makes the service reload, and does not end it.
func TestHangupReloads(t *testing.T) {
	cert, key := certificate(t)
	p := launch(t, "--data-dir", filepath.Join(t.TempDir(), "data"), "--tls-cert", cert, "--tls-key", key)
	if !p.settle(t) {
		t.Fatalf("the process ended:\n%s", p.stderr)
	}
	newCert, newKey := certificate(t)
	writeFile(t, cert, readFile(t, newCert))
	writeFile(t, key, readFile(t, newKey))
	p.signal(syscall.SIGHUP)
	p.waitFor(t, `msg="reloaded the TLS certificate"`)
	writeFile(t, cert, "broken")
	p.signal(syscall.SIGHUP)
	p.waitFor(t, `msg="could not reload the TLS certificate`)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	if got := p.callWith(t, client, "GET", "/readyz", "", nil); got.status != 200 || got.body["warnings"] == nil {
		t.Errorf("/readyz answered %d: %v", got.status, got.body)
	}
	p.signal(syscall.SIGTERM)
	if <-p.ended; p.err != nil {
		t.Errorf("ended with %v:\n%s", p.err, p.stderr)
	}
}

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
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			out := &output{}
			command := exec.CommandContext(ctx, os.Args[0], append(args, "--data-dir", dir, "--core-dumps", "on")...)
			command.Env, command.Stdout, command.Stderr = []string{asProgram + "=1"}, out, out
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			for !hasOpen(command.Process.Pid, lock.Path()) && ctx.Err() == nil {
				time.Sleep(10 * time.Millisecond)
			}
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

// hasOpen reports whether a process has opened a file.
func hasOpen(pid int, path string) bool {
	open, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/fd/*")
	for _, fd := range open {
		if target, err := os.Readlink(fd); err == nil && target == path {
			return true
		}
	}
	return false
}
