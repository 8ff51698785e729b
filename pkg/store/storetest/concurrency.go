package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
)

// together runs n calls at once and waits for them.
func together(n int, call func(i int)) {
	var group sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		group.Go(func() {
			<-begin
			call(i)
		})
	}
	close(begin)
	group.Wait()
}

func testConcurrency(t *testing.T, s *store.Store) {
	const callers = 16

	t.Run("one gets the name", func(t *testing.T) {
		var won atomic.Int64
		together(callers, func(int) {
			switch err := add(t.Context(), s, newProvider("wanted", "a", "b")); {
			case err == nil:
				won.Add(1)
			case !fault.Is(err, fault.NameTaken):
				t.Errorf("got %v, want %s", err, fault.NameTaken)
			}
		})
		if won.Load() != 1 {
			t.Errorf("%d providers got the name, want 1", won.Load())
		}
	})

	t.Run("no edit, test or health is lost", func(t *testing.T) {
		p := newProvider("edited", "m0")
		create(t, s, p)
		m := p.Models[0]
		together(callers, func(i int) {
			err := s.InTx(t.Context(), func(ctx context.Context) error {
				before, err := s.LockProvider(ctx, workspace, p.ID)
				if err != nil {
					return err
				}
				after := before
				after.Version++
				after.Models = append(after.Models, newModel(p.ID, "m"+newID(), start))
				return s.UpdateProvider(ctx, before, after)
			})
			if err != nil {
				t.Errorf("edit %d: %v", i, err)
			}
			at := start.Add(time.Duration(i) * time.Second)
			err = s.RecordCall(t.Context(), call(p, registry.Call{
				Failure: &registry.ProviderError{Kind: fmt.Sprint("kind ", i), Since: at},
				Test:    &registry.LastTest{Kind: "timeout", At: at}, ModelID: m.ID, UpstreamModelID: m.ModelID,
			}))
			if err != nil {
				t.Errorf("outcome %d: %v", i, err)
			}
		})
		got := stored(t, s, p.ID)
		if got.Version != 1+callers || len(got.Models) != 1+callers {
			t.Errorf("after %d edits: version %d with %d models", callers, got.Version, len(got.Models))
		}
		if last := got.Models[0].LastTest; got.Error == nil || last == nil || !last.At.Equal(got.Error.Since) {
			t.Errorf("last test %+v and error %+v are not of one transaction", last, got.Error)
		}
	})

	t.Run("an edit keeps the outcome of a test that ends meanwhile", func(t *testing.T) {
		p := newProvider("tested", "m")
		create(t, s, p)
		recorded := make(chan error, 1)
		noError(t, "edit", s.InTx(t.Context(), func(ctx context.Context) error {
			locked, err := s.LockProvider(ctx, workspace, p.ID)
			if err != nil {
				return err
			}
			go func() {
				recorded <- s.RecordCall(t.Context(), call(p, registry.Call{
					Test: &registry.LastTest{Success: true, At: start}, ModelID: p.Models[0].ID, UpstreamModelID: "m",
				}))
			}()
			time.Sleep(50 * time.Millisecond) // lets the test come first, if it can
			edited := locked
			edited.Models = slices.Clone(locked.Models)
			edited.Models[0].Enabled = false
			edited.Models[0].Version++
			return s.UpdateProvider(ctx, locked, edited)
		}))
		noError(t, "record", <-recorded)
		p.Models[0].Version++
		p.Models[0].Enabled, p.Models[0].LastTest = false, &registry.LastTest{Success: true, At: start}
		wantStored(t, s, p)
	})

	t.Run("reading sees one state", func(t *testing.T) {
		p := newProvider("read", "0")
		create(t, s, p)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range 30 {
				err := s.InTx(t.Context(), func(ctx context.Context) error {
					before, err := s.LockProvider(ctx, workspace, p.ID)
					if err != nil {
						return err
					}
					after := before
					after.Models = slices.Clone(before.Models)
					after.Version, after.Models[0].Version = int64(i), int64(i)
					return s.UpdateProvider(ctx, before, after)
				})
				if err != nil {
					t.Error("edit:", err)
				}
			}
		}()
		for reading := true; reading; {
			select {
			case <-done:
				reading = false
			default:
			}
			got, err := s.Provider(t.Context(), workspace, p.ID)
			if err != nil || got.Version != got.Models[0].Version {
				t.Errorf("version %d of the provider with its models %+v, %v", got.Version, got.Models, err)
				break
			}
		}
		<-done
	})

	t.Run("transactions that stand in each other's way both succeed", func(t *testing.T) {
		a, b := newProvider("left"), newProvider("right")
		create(t, s, a, b)
		ids := []string{a.ID, b.ID}
		locked := []chan struct{}{make(chan struct{}), make(chan struct{})}
		together(2, func(i int) {
			first := sync.OnceFunc(func() { close(locked[i]) })
			err := s.InTx(t.Context(), func(ctx context.Context) error {
				for j := range 2 { // each begins with another one
					p, err := s.LockProvider(ctx, workspace, ids[(i+j)%2])
					if err != nil {
						return err
					}
					after := p
					after.Version++
					if err := s.UpdateProvider(ctx, p, after); err != nil {
						return err
					}
					first()
					select {
					case <-locked[1-i]:
					case <-time.After(200 * time.Millisecond): // where transactions take turns
					}
				}
				return nil
			})
			if err != nil {
				t.Errorf("transaction %d: %v", i, err)
			}
		})
		for _, id := range ids {
			if got := stored(t, s, id).Version; got != 3 {
				t.Errorf("after two edits the version is %d, want 3", got)
			}
		}
	})
}
