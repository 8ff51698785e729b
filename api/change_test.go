package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"modelproviders/api/apitest"
)

// change is a change as the contract describes it.
type change struct {
	Cursor          string    `json:"cursor"`
	At              time.Time `json:"at"`
	Resource        string    `json:"resource"`
	ID              string    `json:"id"`
	ProviderID      string    `json:"provider_id"`
	Action          string    `json:"action"`
	Version         int64     `json:"version"`
	ProviderVersion int64     `json:"provider_version"`
}

type changePage struct {
	Data       []change `json:"data"`
	NextCursor string   `json:"next_cursor"`
}

func changesAt(c *apitest.Client, query string) (page changePage) {
	c.Get("/changes" + query).Is(http.StatusOK).Into(&page)
	return page
}

// changesAfter reads changes after a cursor until it has as many as wanted: they are
// numbered after the answer of their write.
func changesAfter(t *testing.T, c *apitest.Client, after string, want int) (changes []change) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); len(changes) < want; {
		if time.Now().After(deadline) {
			t.Fatalf("only %d of %d changes are told: %+v", len(changes), want, changes)
		}
		page := changesAt(c, "?wait=10s&after="+after)
		changes, after = append(changes, page.Data...), page.NextCursor
	}
	return changes
}

// oneMore makes a change of a provider.
func oneMore(c *apitest.Client, p apitest.Provider) {
	c.Patch(p.Path(), object{"name": apitest.UniqueName("Renamed")}).Is(http.StatusOK)
}

func TestChangesOfEveryWrite(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		start := changesAt(c, "")
		if len(start.Data) != 0 || start.NextCursor == "" {
			t.Fatalf("the first page is %+v", start)
		}
		began := time.Now().Add(-time.Second)
		p := blockedProvider(c)
		old := p.Models[0]
		oneMore(c, p)
		c.Patch(p.Path(), object{"name": "x"}).Is(http.StatusOK)
		c.Patch(p.Path(), object{"name": "x"}).Is(http.StatusOK) // changes nothing
		var m apitest.Model
		c.Post(p.Path()+"/models", apitest.GPT("gpt-5", nil)).Is(http.StatusCreated).Into(&m)
		c.Patch(m.Path(), object{"enabled": false}).Is(http.StatusOK)
		c.Delete(old.Path()).Is(http.StatusNoContent)
		c.Patch(p.Path(), object{"status": "inactive"}).Is(http.StatusOK)
		c.Patch(p.Path(), object{"status": "inactive", "models": list{}}).Is(http.StatusOK)
		c.Delete(p.Path()).Is(http.StatusNoContent)

		got := changesAfter(t, c, start.NextCursor, 9)
		var told []string
		for _, change := range got {
			told = append(told, fmt.Sprintf("%s %s %d/%d", change.Action, change.Resource, change.Version, change.ProviderVersion))
			id := map[string]string{p.ID: "provider", m.ID: "model", old.ID: "model"}
			if id[change.ID] != change.Resource || change.ProviderID != p.ID || change.At.Before(began) || change.At.After(time.Now().Add(time.Second)) {
				t.Errorf("told is %+v", change)
			}
		}
		want := []string{
			"created provider 1/1", "updated provider 2/2", "updated provider 3/3", "created model 1/4", "updated model 2/5",
			"deleted model 1/6", "status_changed provider 7/7", "deleted model 2/8", "deleted provider 8/8",
		}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("the changes (-want +got):\n%s", diff)
		}
		end := changesAt(c, "?after="+got[8].Cursor)
		if len(end.Data) != 0 || end.NextCursor != got[8].Cursor || changesAt(c, "").NextCursor != got[8].Cursor {
			t.Errorf("after the last change: %+v", end)
		}
	})
}

func TestChangesInPages(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c, other := s.Workspace(t), s.Workspace(t)
		start := changesAt(c, "").NextCursor
		for range 25 {
			c.CreateProvider(apitest.OpenAI(nil))
			other.CreateProvider(apitest.OpenAI(nil))
		}
		all := changesAfter(t, c, start, 25)
		if page := changesAt(c, "?after="+start); len(page.Data) != 20 || page.NextCursor != all[19].Cursor {
			t.Errorf("a page has %d changes", len(page.Data))
		}
		var paged []change
		for after := start; len(paged) < len(all); {
			page := changesAt(c, "?limit=7&wait=1s&after="+after)
			if len(page.Data) == 0 || len(page.Data) > 7 || page.NextCursor != page.Data[len(page.Data)-1].Cursor {
				t.Fatalf("a page of 7 is %+v", page)
			}
			paged, after = append(paged, page.Data...), page.NextCursor
		}
		if diff := cmp.Diff(all, paged); diff != "" {
			t.Errorf("all changes differ from their pages:\n%s", diff)
		}
		for i, change := range all { // each cursor is a position
			if rest := changesAt(c, "?limit=100&after="+change.Cursor); len(rest.Data) != len(all)-i-1 {
				t.Errorf("%d changes follow change %d", len(rest.Data), i)
			}
		}
	})
}

