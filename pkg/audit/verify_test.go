package audit_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/audit/chain"
)

// tampering is what somebody who can write to the database may do to a
// workspace with six linked events. In its statements $ws is the workspace,
// $e(n) the id of the event of link n.
type tampering struct {
	name       string
	statements []string
	number     int64 // of the link that is broken; 0: the fault is at none
	reason     string
}

func eventChanges() []tampering {
	var all []tampering
	for _, column := range []string{"actor_subject", "actor_kind", "actor_name", "action", "target_type", "target_id", "target_name",
		"provider_id", "outcome", "reason", "request_id", "client_ip"} {
		all = append(all, tampering{"event's " + column,
			[]string{"UPDATE audit_events SET " + column + " = 'x' WHERE workspace = $ws AND id = $e(3)"}, 3, "the event was changed"})
	}
	for _, change := range []string{"at = $later", "count = 2", "changes = '[]'", "changes = '{'", "changes = 'null'",
		`changes = '[{"field":"name","old":"\"a\"","new":"\"c\""}]'`, "seal = (SELECT mac FROM audit_heads WHERE workspace = $ws)"} {
		all = append(all, tampering{"event's " + change,
			[]string{"UPDATE audit_events SET " + change + " WHERE workspace = $ws AND id = $e(3)"}, 3, "the event was changed"})
	}
	return all
}

// inserted is the id of an event that somebody inserts.
const inserted = "00000000-0000-7000-8000-000000000000"

// copyEvent inserts a copy of an event with a number and the MAC of a link.
func copyEvent(number, mac string) string {
	const columns = `at, actor_subject, actor_kind, actor_name, action, target_type, target_id, target_name,
		provider_id, outcome, changes, reason, request_id, client_ip, count, seal`
	return `INSERT INTO audit_events (workspace, id, ` + columns + `, number, link_mac)
		SELECT workspace, '` + inserted + `', ` + columns + `, ` + number + `, ` + mac + ` FROM audit_events WHERE workspace = $ws AND id = $e(3)`
}

func chainChanges() []tampering {
	const outside = "the event is not part of the chain"
	return []tampering{
		{"event removed", []string{"DELETE FROM audit_events WHERE workspace = $ws AND id = $e(3)"}, 3, "the event was removed"},
		{"event removed, and the gap closed", []string{
			"DELETE FROM audit_events WHERE workspace = $ws AND id = $e(3)",
			"UPDATE audit_events SET number = 3 WHERE workspace = $ws AND number = 4", "UPDATE audit_events SET number = 4 WHERE workspace = $ws AND number = 5",
			"UPDATE audit_events SET number = 5 WHERE workspace = $ws AND number = 6",
		}, 3, "the link was changed, or events were put in another order"},
		{"first event removed", []string{"DELETE FROM audit_events WHERE workspace = $ws AND id = $e(1)"}, 1, "the event was removed"},
		{"events in another order", []string{
			"UPDATE audit_events SET number = 99 WHERE workspace = $ws AND number = 3",
			"UPDATE audit_events SET number = 3 WHERE workspace = $ws AND number = 4",
			"UPDATE audit_events SET number = 4 WHERE workspace = $ws AND number = 99",
		}, 3, "the link was changed, or events were put in another order"},
		{"link changed", []string{
			"UPDATE audit_events SET link_mac = (SELECT mac FROM audit_heads WHERE workspace = $ws) WHERE workspace = $ws AND number = 2",
		}, 2, "the link was changed, or events were put in another order"},
		{"link removed", []string{"UPDATE audit_events SET number = NULL, link_mac = NULL WHERE workspace = $ws AND number = 2"}, 2, "the event was removed"},
		{"tail cut", []string{"DELETE FROM audit_events WHERE workspace = $ws AND number > 4"}, 5, "the end of the chain was cut off"},
		{"tail cut, and the head set back", []string{
			"UPDATE audit_heads SET last_number = 4, last = (SELECT link_mac FROM audit_events WHERE workspace = $ws AND number = 4) WHERE workspace = $ws",
			"DELETE FROM audit_events WHERE workspace = $ws AND number > 4",
		}, 0, "the head of the chain was changed"},
		{"begin cut, and the head moved", []string{
			"UPDATE audit_heads SET first_number = 3, base = (SELECT link_mac FROM audit_events WHERE workspace = $ws AND number = 2) WHERE workspace = $ws",
			"DELETE FROM audit_events WHERE workspace = $ws AND number < 3",
		}, 0, "the head of the chain was changed"},
		{"head emptied", []string{"UPDATE audit_heads SET last_number = 0, first_number = 0 WHERE workspace = $ws"},
			0, "the head of the chain was changed"},
		{"head removed", []string{"DELETE FROM audit_heads WHERE workspace = $ws"}, 1, "the head was removed or replaced by an older one"},
		{"event inserted", []string{copyEvent("NULL", "NULL")}, 0, "the event was changed or inserted before it was linked"},
		{"event inserted as a new one", []string{copyEvent("NULL", "(SELECT mac FROM audit_heads WHERE workspace = $ws)")},
			0, "the event was changed or inserted before it was linked"},
		{"event inserted with a link", []string{copyEvent("7", "(SELECT mac FROM audit_heads WHERE workspace = $ws)")}, 7, outside},
		{"event inserted before the first", []string{copyEvent("0", "NULL")}, 0, outside},
		{"event inserted long before the first", []string{copyEvent("-9223372036854775808", "NULL")}, math.MinInt64, outside},
		{"event moved to another workspace", []string{
			"UPDATE audit_events SET workspace = 'moved' WHERE workspace = $ws AND id = $e(3)",
		}, 3, "the event was removed"},
		{"chain removed, and what is left of the events made new", []string{
			"DELETE FROM audit_heads WHERE workspace = $ws", "DELETE FROM audit_events WHERE workspace = $ws AND id = $e(3)",
			"UPDATE audit_events SET number = NULL WHERE workspace = $ws",
		}, 0, "the event was changed or inserted before it was linked"},
		{"chain removed, and what is left of the events made new with their seals", []string{
			"DELETE FROM audit_heads WHERE workspace = $ws", "UPDATE audit_events SET number = NULL, link_mac = seal WHERE workspace = $ws",
		}, 0, "the event was changed or inserted before it was linked"},
	}
}

