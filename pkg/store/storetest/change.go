package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/store"
)

// number numbers what was noted.
func number(t *testing.T, s *store.Store) {
	t.Helper()
	unnumbered, err := s.UnnumberedWorkspaces(t.Context())
	if err == nil {
		_, err = s.NumberChanges(t.Context(), unnumbered...)
	}
	if err != nil {
		t.Error("number changes:", err)
	}
}

// changesAfter reads the changes after a position.
func changesAfter(t *testing.T, s *store.Store, after registry.ChangePosition) []registry.Change {
	t.Helper()
	changes, err := s.ChangesAfter(t.Context(), workspace, after, 1000)
	noError(t, "read changes", err)
	return changes
}

// editStored changes a stored provider as the registry does.
func editStored(ctx context.Context, s *store.Store, id string, change func(p *registry.Provider)) error {
	return s.InTx(ctx, func(ctx context.Context) error {
		before, err := s.LockProvider(ctx, workspace, id)
		if err != nil {
			return err
		}
		after := before
		after.Models = slices.Clone(before.Models)
		after.Version++
		change(&after)
		return s.UpdateProvider(ctx, before, after)
	})
}

// noted compares the changes of one provider that are noted with those that are wanted.
type noted struct {
	*store.Store
	p   registry.Provider
	end registry.ChangePosition
}

