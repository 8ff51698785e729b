package audit_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver that tampers
	_ "modernc.org/sqlite"             // the driver that tampers

	"modelproviders/pkg/audit"
	"modelproviders/pkg/audit/chain"
	"modelproviders/pkg/store"
	"modelproviders/pkg/store/storetest"
)

// world is a log over a real store, and a way round it to the database.
type world struct {
	*audit.Log
	store *store.Store
	raw   *sql.DB
	// time is a time as the database keeps it.
	time  func(time.Time) string
	clock *clock
}

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var key = []byte("0123456789abcdef0123456789abcdef")

var start = time.Date(2026, 11, 5, 10, 0, 0, 0, time.UTC)

// databases runs a test on each kind of database, with two stores on the same
// one.
func databases(t *testing.T, test func(t *testing.T, one, two *world)) {
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "store.db")
		both(t, store.Config{SQLitePath: path}, "sqlite", "file:"+path+"?_pragma=busy_timeout(10000)", test)
	})
	t.Run("Postgres", func(t *testing.T) {
		t.Parallel()
		url := storetest.Postgres(t)
		both(t, store.Config{DatabaseURL: url}, "pgx", url, test)
	})
}

func both(t *testing.T, config store.Config, driver, source string, test func(t *testing.T, one, two *world)) {
	raw, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	c := &clock{now: start}
	open := func() *world {
		s := storetest.Open(t, config)
		return &world{Log: audit.NewLog(s, key, c.Now), store: s, raw: raw, clock: c, time: func(t time.Time) string {
			if driver == "sqlite" {
				return fmt.Sprint(t.UnixMilli())
			}
			return quoted(t.Format(time.RFC3339))
		}}
	}
	test(t, open(), open())
}

