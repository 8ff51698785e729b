package audit_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"modelproviders/pkg/audit"
)

// TestLinkersWorkAtOnce has writers and two linkers work at once, and checks that
// everything is linked soon after.
func TestLinkersWorkAtOnce(t *testing.T) {
	databases(t, func(t *testing.T, one, two *world) {
		ctx, stop := context.WithCancel(t.Context())
		var linkers, writers sync.WaitGroup
		for _, w := range []*world{one, two} {
			linkers.Go(func() {
				for ctx.Err() == nil {
					if err := w.Link(ctx); err != nil && ctx.Err() == nil {
						t.Error("linking:", err)
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
		const each, workspaces = 25, 3
		for i := range 8 {
			writers.Go(func() {
				w := []*world{one, two}[i%2]
				for j := range each {
					e := audit.Event{Workspace: fmt.Sprint("workspace ", (i+j)%workspaces), Action: audit.ModelTest, Outcome: audit.Success}
					if err := w.Record(t.Context(), e); err != nil {
						t.Error("record:", err)
					}
				}
			})
		}
		writers.Wait()
		ended := time.Now()
		for {
			waiting, err := one.store.UnlinkedWorkspaces(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(waiting) == 0 {
				break
			}
			if time.Since(ended) > 30*time.Second { // a loaded machine is slow
				t.Fatalf("events wait in %q", waiting)
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Logf("linked %v after the last write", time.Since(ended))
		stop()
		linkers.Wait()
		reports, err := two.Verify(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		links := int64(0)
		for _, report := range reports {
			links += report.Links
			if report.Break != nil {
				t.Error(report.Break)
			}
		}
		if links != 8*each || len(reports) != workspaces {
			t.Errorf("%d links in %d workspaces, want %d in %d", links, len(reports), 8*each, workspaces)
		}
	})
}

// TestTwoLinkersMakeOneChain has them link the same workspace in many batches.
func TestTwoLinkersMakeOneChain(t *testing.T) {
	databases(t, func(t *testing.T, one, two *world) {
		for range 2 {
			one.record(t, "acme", 700)
			var linkers sync.WaitGroup
			for i := range 4 {
				linkers.Go(func() {
					if err := []*world{one, two}[i%2].Link(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			linkers.Wait()
		}
		one.link(t) // what a linker left to another that was just done
		two.wantWhole(t, "acme", 1400)
	})
}

// TestWritersDoNotWait holds the head of a chain as a linker does, which on
// SQLite only happens while nobody else can write anyway.
func TestWritersDoNotWait(t *testing.T) {
	databases(t, func(t *testing.T, one, two *world) {
		if t.Name() == "TestWritersDoNotWait/SQLite" {
			return
		}
		one.record(t, "acme", 1)
		err := one.store.InTx(t.Context(), func(ctx context.Context) error {
			if _, err := one.store.LockHead(ctx, "acme"); err != nil {
				return err
			}
			if _, err := one.store.Unlinked(ctx, "acme", 10); err != nil {
				return err
			}
			short, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			if err := two.Record(short, audit.Event{Workspace: "acme"}); err != nil {
				t.Errorf("a writer beside a linker: %v", err)
			}
			if err := two.Link(short); err != nil {
				t.Errorf("a linker beside a linker: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		one.link(t)
		one.wantWhole(t, "acme", 2)
	})
}
