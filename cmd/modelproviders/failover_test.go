package main

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"modelproviders/pkg/store/storetest"
)

// TestFailover kills a primary under load, promotes its synchronous standby, and moves
// the address of the database to it: no acknowledged write is lost, and the service
// goes on by itself.
func TestFailover(t *testing.T) {
	t.Parallel()
	primary := storetest.StartDurableCluster(t)
	standby := primary.StartStandby(t)
	address := storetest.StartAddress(t, primary)
	dir := filepath.Join(t.TempDir(), "data")
	args := append(loadFlags(), "--data-dir", dir, "--database-url", address.URL())
	p := launch(t, args...)
	if !p.settle(t) {
		t.Fatalf("the process ended:\n%s", p.stderr)
	}
	p.signIn(t, dir)
	l, stop := startLoad(t, &p.service)
	time.Sleep(time.Second)
	l.check()

	thaw := standby.Freeze(t) // the primary may acknowledge nothing that the standby has not got
	time.Sleep(500 * time.Millisecond)
	primary.Kill(t)
	thaw()
	time.Sleep(500 * time.Millisecond)
	p.must(t, http.StatusServiceUnavailable, "GET", "/readyz", "")
	address.MoveTo(standby) // before it takes writes, as a load balancer may do
	time.Sleep(500 * time.Millisecond)
	if l.answered(http.StatusServiceUnavailable) == 0 {
		t.Error("no request was answered 503 while there was no primary")
	}
	promoted := time.Now()
	standby.Promote(t)
	taken := time.Since(promoted)
	serving := l.nextWrite().Sub(promoted)
	t.Logf("the standby took writes %v after its promotion began, the service acknowledged a write after %v", taken, serving)
	if serving > 30*time.Second { // 5 s are promised, on a machine that is not overloaded
		t.Errorf("the service acknowledged a write only %v after the promotion", serving)
	}
	p.must(t, http.StatusOK, "GET", "/readyz", "")
	l.check()
	time.Sleep(500 * time.Millisecond)
	stop()
	l.compare()
	verifyAudit(t, args)
	l.compareEvents(exportAudit(t, args))
	l.report()
}
