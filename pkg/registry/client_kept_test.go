package registry

import (
	"context"
	"testing"
	"time"

	"modelproviders/pkg/provider"
)

// closing is a client that tells whether it was closed.
type closing struct{ closed int }

func (c *closing) Generate(context.Context, provider.Prompt, func(string)) provider.Result {
	return provider.Result{}
}

func (c *closing) Models(context.Context) (provider.Discovery, error) {
	return provider.Discovery{}, nil
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