// record records n events of a workspace, a millisecond apart, in one
// transaction.
func (w *world) record(t testing.TB, workspace string, n int) {
	t.Helper()
	err := w.store.InTx(t.Context(), func(ctx context.Context) error {
		for i := range n {
			w.clock.advance(time.Millisecond)
			err := w.Record(ctx, audit.Event{
				Workspace: workspace, Actor: audit.Actor{Subject: "s", Kind: "token"}, Action: audit.ProviderUpdate, ProviderID: "p",
				Target: audit.Target{Type: "provider", ID: "p", Name: fmt.Sprint("P", i)}, Outcome: audit.Success,
				Changes: []audit.Change{{Field: "name", Old: `"a"`, New: `"b"`}},
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal("record:", err)
	}
}

func (w *world) link(t *testing.T) {
	t.Helper()
	if err := w.Link(t.Context()); err != nil {
		t.Fatal("link:", err)
	}
}

// tamper changes the database behind the log's back.
func (w *world) tamper(t *testing.T, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := w.raw.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%v\n%s", err, statement)
		}
	}
}

// verified returns the report of a workspace.
func (w *world) verified(t *testing.T, workspace string) chain.Report {
	t.Helper()
	reports, err := w.Verify(t.Context())
	if err != nil {
		t.Fatal("verify:", err)
	}
	i := slices.IndexFunc(reports, func(r chain.Report) bool { return r.Workspace == workspace })
	if i < 0 {
		t.Fatalf("there is no report of workspace %q", workspace)
	}
	return reports[i]
}

func (w *world) wantWhole(t *testing.T, workspace string, links int64) {
	t.Helper()
	if r := w.verified(t, workspace); r.Break != nil || r.Links != links {
		t.Errorf("workspace %q: %d links, %v; want %d and no break", workspace, r.Links, r.Break, links)
	}
}

func (w *world) events(t *testing.T, workspace string) []audit.Event {
	t.Helper()
	events, err := w.store.Events(t.Context(), workspace, audit.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func TestAnEventTellsWhoDidWhat(t *testing.T) {
	databases(t, func(t *testing.T, w, _ *world) {
		w.clock.advance(1234567 * time.Nanosecond)
		ctx := audit.WithSource(t.Context(), audit.Source{
			Workspace: "acme", Actor: audit.Actor{Subject: "ann", Kind: "oidc"}, RequestID: "r-1", ClientIP: "192.0.2.7",
		})
		told := audit.Event{Action: audit.CredentialReveal, Target: audit.Target{Type: "credential", ID: "c", Name: "C"},
			ProviderID: "p", Outcome: audit.Success, Reason: "rotation", Changes: []audit.Change{{Field: "credentials.api_key"}}}
		other := audit.Event{Workspace: "other", Actor: audit.Actor{Subject: "operator", Kind: "operator"}, Action: audit.TokenRevoke,
			Target: audit.Target{Type: "token"}, Outcome: audit.Denied, Count: 7}
		for _, e := range []audit.Event{told, other} {
			if err := w.Record(ctx, e); err != nil {
				t.Fatal(err)
			}
		}
		told.Workspace, told.Actor, told.Count = "acme", audit.Actor{Subject: "ann", Kind: "oidc"}, 1
		for _, want := range []audit.Event{told, other} {
			want.At, want.RequestID, want.ClientIP = start.Add(time.Millisecond), "r-1", "192.0.2.7"
			got := w.events(t, want.Workspace)
			if len(got) != 1 || got[0].ID == "" || len(got[0].Seal) != 32 {
				t.Fatalf("events: %+v", got)
			}
			got[0].ID, got[0].Seal, got[0].LinkMAC = "", nil, nil
			if diff := cmp.Diff([]audit.Event{want}, got); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
		}

		undo := errors.New("undo")
		err := w.store.InTx(t.Context(), func(ctx context.Context) error {
			return errors.Join(w.Record(ctx, audit.Event{Workspace: "undone"}), undo)
		})
		if !errors.Is(err, undo) || len(w.events(t, "undone")) != 0 {
			t.Errorf("an event of a transaction that was rolled back: %v", err)
		}
	})
}

// TestAnyTextCanBeRecorded checks that no text keeps an event from being stored,
// and that each is read as it was sealed.
func TestAnyTextCanBeRecorded(t *testing.T) {
	databases(t, func(t *testing.T, w, _ *world) {
		const odd, kept = "a\x00b\xffc <&> \u2028 \ufffd 🙂", "a\ufffdb\ufffdc <&> \u2028 \ufffd 🙂"
		e := audit.Event{
			Workspace: "acme", Actor: audit.Actor{Subject: odd, Kind: odd}, Target: audit.Target{Type: odd, ID: odd, Name: odd},
			ProviderID: odd, Reason: odd, Changes: []audit.Change{{Field: odd, Old: odd, New: odd}},
		}
		none, empty := e, e
		none.Changes, empty.Changes = nil, []audit.Change{}
		ctx := audit.WithSource(t.Context(), audit.Source{RequestID: odd, ClientIP: odd})
		for _, e := range []audit.Event{e, none, empty} {
			if err := w.Record(ctx, e); err != nil {
				t.Fatal(err)
			}
		}
		w.link(t)
		w.wantWhole(t, "acme", 3)
		events := w.events(t, "acme")
		got := events[2]
		texts := []string{got.Actor.Subject, got.RequestID, got.Changes[0].New}
		if diff := cmp.Diff([]string{kept, kept, kept}, texts); diff != "" {
			t.Errorf("subject, request id and new value (-want +got):\n%s", diff)
		}
		if e.Changes[0].Old != odd {
			t.Error("the caller's changes were changed")
		}
	})
}

func TestEventsInPages(t *testing.T) {
	databases(t, func(t *testing.T, w, _ *world) {
		w.record(t, "acme", 5)
		w.record(t, "other", 1)
		var names []string
		for q := (audit.Query{Filter: audit.Filter{Actor: "s"}, Limit: 2}); ; {
			events, err := w.Events(t.Context(), "acme", q)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				names = append(names, e.Target.Name)
				position := e.Position()
				q.Before = &position
			}
			if len(events) < q.Limit {
				break
			}
		}
		if !slices.Equal(names, []string{"P4", "P3", "P2", "P1", "P0"}) {
			t.Errorf("got %q", names)
		}
	})
}
