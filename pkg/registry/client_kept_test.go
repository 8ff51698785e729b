package registry

import (
	"net/http"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/secret"
)

// closing is a client that tells whether it was closed.
type closing struct {
	provider.Client
	closed int
}

func (c *closing) Close() { c.closed++ }

func newKept(idle func()) (*keptClient, *closing) {
	c := &closing{}
	return &keptClient{Client: c, idle: time.AfterFunc(time.Hour, idle)}, c
}

// TestAClientIsClosedAfterItsLastCall: one that is retired while it is used is
// closed when the last call returns, once, and takes no further call.
func TestAClientIsClosedAfterItsLastCall(t *testing.T) {
	kept, c := newKept(func() {})
	for range 2 {
		if !kept.begin() {
			t.Fatal("it takes no call")
		}
	}
	kept.retire()
	kept.end()
	if kept.begin() || c.closed != 0 {
		t.Errorf("with one call under way it takes another one, or was closed %d times", c.closed)
	}
	kept.end()
	kept.retire()
	if c.closed != 1 {
		t.Errorf("it was closed %d times", c.closed)
	}
	unused, c := newKept(func() {})
	unused.retire()
	if unused.begin() || c.closed != 1 {
		t.Errorf("an unused client takes a call after it was retired, or was closed %d times", c.closed)
	}
}

// TestAnIdleClientIsRetired: the time begins when the last call returns.
func TestAnIdleClientIsRetired(t *testing.T) {
	fired := make(chan struct{}, 1)
	kept, _ := newKept(func() { fired <- struct{}{} })
	kept.idle.Reset(20 * time.Millisecond)
	if !kept.begin() {
		t.Fatal("it takes no call")
	}
	select {
	case <-fired:
		t.Error("a client that is used counts as idle")
	case <-time.After(60 * time.Millisecond):
	}
	kept.end()
	if !kept.idle.Stop() {
		t.Error("nothing would retire a client that is idle")
	}
}

// TestAKeptClientGoesWithItsProvider: once that is edited or removed its client is
// closed, though not before the call that uses it has returned.
func TestAKeptClientGoesWithItsProvider(t *testing.T) {
	r, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	p := Provider{Workspace: "default", ID: "p", Version: 1}
	kept, c := newKept(func() {})
	r.clients.Add(clientKey{workspace: p.Workspace, provider: p.ID, version: p.Version}, kept)
	_, end, err := r.clientOf(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	r.forgetClient(p)
	if c.closed != 0 {
		t.Error("the client was closed while a call used it")
	}
	end()
	if c.closed != 1 {
		t.Errorf("after the call it was closed %d times", c.closed)
	}
}

// TestAClientThatNobodyUsesIsDropped a minute after its last call.
func TestAClientThatNobodyUsesIsDropped(t *testing.T) {
	keyset, err := secret.Create(t.Context(), filepath.Join(t.TempDir(), "keyset.json"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(Config{Keyset: keyset, Transport: func(...string) http.RoundTripper { return http.DefaultTransport }})
	if err != nil {
		t.Fatal(err)
	}
	p := Provider{Workspace: "default", ID: "p", Type: "openai"}
	if err := r.seal(&p, provider.Settings{Credentials: map[string]secret.Text{"api_key": secret.NewText("sk-0123456789")}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		client, end, err := r.clientOf(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		kept := client.(*keptClient)
		after := func(pause time.Duration, dropped bool, when string) {
			t.Helper()
			time.Sleep(pause)
			synctest.Wait()
			if kept.retired != dropped || (r.clients.Len() == 0) != dropped {
				t.Errorf("%s: dropped is %v, and %d clients are kept", when, kept.retired, r.clients.Len())
			}
		}
		after(time.Hour, false, "during a long call")
		end()
		after(59*time.Second, false, "59 seconds after the call")
		after(2*time.Second, true, "61 seconds after the call")
	})
}