func TestAWaitEndsWithTheFirstChange(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c, other := s.Workspace(t), s.Workspace(t)
		start := changesAt(c, "").NextCursor
		p := c.CreateProvider(apitest.OpenAI(nil))
		end := changesAfter(t, c, start, 1)[0].Cursor
		answered := make(chan changePage, 1)
		go func() { answered <- changesAt(c, "?wait=50s&after="+end) }()
		for range 5 {
			other.CreateProvider(apitest.OpenAI(nil))
		}
		select {
		case page := <-answered:
			t.Fatalf("before the change, the answer is %+v", page)
		case <-time.After(300 * time.Millisecond):
		}
		oneMore(c, p)
		began := time.Now()
		page := <-answered
		if took := time.Since(began); took > 5*time.Second || len(page.Data) != 1 || page.Data[0].ID != p.ID {
			t.Errorf("%s after the change, the answer is %+v", took, page)
		}
		t.Logf("answered %s after the answer of the write", time.Since(began))

		began = time.Now()
		empty := changesAt(c, "?wait=300ms&after="+page.NextCursor)
		if took := time.Since(began); took < 300*time.Millisecond || took > 10*time.Second || len(empty.Data) != 0 || empty.NextCursor != page.NextCursor {
			t.Errorf("a wait without a change took %s, with the answer %+v", took, empty)
		}
		began = time.Now()
		changesAt(c, "?wait=60s")              // of a request for the end
		changesAt(c, "?wait=60s&after="+start) // of one that has an answer
		c.Do(http.MethodHead, "/changes?wait=60s&after="+page.NextCursor, nil).Is(http.StatusOK)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("requests that need not wait took %s", took)
		}
	})
}

func TestQueriesForChangesThatAreWrong(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c, other := s.Workspace(t), s.Workspace(t)
		cursor, foreign := changesAt(c, "").NextCursor, changesAt(other, "").NextCursor
		refused := func(query string, fields ...string) {
			t.Helper()
			c.Get("/changes?"+query).Problem(http.StatusBadRequest, "malformed_request", fields...)
			c.Get("/changes?"+query, asEvents).Problem(http.StatusBadRequest, "malformed_request", fields...)
		}
		for i := range cursor {
			changed := cursor[:i] + map[bool]string{true: "B", false: "A"}[cursor[i] == 'A'] + cursor[i+1:]
			refused("after="+changed, "after invalid")
		}
		list := c.Get("/providers?limit=1").Object()["next_cursor"]
		for _, wrong := range []string{foreign, cursor[1:], cursor + "A", cursor + cursor, "x", "%20" + cursor, cursor + "%3D", "0", fmt.Sprint(list)} {
			refused("after="+wrong, "after invalid")
		}
		refused("after=", "after invalid")
		refused("after="+strings.Repeat("x", 3000), "after too_long")
		refused("after="+cursor+"&after="+cursor, "after duplicate")
		for _, wait := range []string{"", "30", "61s", "-1s", "1m1ns", "30 s", "half", "1h", "+"} {
			refused("wait="+url.QueryEscape(wait), "wait invalid")
		}
		refused("wait=x&limit=0&after=x&cursor=x", "wait invalid", "limit invalid", "after invalid", "cursor unknown")
		c.Get("/changes?after=x", asEvents, apitest.Header("Last-Event-ID", foreign)).Problem(http.StatusBadRequest, "malformed_request", "Last-Event-ID invalid")
		for _, wait := range []string{"0s", "0", "1ms", "0.001s", "1000us"} {
			c.Get("/changes?wait=" + url.QueryEscape(wait) + "&after=" + cursor).Is(http.StatusOK)
		}
	})
}

// TestChangesThatAreGone: a change that is not stored any more is no position.
func TestChangesThatAreGone(t *testing.T) {
	onEach(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		start := changesAt(c, "").NextCursor
		p := c.CreateProvider(apitest.OpenAI(nil))
		oneMore(c, p)
		oneMore(c, p)
		var changes []change
		for len(changes) < 3 { // without a wait: changes that somebody waited for are in memory
			changes = changesAt(c, "?after="+start).Data
		}
		s.Database.Exec(t, "DELETE FROM changes WHERE number <= 2")
		for _, gone := range []string{start, changes[0].Cursor, changes[1].Cursor} {
			c.Get("/changes?after="+gone).Problem(http.StatusGone, "gone")
			c.Get("/changes?wait=60s&after="+gone).Problem(http.StatusGone, "gone")
			events := c.Events("/changes?after=" + gone)
			if first := events.Next(); first != (apitest.Event{ID: gone}) {
				t.Errorf("a stream begins with %+v", first)
			}
			reset := events.Next()
			if want := (apitest.Event{ID: changes[2].Cursor, Name: "reset", Data: `{"next_cursor":"` + changes[2].Cursor + `"}`}); reset != want {
				t.Errorf("a stream is reset by %+v, want %+v", reset, want)
			}
			oneMore(c, p)
			if next := events.Next(); next.Name != "change" {
				t.Errorf("after a reset: %+v", next)
			}
			events.Leave()
			changes = append(changes[:2], changesAfter(t, c, changes[2].Cursor, 1)...)
		}
		s.Database.Exec(t, "DELETE FROM changes WHERE number <= 5") // as those that are too old
		if end := changesAt(c, "?after="+changes[2].Cursor); len(end.Data) != 0 {
			t.Errorf("after the last change there are %+v", end)
		}
	})
}
