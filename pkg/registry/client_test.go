package registry_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/provider"
	"modelproviders/pkg/registry"
)

func TestConcurrentFirstCallsBuildOneClient(t *testing.T) {
	k := newKit(t, func(c *registry.Config) {
		transport := c.Transport
		c.Transport = func(trusted ...string) http.RoundTripper {
			time.Sleep(50 * time.Millisecond) // so that every call meets the first one's building
			return transport(trusted...)
		}
	})
	p := k.create(t, "one")
	const calls = 32
	clients := make([]provider.Client, calls)
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for i := range calls {
		wg.Go(func() {
			<-begin
			client, err := k.Client(t.Context(), workspace, p.ID)
			if err != nil {
				t.Error(err)
			}
			clients[i] = client
		})
	}
	close(begin)
	wg.Wait()
	if n := k.built.Load(); n != 1 {
		t.Errorf("%d calls built %d clients", calls, n)
	}
	for _, client := range clients {
		if client != clients[0] {
			t.Error("two calls have different clients")
		}
	}
}

func TestClientIsKeptUntilAnEdit(t *testing.T) {
	k := newKit(t)
	p := k.create(t, "one")
	k.test(t, p)
	k.test(t, p)
	if _, err := k.UpdateProvider(t.Context(), workspace, p.ID, registry.ProviderEdit{Name: &p.Name}); err != nil {
		t.Fatal(err)
	}
	k.test(t, p)
	if n := k.built.Load(); n != 1 {
		t.Errorf("%d clients were built, though nothing was edited", n)
	}
	k.update(t, p.ID, newKey(t, "sk-another"))
	if n, _ := k.KeptClients(); n != 0 {
		t.Errorf("%d clients are kept with the old key", n)
	}
	if failure := k.test(t, p).Failure; failure == nil || failure.Kind != provider.Authentication {
		t.Errorf("the new key was not used: %v", failure)
	}
	if n := k.built.Load(); n != 2 {
		t.Errorf("%d clients were built", n)
	}
}

func TestReplicaSeesAnEditAtItsNextCall(t *testing.T) {
	k := newKit(t)
	p := k.create(t, "one")
	replica, _ := k.replica(t)
	call := func() *provider.Failure {
		result, err := replica.TestModel(t.Context(), workspace, p.Models[0].ID, registry.Draft{Prompt: provider.Prompt{Text: "Hello"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return result.Failure
	}
	if failure := call(); failure != nil {
		t.Fatal(failure)
	}
	k.update(t, p.ID, newKey(t, "sk-another"))
	if failure := call(); failure == nil || failure.Kind != provider.Authentication {
		t.Errorf("the replica used the old key: %v", failure)
	}
	k.update(t, p.ID, registry.ProviderEdit{Settings: provider.Request{Credentials: encode(t, k.upstream.Credentials)}})
	if failure := call(); failure != nil {
		t.Errorf("the replica did not use the right key: %v", failure)
	}
}

func TestClientCacheIsBounded(t *testing.T) {
	k := newKit(t)
	k.KeepClients(2)
	var all []registry.Provider
	for i := range 3 {
		all = append(all, k.create(t, fmt.Sprint("provider ", i)))
	}
	client := func(p registry.Provider) provider.Client {
		c, err := k.Client(t.Context(), workspace, p.ID)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := client(all[0])
	second := client(all[1])
	if client(all[0]) != first || client(all[1]) != second || k.built.Load() != 2 {
		t.Errorf("two providers took %d clients", k.built.Load())
	}
	client(all[2])
	if client(all[0]) == first || k.built.Load() != 4 {
		t.Errorf("a third client pushed none out: %d were built", k.built.Load())
	}
}

func TestClientOfAnotherWorkspaceIsNotFound(t *testing.T) {
	k := newKit(t)
	p := k.create(t, "one")
	if _, err := k.Client(t.Context(), workspace, p.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Client(t.Context(), "another", p.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
}

func TestDeletedProviderHasNoClient(t *testing.T) {
	k := newKit(t)
	p := k.create(t, "one")
	k.test(t, p)
	if err := k.DeleteProvider(t.Context(), workspace, p.ID, registry.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if n, _ := k.KeptClients(); n != 0 {
		t.Errorf("%d clients are kept", n)
	}
	if _, err := k.Client(t.Context(), workspace, p.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
}

// TestACallUsesItsClientUntilItReturns, and no longer: neither is the client
// closed in its midst, nor kept open behind it.
func TestACallUsesItsClientUntilItReturns(t *testing.T) {
	k := newKit(t)
	p := k.create(t, "one")
	for name, call := range map[string]func(context.Context) error{
		"test": func(ctx context.Context) error {
			_, err := k.TestModel(ctx, workspace, p.Models[0].ID, registry.Draft{Prompt: provider.Prompt{Text: "Hello"}}, nil)
			return err
		},
		"discovery": func(ctx context.Context) error {
			_, err := k.AvailableModels(ctx, workspace, registry.Draft{ProviderID: p.ID}, "")
			return err
		},
	} {
		gate := k.holdUp()
		returned := make(chan error, 1)
		go func() { returned <- call(t.Context()) }()
		<-gate.arrived
		if _, calls := k.KeptClients(); calls != 1 {
			t.Errorf("%s: while it runs %d calls use its client", name, calls)
		}
		close(gate.open)
		if err := <-returned; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, calls := k.KeptClients(); calls != 0 {
			t.Errorf("%s: after it has returned %d calls use its client", name, calls)
		}
	}
}
