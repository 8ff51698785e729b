package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSecondSignal: the first signal begins the delay, the second ends the process.
func TestSecondSignal(t *testing.T) {
	p := launch(t, "--data-dir", filepath.Join(t.TempDir(), "data"), "--shutdown-delay", "5m")
	if !p.settle(t) {
		t.Fatalf("the process ended:\n%s", p.stderr)
	}
	p.signal(syscall.SIGTERM)
	p.waitFor(t, "msg=stopping delay=5m0s")
	p.must(t, 200, "GET", "/healthz", "")
	p.must(t, 503, "GET", "/readyz", "")
	p.signal(syscall.SIGTERM)
	<-p.ended
	if p.err == nil || strings.Contains(p.stderr.String(), "stopped") {
		t.Errorf("ended with %v:\n%s", p.err, p.stderr)
	}
}

// waitFor waits until the log of a process contains a text.
func (p *process) waitFor(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !strings.Contains(p.stderr.String(), text); time.Sleep(5 * time.Millisecond) {
		if p.hasEnded() || time.Now().After(deadline) {
			t.Fatalf("the log never said %q:\n%s", text, p.stderr)
		}
	}
}
