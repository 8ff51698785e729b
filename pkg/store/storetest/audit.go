package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/audit/chain"
	"modelproviders/pkg/fault"
	"modelproviders/pkg/store"
)

// newEvent makes an event that happened that many milliseconds after start.
func newEvent(after int) audit.Event {
	return audit.Event{
		ID: newID(), At: start.Add(time.Duration(after) * time.Millisecond), Workspace: workspace,
		Actor: audit.Actor{Subject: "s", Kind: "token", Name: "Deploy script"}, Action: audit.ProviderUpdate, Outcome: audit.Success,
		Target: audit.Target{Type: "provider", ID: "p", Name: "P"}, ProviderID: "p", Count: 1, Seal: []byte("seal"), LinkMAC: []byte("new"),
	}
}

func appendEvents(t *testing.T, s *store.Store, events ...audit.Event) {
	t.Helper()
	for _, e := range events {
		noError(t, "append", s.AppendEvents(t.Context(), e))
	}
}

func testAuditEvent(t *testing.T, s *store.Store) {
	full := newEvent(0)
	full.Reason, full.RequestID, full.ClientIP, full.Count = "because\n\"so\"", "r-1", "2001:db8::1", 17
	full.Changes = []audit.Change{
		{Field: "name", Old: `"a"`, New: `"<b> & \u2028 \ufffd` + "\u2028 \ufffd 模型 🙂" + `"`}, {Field: "credentials.api_key"}, {Field: "x", New: "null"},
	}
	bare := audit.Event{ID: newID(), At: start, Workspace: "bare", Seal: []byte{0, 0xff}, LinkMAC: []byte{1}}
	for _, e := range []audit.Event{full, bare} {
		appendEvents(t, s, e)
		got, err := s.Events(t.Context(), e.Workspace, audit.Query{})
		noError(t, "events", err)
		if diff := cmp.Diff([]audit.Event{e}, got); diff != "" {
			t.Errorf("event (-want +got):\n%s", diff)
		}
		waiting, err := s.Unlinked(t.Context(), e.Workspace, 10)
		noError(t, "unlinked", err)
		if diff := cmp.Diff([]chain.Entry{e.Entry()}, waiting); diff != "" {
			t.Errorf("unlinked event (-want +got):\n%s", diff)
		}
	}
	if err := s.AppendEvents(t.Context(), full); err == nil {
		t.Error("an event was added twice")
	}

	undo := errors.New("undo")
	undone := newEvent(1)
	undone.Workspace = "undone"
	err := s.InTx(t.Context(), func(ctx context.Context) error {
		noError(t, "append", s.AppendEvents(ctx, undone))
		return undo
	})
	if !errors.Is(err, undo) {
		t.Errorf("InTx: got %v", err)
	}
	workspaces, err := s.Workspaces(t.Context())
	noError(t, "workspaces", err)
	if diff := cmp.Diff([]string{"bare", workspace}, workspaces); diff != "" {
		t.Errorf("an event that was rolled back left its workspace (-want +got):\n%s", diff)
	}
}

