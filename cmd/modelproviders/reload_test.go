package main

import (
	"crypto/tls"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
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
