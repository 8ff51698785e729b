package store_test

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"modelproviders/pkg/audit"
	"modelproviders/pkg/store"
)

// seedEvents fills a store with audit events. Of 1000 events one has the action
// token.revoke, one the actor rare and one is denied; a third are of ann, who
// created no token, half of the tests failed, and every token was created.
func (d database) seedEvents(t testing.TB, s *store.Store, n int) {
	t.Helper()
	const chunk = 20_000 // a statement that lasts longer is ended
	for done := 0; done < n; done += chunk {
		at := fmt.Sprintf("%d + i", firstCreated.UnixMilli())
		if d.name == "Postgres" {
			at = "to_timestamp((" + at + ") / 1000.0)"
		}
		d.execute(t, s, fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			INSERT INTO audit_events (workspace, id, at, actor_subject, actor_kind, actor_name, action, target_type, target_id, target_name,
			provider_id, outcome, changes, reason, request_id, client_ip, count, seal)
			SELECT 'default', `, done+1, min(done+chunk, n))+d.seededID("i")+fmt.Sprintf(`, %s,
			CASE WHEN i %% 1000 = 9 THEN 'rare' WHEN i %% 3 = 0 THEN 'ann' ELSE 'bob' END, 'token', '',
			CASE WHEN i %% 1000 = 7 THEN 'token.revoke' WHEN i %% 3 = 1 THEN 'token.create' ELSE 'model.test' END, 'model', '', '',
			CASE i %% 3 WHEN 2 THEN 'tested' ELSE 'p' || CAST(i %% 1000 AS text) END,
			CASE WHEN i %% 1000 = 11 THEN 'denied' WHEN i %% 3 <> 1 AND i %% 2 = 0 THEN 'failure' ELSE 'success' END,
			'[]', '', '', '', 1, %s FROM n`, at, d.newBlob))
	}
	d.execute(t, s, d.optimise...)
}

func (d database) execute(t testing.TB, s *store.Store, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := s.Writer().ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%v\n%s", err, statement)
		}
	}
}

// TestAuditCosts is TestCosts for the list of audit events.
func TestAuditCosts(t *testing.T) {
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			s := d.open(t)
			d.seedEvents(t, s, 20_000)
			cost := d.costs(t, s)
			halfway := firstCreated.Add(10_000 * time.Millisecond)
			for _, filter := range []audit.Filter{
				{},
				{From: firstCreated, To: halfway},
				{Action: audit.TokenRevoke},
				{Action: audit.ModelTest, To: halfway},
				{Action: audit.TokenRevoke, From: firstCreated, To: halfway},
				{Actor: "rare"},
				{Actor: "nobody"},
				{ProviderID: "p9"},
				{Outcome: audit.Denied},
			} {
				for _, before := range []*audit.Position{nil, {At: halfway, ID: "00000000-0000-7000-8000-100000010000"}} {
					q := audit.Query{Filter: filter, Before: before, Limit: 21}
					cost(fmt.Sprintf("events %+v", q), 100, 100, func() error { _, err := s.Events(t.Context(), workspace, q); return err })
				}
			}
		})
	}
}

// BenchmarkEvents measures a page of audit events out of 1,000 and 100,000.
// MODELPROVIDERS_BENCH_EVENTS sets another size, such as 1000000.
func BenchmarkEvents(b *testing.B) {
	sizes := []int{1000, 100_000}
	if size, err := strconv.Atoi(os.Getenv("MODELPROVIDERS_BENCH_EVENTS")); err == nil {
		sizes = []int{size}
	}
	for _, d := range databases() {
		for _, size := range sizes {
			b.Run(fmt.Sprintf("%s/%d", d.name, size), func(b *testing.B) {
				s := d.open(b)
				d.seedEvents(b, s, size)
				measure := func(name string, q audit.Query) {
					q.Limit = 20
					b.Run(name, func(b *testing.B) {
						for b.Loop() {
							if _, err := s.Events(b.Context(), workspace, q); err != nil {
								b.Fatal(err)
							}
						}
					})
				}
				tenth := firstCreated.Add(time.Duration(size/10) * time.Millisecond)
				measure("newest", audit.Query{})
				measure("deep", audit.Query{Before: &audit.Position{At: tenth, ID: "00000000-0000-7000-8000-100000000000"}})
				measure("action", audit.Query{Filter: audit.Filter{Action: audit.TokenRevoke}})
				measure("actor and action, none", audit.Query{Filter: audit.Filter{Actor: "ann", Action: audit.TokenCreate}})
				measure("outcome until then", audit.Query{Filter: audit.Filter{Outcome: audit.Failure, To: tenth}})
			})
		}
	}
}

// TestEventsTogether checks that any number of events is added by statements of few
// texts, because the databases keep each text prepared, and that they are read back as
// they were added one by one.
func TestEventsTogether(t *testing.T) {
	t.Parallel()
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			s := d.open(t)
			event := func(i int) audit.Event {
				return audit.Event{
					Workspace: "w", ID: uuid.Must(uuid.NewV7()).String(), At: firstCreated, Action: audit.ModelUpdate, Outcome: audit.Success,
					Actor:  audit.Actor{Subject: `\x41 "quoted" <é> {"a":1}`, Kind: "token"},
					Target: audit.Target{Type: "model", ID: strconv.Itoa(i), Name: "\\\t\u2028'"},
					Count:  i, Seal: []byte{0, 1, 0xff}, LinkMAC: []byte{0x5c, 0x78},
					Changes: []audit.Change{{Field: "name", Old: "null", New: "1"}},
				}
			}
			for n := 1; n <= 30; n++ {
				var events []audit.Event
				for i := range n {
					events = append(events, event(i))
				}
				if err := s.AppendEvents(t.Context(), events...); err != nil {
					t.Fatalf("%d events: %v", n, err)
				}
				stored, err := s.Events(t.Context(), "w", audit.Query{Limit: n})
				slices.Reverse(stored)
				if err != nil || !reflect.DeepEqual(stored, events) {
					t.Fatalf("of %d events there are, with %v,\n%+v\nwant\n%+v", n, err, stored, events)
				}
			}
			if d.name == "Postgres" {
				texts := column(t, s, "SELECT statement FROM pg_prepared_statements WHERE statement LIKE 'INSERT INTO audit_events%'")
				if len(texts) > 2 {
					t.Errorf("%d statements that add events are prepared", len(texts))
				}
			}
		})
	}
}