// want checks what was noted since the last call, apart from id and number.
func (n *noted) want(t *testing.T, wants ...func(*registry.Change)) {
	t.Helper()
	number(t, n.Store)
	got := changesAfter(t, n.Store, n.end)
	var wanted []registry.Change
	for i, set := range wants {
		c := registry.Change{Workspace: workspace, ProviderID: n.p.ID, At: start, Resource: "provider", ResourceID: n.p.ID}
		set(&c)
		if i < len(got) {
			c.ID, c.Number = got[i].ID, n.end.Number+int64(i)+1
		}
		wanted = append(wanted, c)
	}
	if diff := cmp.Diff(wanted, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	var err error
	before := n.end
	if n.end, err = n.ChangeEnd(t.Context(), workspace); err != nil || n.end.Number != before.Number+int64(len(wants)) {
		t.Errorf("the end is %+v, %v", n.end, err)
	}
}

func (n *noted) edit(t *testing.T, change func(p *registry.Provider)) {
	t.Helper()
	noError(t, "edit", editStored(t.Context(), n.Store, n.p.ID, func(p *registry.Provider) { p.UpdatedAt = start; change(p) }))
}

func (n *noted) record(t *testing.T, c registry.Call) {
	t.Helper()
	recorded := call(n.p, c)
	recorded.Event.At = start
	noError(t, "record", n.RecordCall(t.Context(), recorded))
}

func ofProvider(action registry.ChangeAction, version int64, status, kind string) func(*registry.Change) {
	return func(c *registry.Change) {
		c.Action, c.Version, c.ProviderVersion, c.Status, c.Kind = action, version, version, status, kind
	}
}

func ofModel(id string, action registry.ChangeAction, version, providerVersion int64, status string) func(*registry.Change) {
	return func(c *registry.Change) {
		c.Resource, c.ResourceID, c.Action, c.Version, c.ProviderVersion, c.Status = "model", id, action, version, providerVersion, status
	}
}

func testChanges(t *testing.T, s *store.Store) {
	ctx := t.Context()
	p := newProvider("changed", "a", "b", "c")
	end, err := s.ChangeEnd(ctx, workspace)
	noError(t, "read the end", err)
	if (end != registry.ChangePosition{}) {
		t.Fatalf("the end of no changes is %+v", end)
	}
	if got := changesAfter(t, s, end); len(got) != 0 {
		t.Fatalf("there are changes already: %+v", got)
	}
	n := &noted{s, p, end}
	create(t, s, p)
	n.want(t, ofProvider(registry.Created, 1, "active", ""))

	n.edit(t, func(p *registry.Provider) { p.Name, p.NameKey = "renamed", "renamed" })
	n.edit(t, func(p *registry.Provider) { p.Enabled = false })
	n.edit(t, func(p *registry.Provider) { p.Enabled = true; p.Models = p.Models[:2] }) // covers its models
	n.want(t, ofProvider(registry.Updated, 2, "active", ""), ofProvider(registry.StatusChanged, 3, "inactive", ""), ofProvider(registry.StatusChanged, 4, "active", ""))

	added := newModel(p.ID, "d", start)
	n.edit(t, func(p *registry.Provider) {
		p.Models[1].Enabled, p.Models[1].Version = false, 2
		p.Models = append(p.Models[1:], added)
	})
	n.want(t, ofModel(p.Models[0].ID, registry.Deleted, 1, 5, "deleted"), ofModel(p.Models[1].ID, registry.Updated, 2, 5, "disabled"), ofModel(added.ID, registry.Created, 1, 5, ""))

	stop := errors.New("stop") // what is rolled back is not noted
	err = s.InTx(ctx, func(ctx context.Context) error {
		noError(t, "edit", editStored(ctx, s, p.ID, func(p *registry.Provider) { p.Name = "never" }))
		return stop
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	wantFault(t, "take a name", add(ctx, s, newProvider("RENAMED")), fault.NameTaken)
	n.edit(t, func(p *registry.Provider) { p.Name = "again" })
	n.want(t, ofProvider(registry.Updated, 6, "active", ""))

	noError(t, "delete", s.InTx(ctx, func(ctx context.Context) error {
		locked, err := s.LockProvider(ctx, workspace, p.ID)
		if err != nil {
			return err
		}
		return s.DeleteProvider(ctx, locked, start)
	}))
	n.want(t, ofProvider(registry.Deleted, 6, "deleted", ""))
	wantPages(t, s, n.end)
}

// wantPages reads all changes in pages of two, up to an end.
func wantPages(t *testing.T, s *store.Store, end registry.ChangePosition) {
	t.Helper()
	all := changesAfter(t, s, registry.ChangePosition{})
	var pages []registry.Change
	var after registry.ChangePosition
	for {
		page, err := s.ChangesAfter(t.Context(), workspace, after, 2)
		noError(t, "read a page", err)
		if len(page) == 0 {
			break
		}
		if len(page) > 2 {
			t.Fatalf("a page has %d changes", len(page))
		}
		pages = append(pages, page...)
		after = page[len(page)-1].Position()
	}
	if diff := cmp.Diff(all, pages); diff != "" || after != end {
		t.Errorf("pages end at %+v, want %+v; changes (-all +pages):\n%s", after, end, diff)
	}
}

// testChangesOfCalls: calls note a change only if they change the status of the provider.
func testChangesOfCalls(t *testing.T, s *store.Store) {
	n := &noted{Store: s, p: newProvider("called", "a", "b")}
	create(t, s, n.p)
	failure := &registry.ProviderError{Kind: "authentication", Since: start}
	n.record(t, registry.Call{Success: true})
	n.want(t, ofProvider(registry.Created, 1, "active", ""))
	n.record(t, registry.Call{Failure: failure})
	n.record(t, registry.Call{Failure: &registry.ProviderError{Kind: "unreachable", Since: start}}) // the same status
	n.record(t, registry.Call{Test: &registry.LastTest{Kind: "timeout", At: start}, ModelID: n.p.Models[1].ID, UpstreamModelID: "b"})
	n.want(t, ofProvider(registry.StatusChanged, 1, "error", "authentication"))
	n.record(t, registry.Call{Success: true})
	n.record(t, registry.Call{Success: true})
	n.want(t, ofProvider(registry.StatusChanged, 1, "active", ""))

	n.edit(t, func(p *registry.Provider) { p.Enabled = false })
	n.record(t, registry.Call{Failure: failure})
	n.record(t, registry.Call{Success: true})
	n.want(t, ofProvider(registry.StatusChanged, 2, "inactive", ""))
	n.edit(t, func(p *registry.Provider) { p.Enabled = true; p.Connection++ })
	n.record(t, registry.Call{Failure: failure}) // of an earlier connection
	n.want(t, ofProvider(registry.StatusChanged, 3, "active", ""))
}

// testChangesGone: positions from which not all changes are known, or of another history.
func testChangesGone(t *testing.T, s *store.Store) {
	ctx := t.Context()
	day := func(n int) time.Time { return start.Add(time.Duration(n) * 24 * time.Hour) }
	p := newProvider("p")
	create(t, s, p)
	for i := range 4 {
		noError(t, "edit", editStored(ctx, s, p.ID, func(p *registry.Provider) { p.Name, p.UpdatedAt = fmt.Sprint("day ", i+1), day(i+1) }))
	}
	number(t, s)
	all := changesAfter(t, s, registry.ChangePosition{})
	if len(all) != 5 {
		t.Fatalf("%d changes", len(all))
	}
	end := all[4].Position()
	gone := func(t *testing.T, what string, at registry.ChangePosition) {
		t.Helper()
		changes, err := s.ChangesAfter(ctx, workspace, at, 10)
		if !fault.Is(err, fault.Gone) {
			t.Errorf("%s: got %+v, %v", what, changes, err)
		}
	}
	gone(t, "above the end", registry.ChangePosition{Number: 6, ID: newID()})
	gone(t, "another id", registry.ChangePosition{Number: 3, ID: newID()})
	gone(t, "another id at the end", registry.ChangePosition{Number: 5, ID: newID()})

	noError(t, "drop", s.DropChanges(ctx, day(3).Add(time.Hour)))
	gone(t, "the beginning", registry.ChangePosition{})
	gone(t, "a change that was dropped", all[2].Position())
	if got := changesAfter(t, s, all[3].Position()); len(got) != 1 || got[0].ID != all[4].ID {
		t.Errorf("after the last change before the time, got %+v", got)
	}

	noError(t, "drop all", s.DropChanges(ctx, day(100)))
	gone(t, "the last change but one", all[3].Position())
	if got, err := s.ChangeEnd(ctx, workspace); err != nil || got != end {
		t.Errorf("the end is %+v, %v, want %+v", got, err, end)
	}
	if got := changesAfter(t, s, end); len(got) != 0 {
		t.Errorf("after the end, got %+v", got)
	}
	noError(t, "edit", editStored(ctx, s, p.ID, func(p *registry.Provider) { p.Name, p.UpdatedAt = "later", day(101) }))
	number(t, s)
	if got := changesAfter(t, s, end); len(got) != 1 || got[0].Number != 6 {
		t.Errorf("after what was the end for long, got %+v", got)
	}
}

// changeTogether has many callers edit one provider and providers of their own, while every
// store numbers: the changes of a provider are in the order of its versions.
func changeTogether(t *testing.T, stores ...*store.Store) {
	const callers, edits = 8, 10
	s := stores[0]
	number(t, s) // what other tests have noted
	begin, err := s.ChangeEnd(t.Context(), workspace)
	noError(t, "read the end", err)
	shared := newProvider("shared by writers")
	create(t, s, shared)
	ctx, stop := context.WithCancel(t.Context())
	var numbering sync.WaitGroup
	for _, s := range stores {
		for range 2 {
			numbering.Go(func() {
				for ctx.Err() == nil {
					number(t, s)
				}
			})
		}
	}
	together(callers, func(i int) {
		s := stores[i%len(stores)]
		own := newProvider(fmt.Sprint("of writer ", i))
		if err := add(t.Context(), s, own); err != nil {
			t.Error(err)
			return
		}
		for n := range edits {
			for _, p := range []registry.Provider{shared, own} {
				err := editStored(t.Context(), s, p.ID, func(p *registry.Provider) {
					p.Name, p.NameKey = fmt.Sprint(i, n, p.ID), fmt.Sprint(i, n, p.ID)
				})
				if err != nil {
					t.Error(err)
				}
			}
		}
	})
	stop()
	numbering.Wait()
	number(t, s)
	versions := map[string]int64{}
	for _, c := range changesAfter(t, s, begin) {
		if c.Version != versions[c.ProviderID]+1 {
			t.Fatalf("after version %d comes %+v", versions[c.ProviderID], c)
		}
		versions[c.ProviderID] = c.Version
	}
	if len(versions) != 1+callers || versions[shared.ID] != 1+callers*edits {
		t.Errorf("%d providers have changed, the shared one %d times", len(versions), versions[shared.ID])
	}
}