func testAuditList(t *testing.T, s *store.Store) {
	var all []audit.Event // newest first, as they are listed
	for i := range 12 {
		e := newEvent(i / 2) // two at a time
		e.Action = []audit.Action{audit.ProviderUpdate, audit.ModelTest}[i%2]
		e.Actor.Subject = []string{"ann", "bob", "eve"}[i%3]
		e.ProviderID = []string{"", "p", "q", "r"}[i%4]
		e.Outcome = []audit.Outcome{audit.Success, audit.Success, audit.Success, audit.Failure, audit.Denied}[i%5]
		all = append([]audit.Event{e}, all...)
		foreign := e
		foreign.ID, foreign.Workspace = newID(), "another"
		appendEvents(t, s, e, foreign)
	}
	list := func(q audit.Query) []audit.Event {
		t.Helper()
		events, err := s.Events(t.Context(), workspace, q)
		noError(t, "events", err)
		return events
	}
	at := start.Add
	for what, f := range map[string]audit.Filter{
		"everything":           {},
		"action":               {Action: audit.ModelTest},
		"actor":                {Actor: "bob"},
		"provider":             {ProviderID: "q"},
		"outcome":              {Outcome: audit.Failure},
		"action and actor":     {Action: audit.ModelTest, Actor: "eve"},
		"provider and outcome": {ProviderID: "p", Outcome: audit.Success},
		"all four":             {Action: audit.ProviderUpdate, Actor: "ann", ProviderID: "q", Outcome: audit.Success},
		"from":                 {From: at(3 * time.Millisecond)},
		"from between":         {From: at(3*time.Millisecond + time.Nanosecond)},
		"to":                   {To: at(3 * time.Millisecond)},
		"to between":           {To: at(3*time.Millisecond + time.Nanosecond)},
		"from to of an action": {Action: audit.ModelTest, From: at(time.Millisecond), To: at(4 * time.Millisecond)},
		"nobody":               {Actor: "nobody"},
		"what no text can be":  {Actor: "a\x00\xff"},
	} {
		var want []audit.Event
		for _, e := range all {
			if (f.Action == "" || e.Action == f.Action) && (f.Actor == "" || e.Actor.Subject == f.Actor) &&
				(f.ProviderID == "" || e.ProviderID == f.ProviderID) && (f.Outcome == "" || e.Outcome == f.Outcome) &&
				(f.From.IsZero() || !e.At.Before(f.From)) && (f.To.IsZero() || e.At.Before(f.To)) {
				want = append(want, e)
			}
		}
		var got []audit.Event
		q := audit.Query{Filter: f, Limit: 2}
		for {
			page := list(q)
			got = append(got, page...)
			if len(page) < q.Limit {
				break
			}
			q.Before = &audit.Position{At: page[1].At, ID: page[1].ID}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, in pages (-want +got):\n%s", what, diff)
		}
	}
}

// linked links events in the order given, from a head on.
func linked(head chain.Head, events ...audit.Event) ([]chain.Link, chain.Head) {
	var links []chain.Link
	for _, e := range events {
		head.Count++
		head.Last = []byte(fmt.Sprint("mac ", head.Count))
		links = append(links, chain.Link{Number: head.Count, EntryID: e.ID, MAC: head.Last})
	}
	head.First, head.MAC = max(head.First, 1), []byte(fmt.Sprint("head ", head.Count))
	return links, head
}