// TestTampering checks that whatever is done to events, links or head is found,
// and said to be what it is; also after the service has gone on recording.
func TestTampering(t *testing.T) {
	databases(t, func(t *testing.T, w, _ *world) {
		all := append(eventChanges(), chainChanges()...)
		for _, test := range all {
			w.record(t, test.name, 6)
		}
		w.link(t)
		reports, err := w.Verify(t.Context())
		if err != nil || len(reports) != len(all) {
			t.Fatalf("before: %d reports, %v", len(reports), err)
		}
		for _, report := range reports {
			if diff := cmp.Diff(chain.Report{Workspace: report.Workspace, Links: 6}, report); diff != "" {
				t.Errorf("before (-want +got):\n%s", diff)
			}
		}
		for _, test := range all {
			arguments := []string{"$ws", quoted(test.name), "$later", w.time(start.Add(time.Hour))}
			for i, e := range w.events(t, test.name) { // newest first
				arguments = append(arguments, "$e("+string(rune('6'-i))+")", quoted(e.ID))
			}
			for _, statement := range test.statements {
				w.tamper(t, strings.NewReplacer(arguments...).Replace(statement))
			}
		}
		check := func(when string) {
			t.Helper()
			reports, err := w.Verify(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, report := range reports {
				for _, test := range all {
					if report.Workspace != test.name {
						continue
					}
					if b := report.Break; b == nil || b.Number != test.number || !strings.Contains(b.Reason, test.reason) {
						t.Errorf("%s, %s: got %v, want at link %d %q", test.name, when, b, test.number, test.reason)
					}
				}
			}
		}
		check("at once")
		if err := w.Link(t.Context()); err == nil {
			t.Error("linking says nothing of what was changed")
		}
		check("after linking went on")
		changed := w.events(t, "event's changes = '{'")[3].Changes
		if diff := cmp.Diff([]audit.Change{{New: `"{"`}}, changed); diff != "" {
			t.Errorf("changes that are not JSON any more (-want +got):\n%s", diff)
		}
	})
}

func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// TestVerifyBatches checks honest chains that end around the size of a batch.
func TestVerifyBatches(t *testing.T) {
	databases(t, func(t *testing.T, w, _ *world) {
		lengths := []int64{499, 500, 501, 1000, 1001}
		for _, length := range lengths {
			w.record(t, fmt.Sprint(length), int(length))
		}
		w.link(t)
		for _, length := range lengths {
			w.wantWhole(t, fmt.Sprint(length), length)
		}
	})
}

// dropUniqueNumbers lets two events of a workspace have the same number.
func (w *world) dropUniqueNumbers(t *testing.T) {
	t.Helper()
	drop := "ALTER TABLE audit_events DROP CONSTRAINT audit_events_number"
	if strings.HasSuffix(t.Name(), "/SQLite") {
		drop = "DROP INDEX audit_events_number"
	}
	w.tamper(t, drop, "CREATE INDEX audit_events_number ON audit_events (workspace, number)")
}

// forge inserts a copy of a linked event with another id and actor.
func (w *world) forge(t *testing.T, workspace string, number int64, id string) {
	t.Helper()
	w.tamper(t, fmt.Sprintf(`INSERT INTO audit_events (workspace, id, at, actor_subject, actor_kind, actor_name, action, target_type, target_id, target_name,
			provider_id, outcome, changes, reason, request_id, client_ip, count, seal, number, link_mac)
		SELECT workspace, '%s', at, 'forged', actor_kind, actor_name, action, target_type, target_id, target_name,
			provider_id, outcome, changes, reason, request_id, client_ip, count, seal, number, link_mac
		FROM audit_events WHERE workspace = %s AND number = %d`, id, quoted(workspace), number))
}

// The ids are before and after those of all other events.
var forgedIDs = []string{inserted, "ffffffff-ffff-7fff-bfff-ffffffffffff"}

// TestTwoEventsWithOneNumber checks that an event that was inserted with the
// number of another one is found, also where a batch or the chain ends.
func TestTwoEventsWithOneNumber(t *testing.T) {
	databases(t, func(t *testing.T, w, _ *world) {
		chains := map[int64][]int64{6: {1, 3, 6}, 500: {500}, 501: {499, 500, 501}, 1000: {500, 501, 1000}, 1001: {1000, 1001}}
		for length := range chains {
			w.record(t, fmt.Sprint(length), int(length))
		}
		w.link(t)
		w.dropUniqueNumbers(t)
		for length, numbers := range chains {
			workspace := fmt.Sprint(length)
			for _, number := range numbers {
				for _, id := range forgedIDs {
					w.forge(t, workspace, number, id)
					// The database returns the two in any order.
					b := w.verified(t, workspace).Break
					if b == nil || b.Number != number || b.EntryID != id ||
						b.Reason != "another event has the same number" && b.Reason != "the event was changed" {
						t.Errorf("%d links, a second event %s with the number %d: got %v", length, id, number, b)
					}
					w.tamper(t, "DELETE FROM audit_events WHERE id = "+quoted(id))
				}
			}
			w.wantWhole(t, workspace, length)
		}
	})
}

// TestTwoEventsWithOneNumberAreNotDropped checks that retention keeps them: they
// are evidence.
func TestTwoEventsWithOneNumberAreNotDropped(t *testing.T) {
	databases(t, func(t *testing.T, w, _ *world) {
		w.record(t, "acme", 501)
		w.link(t)
		w.dropUniqueNumbers(t)
		w.forge(t, "acme", 500, forgedIDs[1])
		err := w.Drop(t.Context(), start.Add(10*day))
		if err == nil || !strings.Contains(err.Error(), `workspace "acme", link 500, event `+forgedIDs[1]) {
			t.Errorf("got %v", err)
		}
		if events := w.events(t, "acme"); len(events) != 502 {
			t.Errorf("%d events are left", len(events))
		}
	})
}

// TestTamperingBeforeLinking checks that what is done to an event that is not
// linked yet is found, and that the linker does not make it good.
func TestTamperingBeforeLinking(t *testing.T) {
	databases(t, func(t *testing.T, w, _ *world) {
		for workspace, test := range map[string]struct{ statement, reason string }{
			"changed":     {"UPDATE audit_events SET reason = 'x' WHERE workspace = 'changed'", "changed or inserted before it was linked"},
			"mac changed": {"UPDATE audit_events SET link_mac = seal WHERE workspace = 'mac changed'", "changed or inserted before it was linked"},
			"mac removed": {"UPDATE audit_events SET link_mac = NULL WHERE workspace = 'mac removed'", "changed or inserted before it was linked"},
		} {
			w.record(t, workspace, 1)
			w.tamper(t, test.statement)
			check := func(when string) {
				t.Helper()
				if b := w.verified(t, workspace).Break; b == nil || !strings.Contains(b.Reason, test.reason) {
					t.Errorf("%s, %s: got %v, want %q", workspace, when, b, test.reason)
				}
			}
			check("before linking")
			if err := w.Link(t.Context()); err == nil {
				t.Errorf("%s: it was linked", workspace)
			}
			check("after linking")
			w.tamper(t, "DELETE FROM audit_events WHERE workspace = "+quoted(workspace))
		}
	})
}

// TestTheLinkerStaysAwayFromABrokenChain checks that nothing is linked to a
// changed head, that the other workspaces are, and that the report says so.
func TestTheLinkerStaysAwayFromABrokenChain(t *testing.T) {
	databases(t, func(t *testing.T, w, _ *world) {
		for _, workspace := range []string{"a", "b", "c"} {
			w.record(t, workspace, 2)
		}
		w.link(t)
		w.tamper(t, "UPDATE audit_heads SET last_number = 1 WHERE workspace = 'a'", "DELETE FROM audit_heads WHERE workspace = 'b'")
		for _, workspace := range []string{"a", "b", "c"} {
			w.record(t, workspace, 1)
		}
		err := w.Link(t.Context())
		if err == nil || !strings.Contains(err.Error(), `"a"`) || !strings.Contains(err.Error(), `"b"`) || strings.Contains(err.Error(), `"c"`) {
			t.Errorf("got %v, want it to name the workspaces a and b", err)
		}
		w.wantWhole(t, "c", 3)
		for _, workspace := range []string{"a", "b"} {
			if waiting, err := w.store.Unlinked(t.Context(), workspace, 10); err != nil || len(waiting) != 1 {
				t.Errorf("workspace %s: %d events wait, %v", workspace, len(waiting), err)
			}
		}
	})
}

func TestAnEventThatWaitsIsFound(t *testing.T) {
	databases(t, func(t *testing.T, w, _ *world) {
		w.record(t, "acme", 3)
		w.clock.advance(time.Second)
		if b := w.verified(t, "acme").Break; b == nil || !strings.Contains(b.Reason, "not linked within a second") {
			t.Errorf("got %v", b)
		}
		w.link(t)
		w.wantWhole(t, "acme", 3)
		w.record(t, "acme", 1)
		w.wantWhole(t, "acme", 3) // it may wait that long
	})
}

// TestAnotherKeyDoesNotVerify checks that the chain depends on the key.
func TestAnotherKeyDoesNotVerify(t *testing.T) {
	databases(t, func(t *testing.T, w, _ *world) {
		w.record(t, "acme", 1)
		w.link(t)
		other := audit.NewLog(w.store, make([]byte, 32), w.clock.Now)
		reports, err := other.Verify(t.Context())
		if err != nil || len(reports) != 1 || reports[0].Break == nil {
			t.Errorf("got %+v, %v", reports, err)
		}
	})
}

// TestEventsOfAnEarlierVersion: events that were sealed before actors had names still
// verify, and nobody can give one a name, or take one away.
func TestEventsOfAnEarlierVersion(t *testing.T) {
	e := audit.Event{ID: "id", Workspace: "w", Actor: audit.Actor{Subject: "s", Kind: "token"}, Action: audit.ProviderTest, ProviderID: "p",
		Target: audit.Target{Type: "provider", ID: "t", Name: "n"}, Outcome: audit.Success, Reason: "r", RequestID: "q", ClientIP: "i", Count: 1}
	before := []string{"s", "token", "provider.test", "provider", "t", "n", "success", "[]", "r", "q", "i", "1", "p"}
	if diff := cmp.Diff(before, e.Entry().Content); diff != "" {
		t.Errorf("what is sealed of an event without a name (-want +got):\n%s", diff)
	}
	databases(t, func(t *testing.T, w, _ *world) {
		record := func(name string) {
			ctx := audit.WithSource(t.Context(), audit.Source{Workspace: "acme", Actor: audit.Actor{Subject: "s", Kind: "token", Name: name}})
			if err := w.Record(ctx, audit.Event{Action: audit.ProviderTest}); err != nil {
				t.Fatal(err)
			}
		}
		record("")
		record("Deploy script")
		w.link(t)
		w.wantWhole(t, "acme", 2)
		for _, name := range []string{"", "Deploy script"} {
			w.tamper(t, "UPDATE audit_events SET actor_name = 'x' || actor_name WHERE actor_name = "+quoted(name))
			if w.verified(t, "acme").Break == nil {
				t.Errorf("the name %q was changed, and nobody noticed", name)
			}
			w.tamper(t, "UPDATE audit_events SET actor_name = "+quoted(name)+" WHERE actor_name = 'x' || "+quoted(name))
			w.wantWhole(t, "acme", 2)
		}
		w.tamper(t, "UPDATE audit_events SET actor_name = ''")
		if w.verified(t, "acme").Break == nil {
			t.Error("a name was removed, and nobody noticed")
		}
	})
}