func testAuditChain(t *testing.T, s *store.Store) {
	ctx := t.Context()
	var events []audit.Event
	for i := range 5 {
		events = append(events, newEvent(i))
	}
	foreign := newEvent(0)
	foreign.Workspace = "another"
	appendEvents(t, s, foreign)
	appendEvents(t, s, events...)
	head := func(want chain.Head) {
		t.Helper()
		got, err := s.Head(ctx, workspace)
		noError(t, "head", err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("head (-want +got):\n%s", diff)
		}
	}
	unlinked := func(workspaces []string, want ...audit.Event) {
		t.Helper()
		got, err := s.UnlinkedWorkspaces(ctx)
		noError(t, "unlinked workspaces", err)
		if !slices.Equal(got, workspaces) {
			t.Errorf("workspaces with unlinked events: got %q, want %q", got, workspaces)
		}
		waiting, err := s.Unlinked(ctx, workspace, 4)
		noError(t, "unlinked", err)
		var ids []string
		for _, e := range waiting {
			ids = append(ids, e.ID)
		}
		if diff := cmp.Diff(idsOf(want), ids); diff != "" {
			t.Errorf("unlinked events (-want +got):\n%s", diff)
		}
	}
	wantLinks := func(what string, from int64, limit int, want []chain.Link) {
		t.Helper()
		got, err := s.Linked(ctx, workspace, from, limit)
		noError(t, "linked", err)
		var links []chain.Link
		for _, e := range got {
			links = append(links, chain.Link{Number: e.Number, EntryID: e.ID, MAC: e.MAC})
		}
		if diff := cmp.Diff(want, links); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}

	count := func(limit, want int) {
		t.Helper()
		n, err := s.CountUnlinked(ctx, limit)
		noError(t, "count unlinked events", err)
		if n != want {
			t.Errorf("counted %d unlinked events up to %d, want %d", n, limit, want)
		}
	}

	head(chain.Head{})
	count(100, 6)
	count(4, 4)
	unlinked([]string{"another", workspace}, events[:4]...)
	wantLinks("a chain without links", 1, 10, nil)
	if _, err := s.LockHead(ctx, workspace); err == nil {
		t.Error("LockHead outside a transaction worked")
	}

	made, end := linked(chain.Head{}, events[0], events[2], events[1])
	noError(t, "link", s.Link(ctx, workspace, made, end))
	head(end)
	unlinked([]string{"another", workspace}, events[3], events[4])
	count(100, 3)
	wantLinks("all links", 1, 10, made)
	wantLinks("some links", 2, 1, made[1:2])
	err := s.Link(ctx, workspace, []chain.Link{{Number: 4, EntryID: events[0].ID, MAC: []byte("m")}}, end)
	if err == nil || fault.Is(err, fault.Conflict) {
		t.Errorf("linking an event again: got %v, want another error than that of two linkers", err)
	}

	noError(t, "link in a transaction", s.InTx(ctx, func(ctx context.Context) error {
		locked, err := s.LockHead(ctx, workspace)
		noError(t, "lock", err)
		if diff := cmp.Diff(end, locked); diff != "" {
			t.Errorf("locked head (-want +got):\n%s", diff)
		}
		more, next := linked(locked, events[3], events[4])
		made, end = append(made, more...), next
		return s.Link(ctx, workspace, more, end)
	}))
	unlinked([]string{"another"})

	dropped := end
	dropped.First, dropped.Base = 3, made[1].MAC
	noError(t, "drop", s.DropThrough(ctx, workspace, 2, dropped))
	head(dropped)
	wantLinks("what is left of the chain", math.MinInt64, 10, made[2:])
	left, err := s.Events(ctx, workspace, audit.Query{})
	noError(t, "events", err)
	if diff := cmp.Diff(idsOf([]audit.Event{events[4], events[3], events[1]}), idsOf(left)); diff != "" {
		t.Errorf("what is left of the events (-want +got):\n%s", diff)
	}
	if left, err := s.Events(ctx, "another", audit.Query{}); err != nil || len(left) != 1 {
		t.Errorf("the foreign event: got %d, %v", len(left), err)
	}
}

func idsOf(events []audit.Event) []string {
	var ids []string
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
}

// linkTogether checks that linkers at once, on several stores of one database,
// make one chain without a gap.
func linkTogether(t *testing.T, stores ...*store.Store) {
	const callers, each = 8, 5
	name := newID() // a new workspace: its chain has no head yet
	var made atomic.Int64
	together(callers, func(i int) {
		s := stores[i%len(stores)]
		for range each {
			e := newEvent(0)
			e.Workspace = name
			if err := s.AppendEvents(t.Context(), e); err != nil {
				t.Error("append:", err)
			}
			err := s.InTx(t.Context(), func(ctx context.Context) error {
				head, err := s.LockHead(ctx, name)
				if err != nil {
					return err
				}
				links, head := linked(head, e)
				return s.Link(ctx, name, links, head)
			})
			switch {
			case err == nil:
				made.Add(1)
			case !fault.Is(err, fault.Conflict):
				t.Error("link:", err)
			}
		}
	})
	head, err := stores[0].Head(t.Context(), name)
	noError(t, "head", err)
	links, err := stores[0].Linked(t.Context(), name, 1, callers*each)
	noError(t, "linked", err)
	if made.Load() == 0 || head.Count != made.Load() || len(links) != int(head.Count) || !bytes.Equal(head.Last, links[len(links)-1].MAC) {
		t.Errorf("%d links were made: the head says %d, and there are %d", made.Load(), head.Count, len(links))
	}
}
